//! What a request asks for: its statement, parameters, settings and encodings.

use std::io::{self, Read};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use futures_util::StreamExt;
use percent_encoding::percent_decode_str;
use tokio::runtime::Handle;

use super::access::Credentials;
use crate::exception::{BAD_REQUEST_PARAMETER, Exception, NOT_IMPLEMENTED, QUERY_IS_TOO_LARGE};
use crate::ffi::Parameter;
use crate::frame::encoding::Encoding;
use crate::session::SessionCall;

/// The largest statement or form, in bytes. Data of an insert is streamed and has no limit.
pub(crate) const MAX_STATEMENT: usize = 16 * 1024 * 1024;
const DEFAULT_SESSION_TIMEOUT: Duration = Duration::from_mins(1);
const MAX_SESSION_TIMEOUT: Duration = Duration::from_hours(1);

/// One request, without its body.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the HTTP interface, told apart by name")]
pub(crate) struct Call {
    /// GET may only read.
    pub(crate) read_only: bool,
    /// The `query` parameter with a line end after it; the body follows.
    pub(crate) statement: Vec<u8>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) database: Option<String>,
    pub(crate) format: Option<String>,
    pub(crate) query_id: String,
    pub(crate) session: Option<SessionCall>,
    pub(crate) login: Credentials,
    /// The answer is wanted in ClickHouse's compressed blocks.
    pub(crate) compress: bool,
    /// The body is in such blocks.
    pub(crate) decompress: bool,
    /// Nothing is sent before the statement has ended, so that every error has its status.
    pub(crate) wait_end: bool,
    /// The encoding of the body.
    pub(crate) body_encoding: Option<Encoding>,
    /// The encoding that the answer may have.
    pub(crate) accepted: Option<Encoding>,
}

impl Call {
    /// Reads the head of a request, and its body if that is a form.
    pub(crate) async fn read(request: Request) -> Result<(Self, Body), Exception> {
        let (parts, body) = request.into_parts();
        let mut fields = url_fields(parts.uri.query().unwrap_or_default());
        let (form, body) = match multipart_boundary(&parts.headers) {
            Some(boundary) => (form_fields(body, boundary).await?, Body::empty()),
            None => (Vec::new(), body),
        };
        fields.extend(form);
        let read_only = matches!(parts.method, Method::GET | Method::HEAD);
        Ok((Self::from_fields(read_only, fields, &parts.headers)?, body))
    }

    fn from_fields(
        read_only: bool,
        fields: Vec<(String, Vec<u8>)>,
        headers: &HeaderMap,
    ) -> Result<Self, Exception> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut sorted = Fields::default();
        fields.into_iter().try_for_each(|(name, value)| sorted.take(name, value))?;
        let login = Credentials::read(headers, sorted.user.take(), sorted.password.take());
        let body_encoding = body_encoding(header(header::CONTENT_ENCODING.as_str()).as_deref())?;
        let accepted = header(header::ACCEPT_ENCODING.as_str()).filter(|_| !sorted.never_encode);
        Ok(Self {
            read_only,
            session: sorted.session()?,
            statement: sorted.statement,
            parameters: sorted.parameters,
            settings: sorted.settings,
            database: header("X-ClickHouse-Database").or(sorted.database).filter(|name| !name.is_empty()),
            format: header("X-ClickHouse-Format").or(sorted.format).filter(|name| !name.is_empty()),
            query_id: sorted
                .query_id
                .or(header("X-ClickHouse-Query-Id"))
                .filter(|id| !id.is_empty())
                .unwrap_or_else(random_uuid),
            login,
            compress: sorted.compress,
            decompress: sorted.decompress,
            wait_end: sorted.wait_end,
            body_encoding,
            accepted: accepted.and_then(|header| Encoding::accepted(&header)),
        })
    }
}

fn body_encoding(header: Option<&str>) -> Result<Option<Encoding>, Exception> {
    match header.map(str::trim) {
        None | Some("" | "identity") => Ok(None),
        Some(name) => Encoding::named(name).map(Some).ok_or_else(|| {
            let known = "zstd, lz4, br, gzip and deflate";
            Exception::new(
                NOT_IMPLEMENTED,
                format!("Unknown Content-Encoding: {name}; known are {known}. (NOT_IMPLEMENTED)"),
            )
        }),
    }
}

/// The fields of URL and form, each where it belongs.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the HTTP interface, told apart by name")]
struct Fields {
    statement: Vec<u8>,
    parameters: Vec<Parameter>,
    settings: Vec<(String, String)>,
    database: Option<String>,
    format: Option<String>,
    query_id: Option<String>,
    user: Option<String>,
    password: Option<String>,
    session_id: Option<String>,
    session_timeout: Option<String>,
    session_check: bool,
    close_session: bool,
    compress: bool,
    decompress: bool,
    wait_end: bool,
    never_encode: bool,
}

impl Fields {
    fn take(&mut self, name: String, value: Vec<u8>) -> Result<(), Exception> {
        if name == "query" {
            self.statement.extend_from_slice(&value);
            if !value.is_empty() {
                self.statement.push(b'\n');
            }
            return Ok(());
        }
        let value = String::from_utf8(value).map_err(|_| {
            Exception::new(BAD_REQUEST_PARAMETER, format!("Parameter {name} is not UTF-8. (BAD_ARGUMENTS)"))
        })?;
        let flag = matches!(value.as_str(), "1" | "true");
        match name.as_str() {
            "database" => self.database = Some(value),
            "default_format" => self.format = Some(value),
            "query_id" => self.query_id = Some(value),
            "user" => self.user = Some(value),
            "password" => self.password = Some(value),
            "session_id" => self.session_id = Some(value).filter(|id| !id.is_empty()),
            "session_timeout" => self.session_timeout = Some(value),
            "session_check" => self.session_check = flag,
            "close_session" => self.close_session = flag,
            "compress" => self.compress = flag,
            "decompress" => self.decompress = flag,
            "wait_end_of_query" => self.wait_end = flag,
            "enable_http_compression" => self.never_encode = !flag,
            // What a server does for its own transport, and has no meaning for the engine behind this one. An insert
            // is never queued, whatever is asked: it is acknowledged when it is in a part.
            "quota_key"
            | "stacktrace"
            | "buffer_size"
            | "client_protocol_version"
            | "async_insert"
            | "wait_for_async_insert"
            | "" => {}
            "role" => {
                let what = "The embedded engine has no roles. (NOT_IMPLEMENTED)";
                return Err(Exception::new(NOT_IMPLEMENTED, what));
            }
            _ => match name.strip_prefix("param_") {
                Some(parameter) => self.parameters.push((parameter.to_owned(), value)),
                None => self.settings.push((name, value)),
            },
        }
        Ok(())
    }

    fn session(&self) -> Result<Option<SessionCall>, Exception> {
        let Some(id) = self.session_id.clone() else { return Ok(None) };
        let timeout = match &self.session_timeout {
            None => DEFAULT_SESSION_TIMEOUT,
            Some(text) => text.parse().map(Duration::from_secs).ok().filter(|t| *t <= MAX_SESSION_TIMEOUT).ok_or_else(|| {
                let limit = MAX_SESSION_TIMEOUT.as_secs();
                let what = format!("session_timeout is {text:?}; it is a number of seconds up to {limit}. (BAD_ARGUMENTS)");
                Exception::new(BAD_REQUEST_PARAMETER, what)
            })?,
        };
        Ok(Some(SessionCall { id, timeout, check: self.session_check, close: self.close_session }))
    }
}

fn url_fields(query: &str) -> Vec<(String, Vec<u8>)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).collect::<Vec<u8>>();
    query
        .split('&')
        .filter(|field| !field.is_empty())
        .map(|field| field.split_once('=').unwrap_or((field, "")))
        .map(|(name, value)| (String::from_utf8_lossy(&decode(name)).into_owned(), decode(value)))
        .collect()
}

fn multipart_boundary(headers: &HeaderMap) -> Option<String> {
    multer::parse_boundary(headers.get(header::CONTENT_TYPE)?.to_str().ok()?).ok()
}

async fn form_fields(body: Body, boundary: String) -> Result<Vec<(String, Vec<u8>)>, Exception> {
    let bad = |error: multer::Error| match error {
        multer::Error::StreamSizeExceeded { .. } => too_large(),
        other => Exception::new(
            BAD_REQUEST_PARAMETER,
            format!("Cannot read the multipart form: {other}. (BAD_ARGUMENTS)"),
        ),
    };
    let limit = u64::try_from(MAX_STATEMENT).expect("sixteen mebibytes");
    let limits = multer::Constraints::new().size_limit(multer::SizeLimit::new().whole_stream(limit));
    let mut form = multer::Multipart::with_constraints(body.into_data_stream(), boundary, limits);
    let mut fields = Vec::new();
    while let Some(field) = form.next_field().await.map_err(bad)? {
        if field.file_name().is_some() {
            let what =
                "External tables in a form are not supported by the embedded engine. (NOT_IMPLEMENTED)";
            return Err(Exception::new(NOT_IMPLEMENTED, what));
        }
        let name = field.name().unwrap_or_default().to_owned();
        fields.push((name, field.bytes().await.map_err(bad)?.to_vec()));
    }
    Ok(fields)
}

pub(crate) fn too_large() -> Exception {
    let what = format!(
        "The statement or form is larger than {MAX_STATEMENT} bytes; send data after INSERT … FORMAT instead. (QUERY_IS_TOO_LARGE)"
    );
    Exception::new(QUERY_IS_TOO_LARGE, what)
}

/// Sixteen random bytes; the standard library's hasher is seeded from the system's randomness.
pub(crate) fn random_hex() -> String {
    use std::hash::{BuildHasher, RandomState};
    let half = || RandomState::new().hash_one(std::time::Instant::now());
    format!("{:016x}{:016x}", half(), half())
}

fn random_uuid() -> String {
    let hex = random_hex();
    let (first, rest) = hex.split_at(8);
    let (second, rest) = rest.split_at(4);
    let (third, rest) = rest.split_at(3);
    let (fourth, rest) = rest.split_at(3);
    format!("{first}-{second}-4{third}-8{fourth}-{}", &rest[..12])
}

/// The body of a request as a blocking reader. A body that breaks off is an error, never a shorter one.
pub(crate) struct BodyReader {
    stream: BodyDataStream,
    runtime: Handle,
    chunk: axum::body::Bytes,
}

impl BodyReader {
    pub(crate) fn new(body: Body, runtime: Handle) -> Self {
        Self { stream: body.into_data_stream(), runtime, chunk: axum::body::Bytes::new() }
    }
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.runtime.block_on(self.stream.next()) {
                None => return Ok(0),
                Some(Ok(chunk)) => self.chunk = chunk,
                Some(Err(error)) => return Err(io::Error::new(io::ErrorKind::ConnectionAborted, error)),
            }
        }
        let taken = self.chunk.split_to(self.chunk.len().min(buffer.len()));
        buffer.iter_mut().zip(taken.iter()).for_each(|(to, from)| *to = *from);
        Ok(taken.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(query: &str) -> Result<Call, Exception> {
        Call::from_fields(false, url_fields(query), &HeaderMap::new())
    }

    #[test]
    fn every_parameter_goes_where_it_belongs() {
        let call = call("query=SELECT+1%0A&param_x=a%2Bb&database=d&max_threads=2&compress=1&async_insert=1")
            .expect("a sound call");
        assert_eq!(call.statement, b"SELECT 1\n\n");
        assert_eq!(call.parameters, [("x".to_owned(), "a+b".to_owned())]);
        assert_eq!(call.settings, [("max_threads".to_owned(), "2".to_owned())]);
        assert_eq!((call.database.as_deref(), call.compress, call.decompress), (Some("d"), true, false));
    }

    #[test]
    fn a_session_has_a_bounded_timeout() {
        let session = call("session_id=s&session_timeout=5&session_check=1")
            .expect("sound")
            .session
            .expect("a session");
        assert_eq!((session.timeout, session.check), (Duration::from_secs(5), true));
        let error = call("session_id=s&session_timeout=99999").expect_err("too long");
        assert!(error.text.contains("99999") && error.text.contains("3600"), "{}", error.text);
    }
}
