//! The header that a streamed result repeats in every chunk, and must carry once.
//!
//! The engine formats each chunk of a streamed `SELECT` as a result of its own. For the formats here that is the
//! whole result once the repeated header is taken out; all others are fetched in one piece.

/// A format whose chunks can be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    None,
    /// Lines of text; a quoted field may hold a line end if `quoted`.
    Lines {
        count: usize,
        quoted: bool,
    },
    /// A count of columns, their names, and, if `types`, their types: each a length and bytes.
    Binary {
        types: bool,
    },
}

impl Header {
    /// The header of `format`, or nothing if its chunks cannot be joined.
    pub(crate) fn of(format: &str) -> Option<Self> {
        Some(match format {
            "RowBinary"
            | "Native"
            | "JSONEachRow"
            | "JSONLines"
            | "NDJSON"
            | "JSONStringsEachRow"
            | "JSONCompactEachRow"
            | "JSONCompactStringsEachRow"
            | "TabSeparated"
            | "TSV"
            | "TabSeparatedRaw"
            | "TSVRaw"
            | "CSV"
            | "LineAsString"
            | "RawBLOB" => Self::None,
            "RowBinaryWithNames" => Self::Binary { types: false },
            "RowBinaryWithNamesAndTypes" => Self::Binary { types: true },
            "CSVWithNames" => Self::Lines { count: 1, quoted: true },
            "CSVWithNamesAndTypes" => Self::Lines { count: 2, quoted: true },
            "TabSeparatedWithNames" | "TSVWithNames" | "JSONCompactEachRowWithNames" => {
                Self::Lines { count: 1, quoted: false }
            }
            "TabSeparatedWithNamesAndTypes"
            | "TSVWithNamesAndTypes"
            | "JSONCompactEachRowWithNamesAndTypes" => Self::Lines { count: 2, quoted: false },
            _ => return None,
        })
    }

    /// The length of the header at the head of `chunk`, in bytes.
    pub(crate) fn length(self, chunk: &[u8]) -> usize {
        match self {
            Self::None => 0,
            Self::Lines { count, quoted } => lines(chunk, count, quoted),
            Self::Binary { types } => binary(chunk, types).unwrap_or(chunk.len()),
        }
    }
}

fn lines(chunk: &[u8], count: usize, quoted: bool) -> usize {
    let mut inside = false;
    let mut seen = 0;
    for (at, byte) in chunk.iter().enumerate() {
        inside ^= quoted && *byte == b'"';
        if *byte == b'\n' && !inside {
            seen += 1;
            if seen == count {
                return at + 1;
            }
        }
    }
    chunk.len()
}

fn binary(chunk: &[u8], types: bool) -> Option<usize> {
    let mut at = 0;
    let columns = varint(chunk, &mut at)?;
    let strings = if types { columns.checked_mul(2)? } else { columns };
    for _ in 0..strings {
        let length = varint(chunk, &mut at)?;
        at = at.checked_add(length).filter(|end| *end <= chunk.len())?;
    }
    Some(at)
}

fn varint(chunk: &[u8], at: &mut usize) -> Option<usize> {
    let mut value = 0_usize;
    for shift in (0..usize::BITS).step_by(7) {
        let byte = *chunk.get(*at)?;
        *at += 1;
        value |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(format: &str, chunk: &str) -> String {
        let header = Header::of(format).expect("a format that can be joined");
        chunk[header.length(chunk.as_bytes())..].to_owned()
    }

    #[test]
    fn the_header_ends_where_the_rows_begin() {
        assert_eq!(body("RowBinaryWithNamesAndTypes", "\x02\x01a\x01b\x05UInt8\x06Stringrows"), "rows");
        assert_eq!(body("RowBinaryWithNames", "\x01\x01arows"), "rows");
        assert_eq!(body("CSVWithNames", "\"a\nb\",\"c\"\"\n\"\n1,2\n"), "1,2\n");
        assert_eq!(body("TSVWithNamesAndTypes", "a\nUInt8\n1\n2\n"), "1\n2\n");
        assert_eq!(body("JSONEachRow", "{}\n"), "{}\n");
    }

    #[test]
    fn other_formats_are_not_joined() {
        assert_eq!(Header::of("JSON"), None);
        assert_eq!(Header::of("Parquet"), None);
    }
}
