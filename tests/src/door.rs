//! A TCP door on loopback between clients and one server: it can be shut, narrowed or blocked while both are at work.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

/// How often a connection that is quiet looks whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Everything, at once.
    Open,
    /// Every piece waits so long first, in both directions.
    Slow(Duration),
    /// Connections stay, and nothing passes: what was sent may arrive much later.
    Blocked,
    /// Connections are cut, and new ones too.
    Shut,
}

/// Listens until the process ends.
#[derive(Clone, Debug)]
pub struct Door {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    server: SocketAddr,
    pass: Mutex<Pass>,
    /// Counts the times that it was shut: connections of before are over.
    cuts: AtomicU64,
}

impl Door {
    /// A door on a free port, open, to a server that need not be there yet.
    ///
    /// # Errors
    /// When there is no free port, or no thread.
    pub fn to(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("taking a free port for a door")?;
        let address = listener.local_addr()?;
        let state = Arc::new(State { server, pass: Mutex::new(Pass::Open), cuts: AtomicU64::new(0) });
        let admitting = Arc::clone(&state);
        std::thread::Builder::new().name("door".to_owned()).spawn(move || {
            for client in listener.incoming().flatten() {
                // Who is not let in, or finds nobody behind the door, is hung up on.
                if admitting.pass() != Pass::Shut {
                    drop(admit(&admitting, client));
                }
            }
        })?;
        Ok(Self { address, state })
    }

    /// Where clients knock.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on.
    pub fn set(&self, pass: Pass) {
        *self.state.pass.lock().unwrap_or_else(PoisonError::into_inner) = pass;
        if pass == Pass::Shut {
            self.state.cuts.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl State {
    fn pass(&self) -> Pass {
        *self.pass.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a piece may pass; false when the connection is over.
    fn lets_pass(&self, cuts: u64) -> bool {
        loop {
            if self.cuts.load(Ordering::SeqCst) != cuts {
                return false;
            }
            match self.pass() {
                Pass::Open => return true,
                Pass::Slow(time) => {
                    std::thread::sleep(time);
                    return self.cuts.load(Ordering::SeqCst) == cuts;
                }
                Pass::Blocked | Pass::Shut => std::thread::sleep(LOOK_EVERY),
            }
        }
    }
}

fn admit(state: &Arc<State>, client: TcpStream) -> Result<()> {
    let cuts = state.cuts.load(Ordering::SeqCst);
    let server = TcpStream::connect(state.server)?;
    for end in [&client, &server] {
        end.set_nodelay(true)?;
        end.set_read_timeout(Some(LOOK_EVERY))?;
    }
    let ways = [(client.try_clone()?, server.try_clone()?), (server, client)];
    for (from, to) in ways {
        let state = Arc::clone(state);
        std::thread::Builder::new().name("door".to_owned()).spawn(move || carry(&state, cuts, from, to))?;
    }
    Ok(())
}

/// Carries one direction until an end hangs up or the door is shut.
fn carry(state: &State, cuts: u64, mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = vec![0; 1 << 16];
    loop {
        let read = match from.read(&mut bytes) {
            Ok(read @ 1..) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if state.cuts.load(Ordering::SeqCst) == cuts {
                    continue;
                }
                break;
            }
            Ok(_) | Err(_) => {
                // Its half is over; the other direction may go on.
                let _gone = to.shutdown(Shutdown::Write);
                return;
            }
        };
        if !state.lets_pass(cuts) || to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    for end in [&from, &to] {
        let _gone = end.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says everything it hears.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                std::thread::spawn(move || std::io::copy(&mut &client, &mut &client));
            }
        });
        address
    }

    fn says(client: &mut TcpStream, text: &str) -> std::io::Result<String> {
        client.write_all(text.as_bytes())?;
        let mut heard = vec![0; text.len()];
        client.read_exact(&mut heard)?;
        Ok(String::from_utf8_lossy(&heard).into_owned())
    }

    #[test]
    fn a_door_lets_pass_cuts_and_holds_back() {
        let door = Door::to(echo()).unwrap();
        let connect = || {
            let client = TcpStream::connect(door.address()).unwrap();
            client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            client
        };
        let mut client = connect();
        assert_eq!(says(&mut client, "open").unwrap(), "open");
        door.set(Pass::Slow(Duration::from_millis(1)));
        assert_eq!(says(&mut client, "slow").unwrap(), "slow");
        door.set(Pass::Blocked);
        let held = says(&mut client, "held").unwrap_err();
        assert!(matches!(held.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{held}");
        door.set(Pass::Open);
        let mut late = [0; 4];
        client.read_exact(&mut late).unwrap();
        assert_eq!(&late, b"held", "what was held back arrives");
        door.set(Pass::Shut);
        assert!(says(&mut client, "cut").is_err());
        assert!(says(&mut connect(), "new").is_err(), "nobody is let in");
        door.set(Pass::Open);
        assert_eq!(says(&mut connect(), "again").unwrap(), "again");
    }
}
