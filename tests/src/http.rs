//! One request, one connection: an answer that was cut off by a kill is an error, never an answer.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Longer than any route waits.
const PATIENCE: Duration = Duration::from_secs(90);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// All of the body.
    pub body: String,
}

/// Sends one request to `base`, such as `http://127.0.0.1:8123`.
///
/// # Errors
/// When nobody listens, or the answer is not whole.
pub fn send(base: &str, method: &str, path: &str, body: &str) -> Result<Answer> {
    let address = base.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // HTTP/1.0: the answer ends with the connection.
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).with_context(|| format!("reading the answer of {address}{path}"))?;
    parse(&bytes).with_context(|| format!("reading the answer of {address}{path}"))
}

fn parse(bytes: &[u8]) -> Result<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").context("the answer ends within its head")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let length = head.lines().filter_map(|line| line.split_once(':'));
    let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    if let Some((_, length)) = length.next() {
        let length: usize = length.trim().parse().context("content-length is no number")?;
        ensure!(body.len() == length, "{} of {length} bytes came", body.len());
    }
    Ok(Answer { status: status.context("the answer has no status")?, body: body.to_owned() })
}
