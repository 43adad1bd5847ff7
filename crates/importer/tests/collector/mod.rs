//! A collector that keeps what it gets in memory: HTTP/1.1 by hand, one connection after the other.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// How it treats every other request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// 503 with Retry-After.
    Busy,
    /// The connection ends without an answer.
    HangsUp,
    /// The events are taken, and the connection ends without an answer.
    TakesAndHangsUp,
    /// 400, always.
    Refuses,
    /// 400, and why for each event.
    RefusesEvents,
}

pub(crate) struct Collector {
    port: u16,
    events: Arc<Mutex<Vec<Value>>>,
    kept: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    /// Listens until the test ends.
    pub(crate) fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let collector = Self {
            port: listener.local_addr().unwrap().port(),
            events: Arc::default(),
            kept: Arc::default(),
        };
        let (events, kept) = (Arc::clone(&collector.events), Arc::clone(&collector.kept));
        std::thread::spawn(move || {
            let mut requests = 0_u32;
            for connection in listener.incoming() {
                serve(&connection.unwrap(), mood, &mut requests, &events, &kept);
            }
        });
        collector
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Everything that it took, repeats included.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.events.lock().unwrap().clone()
    }

    /// Every line that it was asked to keep.
    pub(crate) fn kept(&self) -> Vec<Value> {
        self.kept.lock().unwrap().clone()
    }

    /// Output of the report that stands, by event.
    pub(crate) fn standing(&self) -> Vec<(String, i64)> {
        let mut standing = BTreeMap::<String, i64>::new();
        for event in self.events() {
            let output = standing.entry(event["id"].as_str().unwrap().to_owned()).or_default();
            *output = event["output"].as_i64().unwrap().max(*output);
        }
        standing.into_iter().collect()
    }

    /// How many events there are, and the tokens of the reports that stand.
    pub(crate) fn standing_tokens(&self) -> (usize, i64) {
        let classes = ["output", "input", "cache_read", "cache_write_5m", "cache_write_1h", "reasoning"];
        let mut standing = BTreeMap::<String, (i64, i64)>::new();
        for event in self.events() {
            let tokens = classes.map(|class| event[class].as_i64().unwrap());
            let rank = (tokens[0], tokens.iter().sum());
            let best = standing.entry(event["id"].as_str().unwrap().to_owned()).or_default();
            *best = rank.max(*best);
        }
        (standing.len(), standing.values().map(|(_, tokens)| tokens).sum())
    }
}

fn serve(
    connection: &TcpStream,
    mood: Mood,
    requests: &mut u32,
    events: &Mutex<Vec<Value>>,
    kept: &Mutex<Vec<Value>>,
) {
    let mut reader = BufReader::new(connection);
    while let Some(body) = request(&mut reader) {
        *requests += 1;
        let off = *requests % 2 == 1;
        let batch = || body["events"].as_array().unwrap().clone();
        let answer = match mood {
            Mood::Refuses => "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\nno".to_owned(),
            Mood::RefusesEvents => {
                let why = |_| json!({"index": 0, "reason": "future", "detail": "not yet"});
                let rejected: Vec<Value> = batch().iter().map(why).collect();
                let body =
                    json!({"accepted": 0, "rejected": rejected, "kept": 0, "appended": []}).to_string();
                format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            }
            Mood::Busy if off => {
                "HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n".to_owned()
            }
            Mood::HangsUp if off => return,
            Mood::TakesAndHangsUp if off => return events.lock().unwrap().extend(batch()),
            _ => {
                let mut events = events.lock().unwrap();
                events.extend(batch());
                kept.lock().unwrap().extend(body["rejects"].as_array().cloned().unwrap_or_default());
                let appended = [json!({"partition": 0, "next_offset": events.len()})];
                let body =
                    json!({"accepted": batch().len(), "rejected": [], "appended": appended}).to_string();
                format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
            }
        };
        let mut connection = connection;
        connection.write_all(answer.as_bytes()).unwrap();
    }
}

fn request(reader: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}
