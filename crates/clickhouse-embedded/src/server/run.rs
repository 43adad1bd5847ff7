//! One statement, from its text to its answer. Runs on a thread that may block.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use super::call::{BodyReader, Call, MAX_STATEMENT, too_large};
use super::reply::{Gone, Outgoing, Reply};
use crate::exception::{
    BAD_REQUEST_PARAMETER, CANNOT_DECOMPRESS, Exception, NETWORK_ERROR, NOT_IMPLEMENTED, READONLY,
    SYNTAX_ERROR,
};
use crate::ffi::{Answer, Counts, Insert, Stream};
use crate::frame::BlockReader;
use crate::header::Header;
use crate::session::{Lease, Sessions};
use crate::statement::{Statement, has_second_statement};
use crate::writes::Writes;

mod settings;

/// As far as ClickHouse's own parser looks for a statement before its data (`max_query_size`).
const HEAD: usize = 256 * 1024;
/// Bytes handed to an insert at once.
const APPEND: usize = 256 * 1024;
/// Bytes of a streamed result that are held back before the head is sent, as a server buffers them.
const HELD: usize = 1024 * 1024;
const DEFAULT_FORMAT: &str = "TabSeparated";

/// Runs the statement of `call` and answers it.
pub(crate) fn run(sessions: &Arc<Sessions>, writes: &Writes, mut call: Call, body: BodyReader, reply: Reply) {
    match prepare(sessions, &mut call, body) {
        Err(exception) => reply.fail(&exception),
        Ok(mut job) => {
            let mut ending = job.answer(&call, reply);
            if job.may_have_written {
                ending = ending.if_it_holds(writes.check());
            }
            job.restore();
            // The session is free again before the client can know that its statement has ended.
            drop(job);
            ending.send();
        }
    }
}

/// A statement that is about to run on its connection.
struct Job {
    lease: Lease,
    statement: Statement,
    /// The statement and as much of its data as came with it.
    text: Vec<u8>,
    /// The rest of the data.
    body: Box<dyn Read + Send>,
    /// Whether `body` has ended.
    whole: bool,
    /// By the engine's own parser: `WITH … INSERT` begins as a reading statement does.
    may_have_written: bool,
    /// Undoes the settings of this call in a session.
    undo: Vec<String>,
}

fn prepare(sessions: &Arc<Sessions>, call: &mut Call, body: BodyReader) -> Result<Job, Exception> {
    let mut body = decoded(body, call)?;
    let mut text = std::mem::take(&mut call.statement);
    let mut statement = Statement::read(&text);
    let mut whole = false;
    if !matches!(statement, Statement::Insert { .. }) || !has_data_mark(&statement) {
        whole = read_up_to(&mut body, &mut text, HEAD)?;
        statement = Statement::read(&text);
        if !matches!(statement, Statement::Insert { .. }) && !whole {
            whole = read_up_to(&mut body, &mut text, MAX_STATEMENT)?;
            if !whole {
                return Err(too_large());
            }
            statement = Statement::read(&text);
        }
    }
    let mut lease = sessions.lease(call.session.as_ref())?;
    let undo = settings::apply(call, lease.is_session(), lease.connection())?;
    Ok(Job { lease, statement, text, body, whole, may_have_written: false, undo })
}

/// Whether the statement itself says where data begins, so that nothing of the body belongs to it.
fn has_data_mark(statement: &Statement) -> bool {
    matches!(statement, Statement::Insert { format: Some(_), .. })
}

fn decoded(body: BodyReader, call: &Call) -> Result<Box<dyn Read + Send>, Exception> {
    let mut reader: Box<dyn Read + Send> = Box::new(body);
    if let Some(encoding) = call.body_encoding {
        reader = encoding.reader(reader).map_err(|e| broken_body(&e))?;
    }
    if call.decompress {
        reader = Box::new(BlockReader::new(reader));
    }
    Ok(reader)
}

/// Reads until `text` has `limit` bytes; `true` if the body ended before.
fn read_up_to(body: &mut (impl Read + ?Sized), text: &mut Vec<u8>, limit: usize) -> Result<bool, Exception> {
    let room = u64::try_from(limit.saturating_sub(text.len())).expect("a limit in mebibytes");
    let read = body.take(room).read_to_end(text).map_err(|e| broken_body(&e))?;
    Ok(u64::try_from(read).is_ok_and(|read| read < room))
}

fn broken_body(error: &io::Error) -> Exception {
    match error.kind() {
        io::ErrorKind::ConnectionAborted => {
            Exception::new(NETWORK_ERROR, format!("The request body broke off: {error}. (NETWORK_ERROR)"))
        }
        _ => Exception::new(
            CANNOT_DECOMPRESS,
            format!("Cannot decompress the request body: {error}. (CANNOT_DECOMPRESS)"),
        ),
    }
}

impl Job {
    /// Runs the statement as far as it needs its connection.
    fn answer(&mut self, call: &Call, reply: Reply) -> Ending {
        let format = call.format.as_deref().unwrap_or(DEFAULT_FORMAT);
        let result = match self.statement.clone() {
            Statement::Empty => {
                Err(Exception::new(SYNTAX_ERROR, "Syntax error: empty query. (SYNTAX_ERROR)"))
            }
            Statement::ClientFile => {
                let what = "INTO OUTFILE and FROM INFILE name a file of the client; over HTTP the data is the body. (NOT_IMPLEMENTED)";
                Err(Exception::new(NOT_IMPLEMENTED, what))
            }
            Statement::Insert { text, format: named, data } => {
                let format = named.or_else(|| call.format.clone()).unwrap_or_else(|| "Values".to_owned());
                self.insert(call, &text, &format, data).map(|counts| Answered::Written(format, counts))
            }
            Statement::Select { format: named, totals } => {
                self.select(call, named.unwrap_or_else(|| format.to_owned()), totals)
            }
            Statement::Kill { sync, query_id } => {
                self.text = rewrite_kill(&self.text, sync, query_id);
                self.whole_result(call, format)
            }
            Statement::Other { format: named, .. } => {
                let format = named.unwrap_or_else(|| format.to_owned());
                self.whole_result(call, &format)
            }
        };
        match result {
            Err(exception) => Ending::Failed(reply, exception),
            Ok(Answered::Written(format, counts)) => Ending::Written(reply, format, counts),
            Ok(Answered::Whole(format, answer)) => Ending::Whole(reply, format, answer),
            Ok(Answered::Rows { format, header, stream }) => send_rows(format, header, stream, reply),
        }
    }

    fn insert(
        &mut self,
        call: &Call,
        head: &Range<usize>,
        format: &str,
        data: usize,
    ) -> Result<Counts, Exception> {
        let sql = self.text.get(head.clone()).unwrap_or_default().to_vec();
        let connection = self.lease.connection();
        // The whole text if it is here: a second statement may follow inline values.
        let judged = if self.whole && format == "Values" {
            self.text.clone()
        } else {
            [&sql, b" FORMAT ".as_slice(), format.as_bytes()].concat()
        };
        match connection.classify(&judged).statements {
            1 if call.read_only => return Err(read_only()),
            1 => {}
            0 => {
                return Err(Exception::new(
                    SYNTAX_ERROR,
                    "Syntax error: the INSERT statement does not parse. (SYNTAX_ERROR)",
                ));
            }
            _ => return Err(second_statement()),
        }
        self.may_have_written = true;
        let mut insert = connection.insert(&sql, format, &call.parameters)?;
        // Dropping the insert on an error cancels it: nothing of a body that broke off is committed.
        if append(&mut insert, self.text.get(data..).unwrap_or_default()) {
            append_all(&mut insert, &mut self.body)?;
        }
        insert.finish()
    }

    fn select(&mut self, call: &Call, format: String, totals: bool) -> Result<Answered<'_>, Exception> {
        self.judge(call)?;
        let extremes = call.settings.iter().any(|(name, _)| name == "extremes");
        // What writes, the engine does not stream.
        let whole = totals || extremes || call.wait_end || self.may_have_written;
        let Some(header) = Header::of(&format).filter(|_| !whole) else { return self.whole(call, &format) };
        let stream = self.lease.connection().stream(&self.text, &format, &call.parameters)?;
        Ok(Answered::Rows { format, header, stream })
    }

    fn whole_result(&mut self, call: &Call, format: &str) -> Result<Answered<'static>, Exception> {
        self.judge(call)?;
        self.whole(call, format)
    }

    fn whole(&mut self, call: &Call, format: &str) -> Result<Answered<'static>, Exception> {
        let answer = self.lease.connection().query(&self.text, format, &call.parameters)?;
        Ok(Answered::Whole(format.to_owned(), answer))
    }

    /// Lets one statement through, and only a reading one if the call may only read.
    fn judge(&mut self, call: &Call) -> Result<(), Exception> {
        let analysis = self.lease.connection().classify(&self.text);
        // A text that does not parse still runs, for the engine words its error best; but its first part must not.
        if analysis.statements > 1 || (analysis.statements == 0 && has_second_statement(&self.text)) {
            return Err(second_statement());
        }
        let session_only =
            matches!(&self.statement, Statement::Other { verb, .. } if verb == "SET" || verb == "USE");
        if call.read_only && analysis.statements == 1 && !analysis.read_only && !session_only {
            return Err(read_only());
        }
        self.may_have_written = !analysis.read_only;
        Ok(())
    }

    fn restore(&mut self) {
        settings::restore(&self.undo, self.lease.connection());
    }
}

/// A statement that ran without an error so far.
enum Answered<'c> {
    Written(String, Counts),
    Whole(String, Answer),
    Rows { format: String, header: Header, stream: Stream<'c> },
}

/// What is left to send once the connection is no longer needed.
enum Ending {
    Failed(Reply, Exception),
    Written(Reply, String, Counts),
    Whole(Reply, String, Answer),
    /// All rows of a small result.
    Held(Reply, String, Counts, Vec<u8>),
    /// All rows are sent.
    Streamed(Outgoing),
    /// An error came after some of the rows.
    Broken(Outgoing, Exception),
    /// The client went away.
    Nobody,
}

impl Ending {
    /// Of a statement that may have written: nothing is acknowledged that may not be there.
    fn if_it_holds(self, written: Result<(), Exception>) -> Self {
        match (self, written) {
            (Self::Written(reply, ..) | Self::Whole(reply, ..), Err(exception)) => {
                Self::Failed(reply, exception)
            }
            (ending, _) => ending,
        }
    }

    fn send(self) {
        // A client that has gone gets no answer.
        let _gone: Result<(), Gone> = match self {
            Self::Failed(reply, exception) => {
                reply.fail(&exception);
                Ok(())
            }
            Self::Written(reply, format, counts) => reply.begin(&format, counts).and_then(Outgoing::finish),
            Self::Whole(reply, format, answer) => {
                reply.begin(&format, answer.counts()).and_then(|mut outgoing| {
                    outgoing.write(answer.bytes())?;
                    outgoing.finish()
                })
            }
            Self::Held(reply, format, counts, rows) => {
                reply.begin(&format, counts).and_then(|mut outgoing| {
                    outgoing.write(&rows)?;
                    outgoing.finish()
                })
            }
            Self::Streamed(outgoing) => outgoing.finish(),
            Self::Broken(outgoing, exception) => outgoing.fail(&exception),
            Self::Nobody => Ok(()),
        };
    }
}

/// Sends a stream's chunks, its header once.
///
/// The first mebibyte is held back before the head is sent: a small result, or an error near its beginning, is
/// known as a whole by then and has its status, its counts and its session freed.
fn send_rows(format: String, header: Header, mut stream: Stream<'_>, reply: Reply) -> Ending {
    let mut rows = Rows { header, first: true };
    let (mut held, mut counts) = (Vec::new(), Counts::default());
    while held.len() < HELD {
        match stream.next_chunk() {
            Err(exception) => return Ending::Failed(reply, exception),
            Ok(None) => return Ending::Held(reply, format, counts, held),
            Ok(Some(chunk)) => {
                held.extend_from_slice(rows.of(chunk.bytes()));
                counts = counts.and(chunk.counts());
            }
        }
    }
    let Ok(mut outgoing) = reply.begin(&format, counts) else { return Ending::Nobody };
    let mut sent = outgoing.write(&held);
    drop(held);
    while sent.is_ok() {
        match stream.next_chunk() {
            Err(exception) => return Ending::Broken(outgoing, exception),
            Ok(None) => return Ending::Streamed(outgoing),
            Ok(Some(chunk)) => sent = outgoing.write(rows.of(chunk.bytes())),
        }
    }
    Ending::Nobody
}

/// Takes the repeated header out of every chunk but the first.
struct Rows {
    header: Header,
    first: bool,
}

impl Rows {
    fn of<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        let start = if std::mem::take(&mut self.first) { 0 } else { self.header.length(chunk) };
        chunk.get(start..).unwrap_or_default()
    }
}

/// `true` while the engine takes more.
fn append(insert: &mut Insert<'_>, data: &[u8]) -> bool {
    data.is_empty() || insert.append(data)
}

fn append_all(insert: &mut Insert<'_>, body: &mut impl Read) -> Result<(), Exception> {
    let mut buffer = vec![0_u8; APPEND];
    loop {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match body.read(rest).map_err(|e| broken_body(&e))? {
                0 => {
                    append(insert, buffer.get(..filled).unwrap_or_default());
                    return Ok(());
                }
                read => filled += read,
            }
        }
        if !append(insert, &buffer) {
            return Ok(());
        }
    }
}

/// `SYNC` would never return, and the engine knows a query by its own id: ours is its log comment.
fn rewrite_kill(text: &[u8], sync: Option<Range<usize>>, query_id: Option<Range<usize>>) -> Vec<u8> {
    let mut text = text.to_vec();
    if let Some(range) = sync {
        text.splice(range, *b"ASYNC");
    }
    if let Some(range) = query_id {
        text.splice(range, *b"Settings['log_comment']");
    }
    text
}

fn second_statement() -> Exception {
    Exception::new(
        SYNTAX_ERROR,
        "Syntax error: Multi-statements are not allowed; send one statement a request. (SYNTAX_ERROR)",
    )
}

fn read_only() -> Exception {
    let what = "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. You should use method POST for modifying queries. (READONLY)";
    Exception::new(READONLY, what)
}

fn bad_setting(name: &str) -> Exception {
    Exception::new(BAD_REQUEST_PARAMETER, format!("Setting name {name:?} is not a name. (BAD_ARGUMENTS)"))
}
