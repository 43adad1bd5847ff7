//! Tables of calls, CSV or JSON lines: columns are mapped to fields by whoever imports them.
//!
//! A row is named by a mapped id, else by the dataset, a hash of the row and its ordinal among identical rows: the
//! hash alone would count two calls that look alike only once.

mod mapping;
mod time;

use std::collections::BTreeMap;

use tally_domain::{Dims, EventTime, Reason, Usage, View};

pub use mapping::{Field, Mapping, MappingError};

use crate::event::{Found, NO_MODEL, SourceEvent, Wrong, checked_id, checked_usage, malformed};
use crate::json::Count;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The first line names the columns; quoted fields may hold line ends.
    Csv,
    /// An object per line.
    Jsonl,
}

/// What there is to know of a table before its first row.
#[derive(Clone, Debug)]
pub struct Table {
    /// See [`Format`].
    pub format: Format,
    /// Which column is which field.
    pub mapping: Mapping,
    /// What relative times count from.
    pub origin: Option<EventTime>,
    /// Names the rows that have no id of their own: a file name, a trace's name.
    pub dataset: String,
}

/// Reads a table from its first line on; ordinals need every row before.
#[derive(Debug)]
pub struct Rows {
    table: Table,
    header: Option<csv::ByteRecord>,
    /// The lines of a record whose quotes are still open.
    open: Vec<u8>,
    quoted: bool,
    /// How often each row came.
    seen: BTreeMap<u128, u32>,
}

/// A row's cells by the field that they are mapped to.
type Cells = BTreeMap<Field, String>;

impl Rows {
    /// Begins a table.
    ///
    /// # Errors
    /// When a relative time is mapped and there is no origin.
    pub fn new(table: Table) -> Result<Self, MappingError> {
        if table.mapping.needs_origin() && table.origin.is_none() {
            return Err(MappingError::NoOrigin);
        }
        Ok(Self { table, header: None, open: Vec::new(), quoted: false, seen: BTreeMap::new() })
    }

    /// Takes the next line, without its end.
    ///
    /// # Errors
    /// When the header lacks a mapped column: no row of the table can be read.
    pub fn line(&mut self, line: &[u8]) -> Result<Found, MappingError> {
        if self.open.is_empty() && line.trim_ascii().is_empty() {
            return Ok(Found::Nothing);
        }
        match self.table.format {
            Format::Jsonl => Ok(self.found(line, json_cells(&self.table.mapping, line))),
            Format::Csv => self.csv_line(line),
        }
    }

    /// The file ends here: a record whose quotes are still open is no record.
    pub fn finish(&mut self) -> Found {
        if self.open.is_empty() {
            return Found::Nothing;
        }
        let open = std::mem::take(&mut self.open);
        Found::reject((Reason::Unreadable, "the file ends within a quoted field".to_owned()), &open)
    }

    fn csv_line(&mut self, line: &[u8]) -> Result<Found, MappingError> {
        if !self.open.is_empty() {
            self.open.push(b'\n');
        }
        self.open.extend_from_slice(line);
        self.quoted = line.iter().fold(self.quoted, |quoted, &byte| quoted ^ (byte == b'"'));
        if self.quoted && self.open.len() <= crate::lines::LINE_BYTES_MAX {
            return Ok(Found::Nothing);
        }
        self.quoted = false;
        let row = std::mem::take(&mut self.open);
        let record = csv_record(&row);
        let Some(header) = &self.header else {
            let header = record.unwrap_or_default();
            self.table.mapping.check_columns(header.iter())?;
            self.header = Some(header);
            return Ok(Found::Nothing);
        };
        let cells = record.and_then(|record| csv_cells(&self.table.mapping, header, &record));
        Ok(self.found(&row, cells))
    }

    fn found(&mut self, row: &[u8], cells: Result<Cells, Wrong>) -> Found {
        let ordinal = self.ordinal(row);
        match cells.and_then(|cells| self.event(&cells, row, ordinal)) {
            Ok(event) => Found::Event(event),
            Err(wrong) => Found::reject(wrong, row),
        }
    }

    /// Which of the identical rows this one is, from 1.
    fn ordinal(&mut self, row: &[u8]) -> u32 {
        let times = self.seen.entry(xxhash_rust::xxh3::xxh3_128(row)).or_default();
        *times = times.saturating_add(1);
        *times
    }

    fn event(&self, cells: &Cells, row: &[u8], ordinal: u32) -> Result<SourceEvent, Wrong> {
        let text = |field| cells.get(&field).cloned().unwrap_or_default();
        let optional = |field| cells.get(&field).filter(|text| !text.is_empty()).cloned();
        let by_content = || {
            let hash = xxhash_rust::xxh3::xxh3_128(row);
            format!("row:{}:{hash:032x}:{ordinal}", self.table.dataset)
        };
        let event_id = optional(Field::Id).unwrap_or_else(by_content);
        let tool = optional(Field::Tool).unwrap_or_else(|| self.table.dataset.clone());
        Ok(SourceEvent {
            event_id: checked_id(event_id)?,
            occurred_at: time::of(cells, self.table.origin)?,
            session: optional(Field::Session),
            request_id: optional(Field::RequestId),
            dims: Dims {
                model: optional(Field::Model).unwrap_or_else(|| NO_MODEL.to_owned()),
                tool,
                view: View::Table,
                service_tier: text(Field::ServiceTier),
                region: text(Field::Region),
                unsplit: self.table.mapping.unsplit(),
            },
            client_version: text(Field::ClientVersion),
            agent: text(Field::Agent),
            usage: usage(cells)?,
        })
    }
}

fn usage(cells: &Cells) -> Result<Usage, Wrong> {
    let mut usage = Usage { requests: 1, ..Usage::ZERO };
    for (slot, field) in usage.tokens.iter_mut().zip(Field::TOKENS) {
        *slot = count(cells, field)?;
    }
    if cells.get(&Field::Requests).is_some_and(|text| !text.is_empty()) {
        usage.requests = count(cells, Field::Requests)?;
    }
    match usage.requests {
        ..0 => malformed(format!("requests is {}; expected 0 or more", usage.requests)),
        _ => checked_usage(usage),
    }
}

fn count(cells: &Cells, field: Field) -> Result<i64, Wrong> {
    match cells.get(&field).map(|text| text.trim()) {
        None | Some("") => Ok(0),
        Some(text) => Count::parse(text.strip_suffix(".0").unwrap_or(text)).get(field.name()),
    }
}

fn csv_record(row: &[u8]) -> Result<csv::ByteRecord, Wrong> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(row.len().clamp(64, 1 << 16))
        .from_reader(row);
    let mut record = csv::ByteRecord::new();
    match reader.read_byte_record(&mut record) {
        Ok(_) => Ok(record),
        Err(_) => Err((Reason::Unreadable, format!("a row of {} bytes is no CSV", row.len()))),
    }
}

fn csv_cells(mapping: &Mapping, header: &csv::ByteRecord, record: &csv::ByteRecord) -> Result<Cells, Wrong> {
    if record.len() != header.len() {
        return malformed(format!("a row has {} cells; the header has {}", record.len(), header.len()));
    }
    let mut cells = mapping.constants();
    for (name, cell) in header.iter().zip(record) {
        for field in mapping.fields_of(name) {
            let text = str::from_utf8(cell)
                .map_err(|_| (Reason::Unreadable, format!("the cell of {} is not UTF-8", field.name())))?;
            cells.insert(field, text.trim().to_owned());
        }
    }
    Ok(cells)
}

fn json_cells(mapping: &Mapping, line: &[u8]) -> Result<Cells, Wrong> {
    let row: BTreeMap<String, serde_json::Value> = crate::json::parse(line)?;
    let mut cells = mapping.constants();
    for (name, value) in row {
        for field in mapping.fields_of(name.as_bytes()) {
            let text = match &value {
                serde_json::Value::Null => continue,
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Number(number) => number.to_string(),
                serde_json::Value::Bool(_) | serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
                    return malformed(format!("{} is no text and no number", field.name()));
                }
            };
            cells.insert(field, text);
        }
    }
    match mapping.missing(|field| cells.contains_key(&field)) {
        Some(column) => malformed(format!("the row has no {column:?}")),
        None => Ok(cells),
    }
}

#[cfg(test)]
mod tests;
