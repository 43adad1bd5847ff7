//! Over real HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};
use tally_collector::CollectorConfig;
use tally_domain::Topic;

use super::rig::{Served, all};

fn config() -> CollectorConfig {
    CollectorConfig {
        body_bytes_max: 1 << 20,
        events_max: 1_000,
        requests_max: 8,
        pending_bytes_max: 8 << 20,
        answer_ms_max: 20_000,
    }
}

fn event(id: &str) -> Value {
    json!({"source": "codex", "subject": "ann", "id": id, "occurred_at": 1_771_000_000_000_i64,
           "model": "m", "tool": "codex", "output": 5})
}

fn post(served: &Served, kind: &str, body: impl Into<reqwest::blocking::Body>) -> Response {
    Client::new().post(&served.url).header("content-type", kind).body(body).send().unwrap()
}

fn answer(response: Response) -> (u16, Value) {
    (response.status().as_u16(), serde_json::from_str(&response.text().unwrap()).unwrap())
}

#[test]
fn an_answer_says_what_became_of_each_event_and_where_the_log_ends() {
    let mut served = Served::start(config());
    let mut bad = event("e2");
    bad["output"] = json!(-4);
    let body = json!({"events": [event("e1"), bad]}).to_string();
    let (status, told) = answer(post(&served, "application/json", body));
    assert_eq!((status, &told["accepted"]), (200, &json!(1)));
    let detail = "output is -4 tokens; expected 0 to 1000000000000";
    assert_eq!(told["rejected"], json!([{"index": 1, "reason": "tokens_out_of_range", "detail": detail}]));
    assert_eq!(told["appended"][0]["next_offset"], 1);
    assert_eq!(all(&mut served.reader, Topic::Usage).len(), 1);
    assert_eq!(all(&mut served.reader, Topic::Rejects).len(), 1);

    let lines = format!("{}\n{}\n", event("e3"), event("e4"));
    let (status, told) = answer(post(&served, "application/x-ndjson; charset=utf-8", lines));
    assert_eq!((status, &told["accepted"], &told["appended"][0]["next_offset"]), (200, &json!(2), &json!(3)));
}

#[test]
fn gzip_is_taken_and_its_bombs_are_not() {
    let served = Served::start(config());
    let gzip = |bytes: &[u8]| {
        // Stored, not compressed: the format without a compressor.
        let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        let mut chunks = bytes.chunks(60_000).peekable();
        while let Some(chunk) = chunks.next() {
            let len = u16::try_from(chunk.len()).unwrap();
            out.push(u8::from(chunks.peek().is_none()));
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(&(!len).to_le_bytes());
            out.extend_from_slice(chunk);
        }
        out.extend_from_slice(&crc32(bytes).to_le_bytes());
        out.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
        out
    };
    let send = |bytes: Vec<u8>| {
        let request = Client::new().post(&served.url).header("content-encoding", "gzip").body(bytes);
        answer(request.send().unwrap())
    };
    let (status, told) = send(gzip(event("e1").to_string().as_bytes()));
    assert_eq!((status, &told["accepted"]), (200, &json!(1)), "{told}");
    let (status, told) = send(gzip(&vec![b' '; 2 << 20]));
    assert!(
        status == 413 && told["error"].as_str().unwrap().contains("at most 1048576 bytes"),
        "{status} {told}"
    );
    let (status, told) = send(b"no gzip at all".to_vec());
    assert!(status == 400 && told["error"].as_str().unwrap().contains("or no gzip?"), "{status} {told}");
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(!0, step)
}

#[test]
fn what_cannot_be_read_is_a_clear_error_and_is_kept() {
    let mut served = Served::start(config());
    let (status, told) = answer(post(&served, "application/json", "not json"));
    assert_eq!((status, &told["accepted"]), (400, &json!(0)));
    assert!(told["rejected"][0]["detail"].as_str().unwrap().contains("the body is no JSON"), "{told}");
    assert_eq!(all(&mut served.reader, Topic::Rejects).len(), 1);
    let (status, told) = answer(post(&served, "application/json", vec![b'x'; 2 << 20]));
    assert!(status == 413 && told["error"].as_str().unwrap().contains("at most 1048576 bytes"), "{told}");
    let many = json!(vec![7; 1_001]).to_string();
    let (status, told) = answer(post(&served, "application/json", many));
    assert!(status == 413 && told["error"].as_str().unwrap().contains("more than 1000 events"), "{told}");
}

#[test]
fn nothing_is_answered_before_it_is_durable_and_too_much_is_sent_back() {
    let mut config = config();
    config.requests_max = 2;
    config.answer_ms_max = 300;
    let mut served = Served::start(config);
    served.hold(true);
    let waiting = post(&served, "application/json", event("e1").to_string());
    assert_eq!(waiting.status().as_u16(), 503, "the log does not sync: no answer but come back");
    assert_eq!(waiting.headers()["retry-after"], "1");
    assert!(all(&mut served.reader, Topic::Usage).is_empty());

    let statuses: Vec<u16> = std::thread::scope(|threads| {
        let served = &served;
        let sending: Vec<_> = (0..6)
            .map(|i| {
                let body = event(&format!("f{i}")).to_string();
                threads.spawn(move || post(served, "application/json", body).status().as_u16())
            })
            .collect();
        sending.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    assert_eq!(statuses, [503; 6]);
    served.hold(false);
    let (status, _) = answer(post(&served, "application/json", event("e1").to_string()));
    assert_eq!(status, 200);
}

#[test]
fn a_sender_that_never_finishes_does_not_keep_its_place() {
    let mut config = config();
    config.requests_max = 1;
    config.answer_ms_max = 200;
    let served = Served::start(config);
    let address = served.url.trim_start_matches("http://").split('/').next().unwrap();
    let mut slow = TcpStream::connect(address).unwrap();
    slow.write_all(b"POST /v1/usage HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{").unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answered = [0; 12];
    slow.read_exact(&mut answered).unwrap();
    assert_eq!(&answered, b"HTTP/1.1 503");
    let (status, _) = answer(post(&served, "application/json", event("e1").to_string()));
    assert_eq!(status, 200);
}
