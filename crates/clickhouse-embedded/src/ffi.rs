//! The C interface of `libchdb`, and everything unsafe of this crate.
//!
//! Outside this module a [`Connection`] is an ordinary owned value: dropping it closes it, and the results and
//! streams that borrow it cannot outlive it.
#![expect(unsafe_code, reason = "the engine is a C library; this module is the one place that calls it")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::path::Path;
use std::ptr::NonNull;

use crate::exception::Exception;

type RawConnection = *mut c_void;
type RawResult = *mut c_void;
type RawInsert = *mut c_void;

/// What `chdb_classify_query_n` reports, as its header lays it out.
#[repr(C)]
struct RawAnalysis {
    struct_size: u32,
    statement_count: u32,
    flags: u32,
    query_class: u32,
}

/// What a statement does to state that outlives it, as ClickHouse's own parser sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Analysis {
    /// How many statements the text holds; zero if it does not parse.
    pub(crate) statements: u32,
    /// Whether it leaves no trace (`SELECT`, `SHOW`, `DESCRIBE`, `EXPLAIN`, `EXISTS`, `CHECK`).
    pub(crate) read_only: bool,
}

/// A named query parameter: `param_<name>` of the HTTP interface.
pub(crate) type Parameter = (String, String);

macro_rules! interface {
    ($($field:ident = $symbol:literal : fn($($arg:ty),*) $(-> $ret:ty)?;)*) => {
        /// The functions of the library that are used here.
        struct Interface { $($field: unsafe extern "C" fn($($arg),*) $(-> $ret)?,)* }

        impl Interface {
            fn load(library: &libloading::Library) -> Result<Self, libloading::Error> {
                // SAFETY: the signatures are those of `chdb.h` of the pinned version, whose sha256 was checked.
                unsafe { Ok(Self { $($field: *library.get($symbol)?,)* }) }
            }
        }
    };
}

interface! {
    set_signal_handlers = b"chdb_set_signal_handlers_enabled\0": fn(c_int);
    connect = b"chdb_connect\0": fn(c_int, *mut *mut c_char) -> *mut RawConnection;
    close = b"chdb_close_conn\0": fn(*mut RawConnection);
    query = b"chdb_query_with_params_n\0": fn(RawConnection, *const u8, usize, *const u8, usize,
        *const *const u8, *const usize, *const *const u8, *const usize, usize) -> RawResult;
    stream_query = b"chdb_stream_query_with_params_n\0": fn(RawConnection, *const u8, usize, *const u8, usize,
        *const *const u8, *const usize, *const *const u8, *const usize, usize) -> RawResult;
    stream_fetch = b"chdb_stream_fetch_result\0": fn(RawConnection, RawResult) -> RawResult;
    stream_cancel = b"chdb_stream_cancel_query\0": fn(RawConnection, RawResult);
    destroy_result = b"chdb_destroy_query_result\0": fn(RawResult);
    insert = b"chdb_stream_insert_with_params_n\0": fn(RawConnection, *const u8, usize, *const u8, usize,
        *const *const u8, *const usize, *const *const u8, *const usize, usize) -> RawInsert;
    insert_append = b"chdb_stream_append\0": fn(RawInsert, *const u8, usize) -> c_int;
    insert_done = b"chdb_stream_done\0": fn(RawInsert) -> RawResult;
    insert_cancel = b"chdb_stream_cancel_insert\0": fn(RawInsert);
    insert_error = b"chdb_stream_insert_error\0": fn(RawInsert) -> *const c_char;
    insert_destroy = b"chdb_destroy_insert_stream\0": fn(RawInsert);
    result_buffer = b"chdb_result_buffer\0": fn(RawResult) -> *const u8;
    result_length = b"chdb_result_length\0": fn(RawResult) -> usize;
    result_error = b"chdb_result_error\0": fn(RawResult) -> *const c_char;
    result_rows = b"chdb_result_rows_read\0": fn(RawResult) -> u64;
    result_bytes = b"chdb_result_bytes_read\0": fn(RawResult) -> u64;
    storage_rows = b"chdb_result_storage_rows_read\0": fn(RawResult) -> u64;
    storage_bytes = b"chdb_result_storage_bytes_read\0": fn(RawResult) -> u64;
    rows_written = b"chdb_result_rows_written\0": fn(RawResult) -> u64;
    bytes_written = b"chdb_result_bytes_written\0": fn(RawResult) -> u64;
    classify = b"chdb_classify_query_n\0": fn(RawConnection, *const u8, usize, *const u8, usize,
        *mut RawAnalysis) -> c_int;
}

/// The opened library. It is never closed: its threads run until the process ends.
pub(crate) struct Library {
    interface: Interface,
}

impl Library {
    /// Opens the library at `path` and keeps it for the life of the process.
    ///
    /// The engine's signal handlers are switched off before anything else: they would replace the host's own.
    pub(crate) fn open(path: &Path) -> Result<&'static Self, libloading::Error> {
        // SAFETY: the file is the pinned library; its initialisers only prepare its own globals.
        let library = unsafe { libloading::Library::new(path) }?;
        let interface = Interface::load(&library)?;
        // SAFETY: takes a flag; documented to be called before the first connection.
        unsafe { (interface.set_signal_handlers)(0) };
        std::mem::forget(library);
        Ok(Box::leak(Box::new(Self { interface })))
    }

    /// Opens a connection with command-line `arguments` (`--path=…`, `--setting=value`).
    ///
    /// # Errors
    /// The engine reports no reason here; the caller adds what it was doing.
    pub(crate) fn connect(&'static self, arguments: &[String]) -> Result<Connection, Exception> {
        let owned: Vec<CString> = std::iter::once("clickhouse")
            .chain(arguments.iter().map(String::as_str))
            .map(|argument| {
                CString::new(argument).map_err(|_| Exception::new(36, "a NUL byte in an engine argument"))
            })
            .collect::<Result<_, _>>()?;
        let mut pointers: Vec<*mut c_char> =
            owned.iter().map(|argument| argument.as_ptr().cast_mut()).collect();
        let count =
            c_int::try_from(pointers.len()).map_err(|_| Exception::new(36, "too many engine arguments"))?;
        // SAFETY: `pointers` holds `count` NUL-terminated strings that outlive the call; the engine copies them.
        let handle = unsafe { (self.interface.connect)(count, pointers.as_mut_ptr()) };
        let handle = NonNull::new(handle).ok_or_else(|| {
            Exception::new(210, "the engine refused a connection (its arguments or data directory)")
        })?;
        Ok(Connection { api: &self.interface, handle })
    }
}

/// One connection: a session of the engine, running one statement at a time.
pub(crate) struct Connection {
    api: &'static Interface,
    handle: NonNull<RawConnection>,
}

// SAFETY: the library locks inside and ties no connection to a thread; `&mut` keeps one statement at a time.
unsafe impl Send for Connection {}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the handle came from `connect` and is closed only here; borrowed streams are gone by now.
        unsafe { (self.api.close)(self.handle.as_ptr()) };
    }
}

impl Connection {
    fn raw(&self) -> RawConnection {
        // SAFETY: `chdb_connect` returned a valid pointer to the connection, alive until `close`.
        unsafe { *self.handle.as_ptr() }
    }

    /// Runs one statement to its end and returns the whole result.
    pub(crate) fn query(
        &mut self,
        sql: &[u8],
        format: &str,
        params: &[Parameter],
    ) -> Result<Answer, Exception> {
        let p = Pointers::of(params);
        // SAFETY: every pointer is paired with its length and outlives the call.
        let raw = unsafe {
            (self.api.query)(
                self.raw(),
                sql.as_ptr(),
                sql.len(),
                format.as_ptr(),
                format.len(),
                p.names.as_ptr(),
                p.name_lengths.as_ptr(),
                p.values.as_ptr(),
                p.value_lengths.as_ptr(),
                params.len(),
            )
        };
        Answer::checked(self.api, raw)
    }

    /// Starts a `SELECT` whose result is fetched chunk by chunk.
    pub(crate) fn stream(
        &mut self,
        sql: &[u8],
        format: &str,
        params: &[Parameter],
    ) -> Result<Stream<'_>, Exception> {
        let p = Pointers::of(params);
        // SAFETY: as in `query`; the parameters are captured before the call returns.
        let raw = unsafe {
            (self.api.stream_query)(
                self.raw(),
                sql.as_ptr(),
                sql.len(),
                format.as_ptr(),
                format.len(),
                p.names.as_ptr(),
                p.name_lengths.as_ptr(),
                p.values.as_ptr(),
                p.value_lengths.as_ptr(),
                params.len(),
            )
        };
        let answer = Answer::checked(self.api, raw)?;
        Ok(Stream { connection: self, answer, ended: false })
    }

    /// Starts an `INSERT` without data; the data is appended in `format`.
    pub(crate) fn insert(
        &mut self,
        sql: &[u8],
        format: &str,
        params: &[Parameter],
    ) -> Result<Insert<'_>, Exception> {
        let p = Pointers::of(params);
        // SAFETY: as in `query`.
        let raw = unsafe {
            (self.api.insert)(
                self.raw(),
                sql.as_ptr(),
                sql.len(),
                format.as_ptr(),
                format.len(),
                p.names.as_ptr(),
                p.name_lengths.as_ptr(),
                p.values.as_ptr(),
                p.value_lengths.as_ptr(),
                params.len(),
            )
        };
        let raw =
            NonNull::new(raw).ok_or_else(|| Exception::new(1001, "the engine returned no insert stream"))?;
        let insert = Insert { api: self.api, raw, finished: false, connection: PhantomData };
        match insert.error() {
            Some(exception) => Err(exception),
            None => Ok(insert),
        }
    }

    /// Parses `sql` with the engine's own parser, without running it.
    pub(crate) fn classify(&mut self, sql: &[u8]) -> Analysis {
        let struct_size = u32::try_from(size_of::<RawAnalysis>()).expect("the struct has 16 bytes");
        let mut raw = RawAnalysis { struct_size, statement_count: 0, flags: 0, query_class: 4 };
        // SAFETY: text and length belong together, no target database, and `raw` is as large as it says.
        let state = unsafe {
            (self.api.classify)(self.raw(), sql.as_ptr(), sql.len(), std::ptr::null(), 0, &raw mut raw)
        };
        if state != 0 {
            return Analysis { statements: 0, read_only: false };
        }
        Analysis { statements: raw.statement_count, read_only: raw.query_class == 0 }
    }
}

/// Pointers and lengths of the parameters, as the library wants them.
struct Pointers {
    names: Vec<*const u8>,
    name_lengths: Vec<usize>,
    values: Vec<*const u8>,
    value_lengths: Vec<usize>,
}

impl Pointers {
    fn of(params: &[Parameter]) -> Self {
        Self {
            names: params.iter().map(|(name, _)| name.as_ptr()).collect(),
            name_lengths: params.iter().map(|(name, _)| name.len()).collect(),
            values: params.iter().map(|(_, value)| value.as_ptr()).collect(),
            value_lengths: params.iter().map(|(_, value)| value.len()).collect(),
        }
    }
}

/// What a statement read, returned and wrote; the numbers of `X-ClickHouse-Summary`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) read_rows: u64,
    pub(crate) read_bytes: u64,
    pub(crate) written_rows: u64,
    pub(crate) written_bytes: u64,
    pub(crate) result_rows: u64,
    pub(crate) result_bytes: u64,
}

impl Counts {
    /// With those of a later chunk: its rows are new, what was read and written is reported in total.
    pub(crate) fn and(self, later: Self) -> Self {
        Self {
            result_rows: self.result_rows.saturating_add(later.result_rows),
            result_bytes: self.result_bytes.saturating_add(later.result_bytes),
            read_rows: self.read_rows.max(later.read_rows),
            read_bytes: self.read_bytes.max(later.read_bytes),
            ..later
        }
    }
}

/// A result without an error, owned.
pub(crate) struct Answer {
    api: &'static Interface,
    raw: NonNull<c_void>,
}

// SAFETY: a result is plain memory of the library, freed from any thread.
unsafe impl Send for Answer {}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: the result is owned here and freed once.
        unsafe { (self.api.destroy_result)(self.raw.as_ptr()) };
    }
}

impl Answer {
    fn checked(api: &'static Interface, raw: RawResult) -> Result<Self, Exception> {
        let raw = NonNull::new(raw).ok_or_else(|| Exception::new(1001, "the engine returned no result"))?;
        let answer = Self { api, raw };
        // SAFETY: a null pointer or a NUL-terminated text that lives as long as the result.
        match unsafe { text((api.result_error)(raw.as_ptr())) } {
            Some(error) => Err(Exception::parse(&error)),
            None => Ok(answer),
        }
    }

    /// The bytes of the result, in its output format.
    pub(crate) fn bytes(&self) -> &[u8] {
        let raw = self.raw.as_ptr();
        // SAFETY: both take the live result.
        let (pointer, length) = unsafe { ((self.api.result_buffer)(raw), (self.api.result_length)(raw)) };
        if pointer.is_null() || length == 0 {
            return &[];
        }
        // SAFETY: the library guarantees `length` readable bytes that live as long as the result.
        unsafe { std::slice::from_raw_parts(pointer, length) }
    }

    pub(crate) fn counts(&self) -> Counts {
        let raw = self.raw.as_ptr();
        // SAFETY: all take the live result and return a number.
        unsafe {
            Counts {
                read_rows: (self.api.storage_rows)(raw),
                read_bytes: (self.api.storage_bytes)(raw),
                written_rows: (self.api.rows_written)(raw),
                written_bytes: (self.api.bytes_written)(raw),
                result_rows: (self.api.result_rows)(raw),
                result_bytes: (self.api.result_bytes)(raw),
            }
        }
    }
}

/// A running `SELECT`. Dropping it before its end cancels it.
pub(crate) struct Stream<'c> {
    connection: &'c mut Connection,
    answer: Answer,
    ended: bool,
}

impl Stream<'_> {
    /// The next chunk, complete in its format with its own header; `None` at the end.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<Answer>, Exception> {
        if self.ended {
            return Ok(None);
        }
        // SAFETY: the connection and its stream are alive, and `&mut` keeps fetches in order.
        let raw =
            unsafe { (self.connection.api.stream_fetch)(self.connection.raw(), self.answer.raw.as_ptr()) };
        let chunk = Answer::checked(self.connection.api, raw).inspect_err(|_| self.ended = true)?;
        self.ended = chunk.bytes().is_empty();
        Ok((!self.ended).then_some(chunk))
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        if !self.ended {
            // SAFETY: connection and stream are alive; cancelling frees nothing.
            unsafe { (self.connection.api.stream_cancel)(self.connection.raw(), self.answer.raw.as_ptr()) };
        }
    }
}

/// A running `INSERT`. Dropping it before [`Insert::finish`] cancels it: what was appended is not committed.
pub(crate) struct Insert<'c> {
    api: &'static Interface,
    raw: NonNull<c_void>,
    finished: bool,
    connection: PhantomData<&'c mut Connection>,
}

impl Insert<'_> {
    /// Appends bytes of the data, cut anywhere. Waits while the engine is behind.
    ///
    /// `false` means that the engine has already failed; [`Insert::finish`] says why.
    pub(crate) fn append(&mut self, data: &[u8]) -> bool {
        // SAFETY: the engine copies `data` before it returns.
        unsafe { (self.api.insert_append)(self.raw.as_ptr(), data.as_ptr(), data.len()) == 0 }
    }

    /// Ends the data and commits it.
    pub(crate) fn finish(mut self) -> Result<Counts, Exception> {
        self.finished = true;
        // SAFETY: the stream is alive; this is its last call but for `insert_destroy`.
        let raw = unsafe { (self.api.insert_done)(self.raw.as_ptr()) };
        Answer::checked(self.api, raw).map(|answer| answer.counts())
    }

    fn error(&self) -> Option<Exception> {
        // SAFETY: null, or a text that lives as long as the stream.
        unsafe { text((self.api.insert_error)(self.raw.as_ptr())) }.map(|error| Exception::parse(&error))
    }
}

impl Drop for Insert<'_> {
    fn drop(&mut self) {
        // SAFETY: cancelling an unfinished stream and destroying it once is what the header asks for.
        unsafe {
            if !self.finished {
                (self.api.insert_cancel)(self.raw.as_ptr());
            }
            (self.api.insert_destroy)(self.raw.as_ptr());
        }
    }
}

/// Copies a C string.
///
/// # Safety
/// `pointer` is null or points to a NUL-terminated string.
unsafe fn text(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not null, and NUL-terminated by the caller's promise.
    Some(unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}

/// Ends the process at once, running no destructor of the library.
///
/// `exit` would run the engine's global destructors under its live threads and crash.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no precondition.
    unsafe { libc::_exit(code) }
}
