//! The answer to a statement: its head once, its body chunk by chunk, and errors before or within it.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::{mpsc, oneshot};

use super::Identity;
use super::call::{Call, random_hex};
use crate::exception::Exception;
use crate::ffi::Counts;
use crate::frame::encoding::{Encoder, Encoding};
use crate::frame::write_block;

/// Chunks that wait for a slow client; more of them make the engine wait.
const CHUNKS_AHEAD: usize = 4;
/// The most that goes into one compressed block, as ClickHouse writes them.
const BLOCK: usize = 1024 * 1024;

/// The client went away: there is nobody to answer.
#[derive(Debug)]
pub(crate) struct Gone;

/// An answer of which nothing has been sent yet.
pub(crate) struct Reply {
    head: oneshot::Sender<Response>,
    identity: Identity,
    query_id: String,
    compress: bool,
    encoding: Option<Encoding>,
}

impl Reply {
    pub(crate) fn new(identity: Identity, call: &Call) -> (Self, oneshot::Receiver<Response>) {
        let (head, receiver) = oneshot::channel();
        let encoding = call.accepted;
        (
            Self { head, identity, query_id: call.query_id.clone(), compress: call.compress, encoding },
            receiver,
        )
    }

    /// Sends the head of a good answer.
    pub(crate) fn begin(self, format: &str, counts: Counts) -> Result<Outgoing, Gone> {
        self.open(StatusCode::OK, Some(format), counts, None)
    }

    /// Answers with an error and its status.
    pub(crate) fn fail(self, exception: &Exception) {
        let line = exception.line(&self.identity.version);
        // A client that has gone needs no error.
        let sent = self
            .open(exception.status(), None, Counts::default(), Some(exception.code))
            .and_then(|mut outgoing| outgoing.write(line.as_bytes()).and_then(|()| outgoing.finish()));
        drop(sent);
    }

    fn open(
        self,
        status: StatusCode,
        format: Option<&str>,
        counts: Counts,
        code: Option<i32>,
    ) -> Result<Outgoing, Gone> {
        let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(CHUNKS_AHEAD);
        let body = futures_util::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|chunk| (chunk, receiver))
        });
        let tag = random_hex().chars().take(16).collect::<String>();
        let mut response = (status, Body::from_stream(body)).into_response();
        let headers = response.headers_mut();
        let mut set = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        };
        set("x-clickhouse-query-id", self.query_id);
        set("x-clickhouse-summary", summary(counts));
        set("x-clickhouse-exception-tag", tag.clone());
        identify(&self.identity, &mut set);
        match code {
            Some(code) => set("x-clickhouse-exception-code", code.to_string()),
            None => set("x-clickhouse-format", format.unwrap_or_default().to_owned()),
        }
        set(header::CONTENT_TYPE.as_str(), content_type(format.unwrap_or_default()).to_owned());
        if let Some(encoding) = self.encoding {
            set(header::CONTENT_ENCODING.as_str(), encoding.name().to_owned());
        }
        let encoder = Encoder::new(self.encoding).map_err(|_| Gone)?;
        self.head.send(response).map_err(|_| Gone)?;
        Ok(Outgoing { sender, encoder, compress: self.compress, tag, version: self.identity.version })
    }
}

/// An error that was found before there was a call to answer.
pub(crate) fn refusal(identity: &Identity, exception: &Exception) -> Response {
    let mut response = (exception.status(), exception.line(&identity.version)).into_response();
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    set("x-clickhouse-exception-code", exception.code.to_string());
    identify(identity, &mut set);
    response
}

fn identify(identity: &Identity, set: &mut impl FnMut(&'static str, String)) {
    set("x-clickhouse-server-display-name", identity.display_name.clone());
    set("x-clickhouse-timezone", identity.timezone.clone());
}

fn summary(counts: Counts) -> String {
    let Counts { read_rows, read_bytes, written_rows, written_bytes, result_rows, result_bytes } = counts;
    serde_json::json!({
        "read_rows": read_rows.to_string(), "read_bytes": read_bytes.to_string(),
        "written_rows": written_rows.to_string(), "written_bytes": written_bytes.to_string(),
        "total_rows_to_read": read_rows.to_string(),
        "result_rows": result_rows.to_string(), "result_bytes": result_bytes.to_string(),
    })
    .to_string()
}

fn content_type(format: &str) -> &'static str {
    match format {
        "RowBinary"
        | "RowBinaryWithNames"
        | "RowBinaryWithNamesAndTypes"
        | "Native"
        | "Parquet"
        | "Arrow"
        | "ArrowStream"
        | "Avro"
        | "ORC"
        | "MsgPack" => "application/octet-stream",
        "CSV" => "text/csv; charset=UTF-8; header=absent",
        "CSVWithNames" | "CSVWithNamesAndTypes" => "text/csv; charset=UTF-8; header=present",
        "" => "text/plain; charset=UTF-8",
        json if json.starts_with("JSON") && json.contains("EachRow") => "application/x-ndjson; charset=UTF-8",
        json if json.starts_with("JSON") => "application/json; charset=UTF-8",
        tsv if tsv.starts_with("TabSeparated") || tsv.starts_with("TSV") => {
            "text/tab-separated-values; charset=UTF-8"
        }
        "XML" => "application/xml; charset=UTF-8",
        _ => "text/plain; charset=UTF-8",
    }
}

/// An answer whose head has been sent.
pub(crate) struct Outgoing {
    sender: mpsc::Sender<io::Result<Bytes>>,
    encoder: Encoder,
    compress: bool,
    tag: String,
    version: String,
}

impl Outgoing {
    /// Sends bytes of the body; waits while the client is behind.
    pub(crate) fn write(&mut self, data: &[u8]) -> Result<(), Gone> {
        data.chunks(BLOCK).try_for_each(|piece| self.write_piece(piece))
    }

    fn write_piece(&mut self, piece: &[u8]) -> Result<(), Gone> {
        let mut block = Vec::new();
        if self.compress {
            write_block(piece, &mut block);
        }
        let encoded = self.encoder.write(if self.compress { &block } else { piece }).map_err(|_| Gone)?;
        self.send(encoded)
    }

    fn send(&mut self, encoded: Vec<u8>) -> Result<(), Gone> {
        if encoded.is_empty() {
            return Ok(());
        }
        self.sender.blocking_send(Ok(encoded.into())).map_err(|_| Gone)
    }

    /// Ends a body that broke off with the block by which clients tell an error from data.
    ///
    /// The tag was sent in the head, so no row can be taken for it.
    pub(crate) fn fail(mut self, exception: &Exception) -> Result<(), Gone> {
        let line = exception.line(&self.version);
        let (tag, length) = (&self.tag, line.len());
        let block = format!("\r\n__exception__\r\n{tag}\r\n{line}{length} {tag}\r\n__exception__\r\n");
        // In one piece, for clients look for its end at the end of a chunk.
        self.write(block.as_bytes())?;
        self.finish()
    }

    /// Ends the body.
    pub(crate) fn finish(mut self) -> Result<(), Gone> {
        let last =
            std::mem::replace(&mut self.encoder, Encoder::Plain(Vec::new())).finish().map_err(|_| Gone)?;
        self.send(last)
    }
}
