//! What ClickHouse refuses, and whether trying again can help.

use crate::rows::RowError;

/// A statement that did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {cause}")]
pub struct ClickHouseError {
    /// What was being done, to which table.
    pub doing: String,
    /// Whether the same again may succeed.
    pub retry: Retry,
    /// ClickHouse's own number of the error, where it answered with one.
    pub code: Option<u16>,
    /// What came back.
    #[source]
    pub cause: Cause,
}

/// Where an error comes from.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// From the server, or the way to it.
    #[error(transparent)]
    Server(#[from] clickhouse::error::Error),
    /// A value that no column holds.
    #[error(transparent)]
    Row(#[from] RowError),
    /// An answer that was not expected.
    #[error("{0}")]
    Answer(String),
}

/// Whether trying again can help. Nothing is lost either way: what was not acknowledged stays due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The server is away, busy or full: later.
    Later,
    /// It will fail again until a person changes something: alarm.
    Never,
}

impl ClickHouseError {
    /// Of an error of the client.
    pub(crate) fn of(doing: impl Into<String>, error: clickhouse::error::Error) -> Self {
        let code = code_of(&error);
        Self { doing: doing.into(), retry: retry_of(&error, code), code, cause: Cause::Server(error) }
    }

    /// True when the server has started anew since its life was asked for, or lost what says so: it may hold less than
    /// it acknowledged.
    #[must_use]
    pub fn is_another_life(&self) -> bool {
        self.code == Some(THROWN) || self.is_missing()
    }

    /// True when a table or the database is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.code.is_some_and(|code| MISSING.contains(&code))
    }

    /// Of a row that cannot be written.
    pub(crate) fn row(doing: impl Into<String>, error: RowError) -> Self {
        Self { doing: doing.into(), retry: Retry::Never, code: None, cause: Cause::Row(error) }
    }

    /// Of an answer that was not expected.
    pub(crate) fn answer(doing: impl Into<String>, answer: impl Into<String>) -> Self {
        Self { doing: doing.into(), retry: Retry::Never, code: None, cause: Cause::Answer(answer.into()) }
    }
}

/// ClickHouse's code of a `throwIf` that threw: no other statement of ours asks for one.
const THROWN: u16 = 395;
/// Its codes of a table and of a database that does not exist.
const MISSING: [u16; 2] = [60, 81];

/// The number in `Code: 241. DB::Exception: …`.
fn code_of(error: &clickhouse::error::Error) -> Option<u16> {
    let clickhouse::error::Error::BadResponse(text) = error else { return None };
    let (_, rest) = text.split_once("Code: ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn retry_of(error: &clickhouse::error::Error, code: Option<u16>) -> Retry {
    use clickhouse::error::Error;
    match error {
        Error::Network(_) | Error::TimedOut => Retry::Later,
        Error::BadResponse(_) => code.map_or(Retry::Later, retry_of_code),
        _ => Retry::Never,
    }
}

/// A person must act on these; on all others (memory, parts, space, keeper, quorum, timeouts, a replica that is
/// read-only, and whatever a later server invents) waiting may be enough.
fn retry_of_code(code: u16) -> Retry {
    const NAMES_AND_TYPES: [u16; 12] = [10, 16, 36, 42, 43, 44, 46, 47, 53, 60, 62, 81];
    const DATA: [u16; 7] = [6, 26, 27, 38, 41, 70, 117];
    const ACCESS_AND_SETTINGS: [u16; 8] = [115, 164, 192, 193, 194, 452, 497, 516];
    let known =
        NAMES_AND_TYPES.contains(&code) || DATA.contains(&code) || ACCESS_AND_SETTINGS.contains(&code);
    if known { Retry::Never } else { Retry::Later }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clickhouse::error::Error;

    fn judged(answer: &str) -> (Option<u16>, Retry) {
        let error = ClickHouseError::of("inserting", Error::BadResponse(answer.to_owned()));
        (error.code, error.retry)
    }

    #[test]
    fn an_error_says_its_code_and_whether_to_try_again() {
        assert_eq!(judged("Code: 241. DB::Exception: Memory limit exceeded"), (Some(241), Retry::Later));
        assert_eq!(judged("Code: 252. DB::Exception: Too many parts"), (Some(252), Retry::Later));
        assert_eq!(judged("Code: 60. DB::Exception: Table does not exist"), (Some(60), Retry::Never));
        assert_eq!(judged("Code: 516. DB::Exception: Authentication failed"), (Some(516), Retry::Never));
        assert_eq!(judged("502 Bad Gateway"), (None, Retry::Later));
        assert_eq!(ClickHouseError::of("x", Error::TimedOut).retry, Retry::Later);
    }
}
