//! Stands between a client and the engine, and cuts every connection for good at the request that a test names: for
//! ClickHouse that is a client killed at that moment.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Which request is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It never arrives.
    Before(usize),
    /// It is done, and nobody hears of it.
    After(usize),
}

#[derive(Default)]
struct State {
    cut: Option<Cut>,
    requests: usize,
    is_cut: bool,
    open: Vec<TcpStream>,
}

#[derive(Clone, Default)]
pub(crate) struct Proxy(Arc<Mutex<State>>);

impl Proxy {
    /// Listens on a free port until the process ends; gives its address.
    pub(crate) fn start(&self, server: &str) -> String {
        let server = server.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let proxy = self.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if !proxy.0.lock().unwrap().is_cut {
                    proxy.join(client, TcpStream::connect(&server).unwrap());
                }
            }
        });
        url
    }

    /// From now on connections are joined, requests are counted from 0, and this is the last.
    pub(crate) fn arm(&self, cut: Cut) {
        let mut state = self.0.lock().unwrap();
        (state.cut, state.requests, state.is_cut) = (Some(cut), 0, false);
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.0.lock().unwrap().is_cut
    }

    fn join(&self, client: TcpStream, server: TcpStream) {
        let ends = [&client, &server].map(|end| end.try_clone().unwrap());
        self.0.lock().unwrap().open.extend(ends);
        let (to_server, from_server) = (server.try_clone().unwrap(), server);
        let (to_client, from_client) = (client.try_clone().unwrap(), client);
        let (asking, answering) = (self.clone(), self.clone());
        std::thread::spawn(move || pipe(from_client, to_server, |bytes| asking.lets_ask(bytes)));
        std::thread::spawn(move || pipe(from_server, to_client, |_| answering.lets_answer()));
    }

    /// The client sends one request at a time, each from the start of a read.
    fn lets_ask(&self, bytes: &[u8]) -> bool {
        let mut state = self.0.lock().unwrap();
        if bytes.starts_with(b"POST /") || bytes.starts_with(b"GET /") {
            if state.cut == Some(Cut::Before(state.requests)) {
                state.cut();
            }
            state.requests += 1;
        }
        !state.is_cut
    }

    fn lets_answer(&self) -> bool {
        let mut state = self.0.lock().unwrap();
        if matches!(state.cut, Some(Cut::After(last)) if state.requests > last) {
            state.cut();
        }
        !state.is_cut
    }
}

impl State {
    fn cut(&mut self) {
        self.is_cut = true;
        for end in self.open.drain(..) {
            let _already_closed = end.shutdown(Shutdown::Both);
        }
    }
}

fn pipe(mut from: TcpStream, mut to: TcpStream, mut lets: impl FnMut(&[u8]) -> bool) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if !lets(&bytes[..read]) || to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _already_closed = to.shutdown(Shutdown::Write);
}
