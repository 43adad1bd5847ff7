//! ClickHouse's exceptions: a number, a text, and the HTTP status that a server gives to it.

use axum::http::StatusCode;

/// An error as ClickHouse words it: `Code: 115. DB::Exception: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exception {
    /// The number of the error, e.g. 60 for `UNKNOWN_TABLE`; 1002 when the engine gave none.
    pub(crate) code: i32,
    /// The whole line, beginning with `Code: `.
    pub(crate) text: String,
}

pub(crate) const SYNTAX_ERROR: i32 = 62;
pub(crate) const NOT_IMPLEMENTED: i32 = 48;
pub(crate) const READONLY: i32 = 164;
pub(crate) const QUERY_IS_TOO_LARGE: i32 = 229;
pub(crate) const SESSION_NOT_FOUND: i32 = 372;
pub(crate) const SESSION_IS_LOCKED: i32 = 373;
pub(crate) const BAD_REQUEST_PARAMETER: i32 = 36;
pub(crate) const NETWORK_ERROR: i32 = 210;
pub(crate) const CANNOT_DECOMPRESS: i32 = 271;
pub(crate) const AUTHENTICATION_FAILED: i32 = 516;

impl Exception {
    /// An exception of the front itself, worded as the engine would.
    pub(crate) fn new(code: i32, what: impl AsRef<str>) -> Self {
        Self { code, text: format!("Code: {code}. DB::Exception: {}", what.as_ref()) }
    }

    /// Reads the engine's text. A text without a number keeps its words under 1002 (`UNKNOWN_EXCEPTION`).
    pub(crate) fn parse(text: &str) -> Self {
        let number = text.strip_prefix("Code: ").and_then(|rest| rest.split('.').next()?.parse().ok());
        match number {
            Some(code) => Self { code, text: text.trim_end().to_owned() },
            None => Self::new(1002, text.trim_end()),
        }
    }

    /// The line as a server sends it, with its version at the end.
    pub(crate) fn line(&self, version: &str) -> String {
        let suffix = format!("(version {version})");
        let body = self.text.strip_suffix(&suffix).unwrap_or(&self.text).trim_end();
        format!("{body} (version {version} (official build))\n")
    }

    /// The status that `ClickHouse`'s HTTP handler gives to this error.
    pub(crate) fn status(&self) -> StatusCode {
        match self.code {
            // REQUIRED_PASSWORD
            194 => StatusCode::UNAUTHORIZED,
            // UNKNOWN_USER, WRONG_PASSWORD, AUTHENTICATION_FAILED, SET_NON_GRANTED_ROLE
            192 | 193 | 516 | 512 => StatusCode::FORBIDDEN,
            // BAD_ARGUMENTS, CANNOT_COMPILE_REGEXP, the CANNOT_PARSE family, DUPLICATE_COLUMN, ILLEGAL_COLUMN,
            // THERE_IS_NO_COLUMN, the AST family, SYNTAX_ERROR, INCORRECT_DATA, TYPE_MISMATCH, out of range
            6 | 8 | 15 | 25 | 26 | 27 | 36 | 37 | 38 | 41 | 44 | 53 | 62 | 72 | 117 | 123 | 167 | 168
            | 223 | 321 | 376 | 427 | 441 | 467 | 675 | 676 => StatusCode::BAD_REQUEST,
            // UNKNOWN_FUNCTION, _IDENTIFIER, _TYPE, _STORAGE, _TABLE, _AGGREGATE_FUNCTION, _FORMAT, _DATABASE,
            // _DATABASE_ENGINE, _TYPE_OF_QUERY, _SETTING, _DIRECTION_OF_SORTING; NO_ELEMENTS_IN_CONFIG
            46 | 47 | 50 | 56 | 60 | 63 | 73 | 78 | 81 | 115 | 139 | 152 | 336 => StatusCode::NOT_FOUND,
            QUERY_IS_TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
            NOT_IMPLEMENTED => StatusCode::NOT_IMPLEMENTED,
            // TIMEOUT_EXCEEDED
            159 => StatusCode::REQUEST_TIMEOUT,
            // SOCKET_TIMEOUT, CANNOT_OPEN_FILE
            209 | 76 => StatusCode::SERVICE_UNAVAILABLE,
            // HTTP_LENGTH_REQUIRED
            381 => StatusCode::LENGTH_REQUIRED,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_read_from_the_text() {
        let e = Exception::parse("Code: 60. DB::Exception: Table x does not exist. (UNKNOWN_TABLE)");
        assert_eq!((e.code, e.status()), (60, StatusCode::NOT_FOUND));
        let e = Exception::parse("something odd");
        assert_eq!(e.text, "Code: 1002. DB::Exception: something odd");
    }

    #[test]
    fn a_line_ends_with_one_version() {
        let plain = Exception::parse("Code: 60. DB::Exception: x. (UNKNOWN_TABLE)");
        let with = Exception::parse("Code: 60. DB::Exception: x. (UNKNOWN_TABLE) (version 26.7.2.1)");
        let line = "Code: 60. DB::Exception: x. (UNKNOWN_TABLE) (version 26.7.2.1 (official build))\n";
        assert_eq!(plain.line("26.7.2.1"), line);
        assert_eq!(with.line("26.7.2.1"), line);
    }
}
