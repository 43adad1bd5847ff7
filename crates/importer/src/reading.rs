//! Lines of a file on their way through the source that understands them.

use tally_domain::Reason;
use tally_sources::lines::{LINE_BYTES_MAX, Line};
use tally_sources::table::{MappingError, Rows};
use tally_sources::{Found, SourceReject, claude_code};

use crate::file::Open;

/// Lines on their way through the source.
pub(crate) struct Reading<'a> {
    rows: Option<&'a mut Rows>,
    /// What was found, by the positions of its lines.
    pub(crate) found: Vec<(u64, Found)>,
    pub(crate) lines: u64,
    /// Why the table cannot be read with this mapping.
    pub(crate) wrong: Option<MappingError>,
}

impl<'a> Reading<'a> {
    /// Of a table with `rows`, of a transcript without.
    pub(crate) fn with(rows: Option<&'a mut Rows>) -> Self {
        Self { rows, found: Vec::new(), lines: 0, wrong: None }
    }

    pub(crate) fn take(&mut self, start: u64, line: Line<'_>) {
        self.lines = self.lines.saturating_add(1);
        let found = match (line, &mut self.rows) {
            (Line::TooLong { bytes }, _) => too_long(bytes),
            (Line::Whole(line), None) => claude_code::read_line(line),
            (Line::Whole(line), Some(rows)) => rows.line(line).unwrap_or_else(|wrong| {
                self.wrong.get_or_insert(wrong);
                Found::Nothing
            }),
        };
        if found != Found::Nothing {
            self.found.push((start, found));
        }
    }
}

impl Open {
    /// The file ends here.
    pub(crate) fn finish_into(&mut self, reading: &mut Reading<'_>) {
        let end = self.position().read;
        self.finish(|start, line| reading.take(start, line));
        if let Some(rows) = &mut reading.rows {
            let last = rows.finish();
            if last != Found::Nothing {
                reading.found.push((end, last));
            }
        }
    }
}

fn too_long(bytes: u64) -> Found {
    Found::Reject(SourceReject {
        reason: Reason::Unreadable,
        detail: format!("the line has {bytes} bytes; expected at most {LINE_BYTES_MAX}"),
        original: Vec::new(),
        redacted: 1,
    })
}
