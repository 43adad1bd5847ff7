//! `TIMESTAMP=occurred_at,ContextTokens=input`: which column is which field.

use std::collections::BTreeMap;

use tally_domain::event::Unsplit;

use super::Cells;

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)*) => {
        /// What a column may be mapped to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Field { $($(#[$doc])* $variant,)* }

        impl Field {
            /// All fields.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in a mapping.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name,)* } }
        }
    };
}

fields! {
    /// Names the call; else dataset, row and ordinal do.
    Id => "id",
    /// An instant in words; without an offset it is UTC.
    OccurredAt => "occurred_at",
    /// Milliseconds since 1970.
    EpochMs => "epoch_ms",
    /// Seconds since 1970; a fraction is allowed.
    EpochS => "epoch_s",
    /// Milliseconds since the origin; a fraction is allowed.
    OffsetMs => "offset_ms",
    /// Seconds since the origin; a fraction is allowed.
    OffsetS => "offset_s",
    /// The tool's own session.
    Session => "session",
    /// The provider's id of the call.
    RequestId => "request_id",
    /// The model, as reported.
    Model => "model",
    /// The tool; else the dataset.
    Tool => "tool",
    /// The service tier.
    ServiceTier => "service_tier",
    /// The region.
    Region => "region",
    /// Version of the client.
    ClientVersion => "client_version",
    /// The agent.
    Agent => "agent",
    /// Uncached input.
    Input => "input",
    /// Cache reads.
    CacheRead => "cache_read",
    /// Cache writes for five minutes.
    CacheWrite5m => "cache_write_5m",
    /// Cache writes for an hour.
    CacheWrite1h => "cache_write_1h",
    /// Output.
    Output => "output",
    /// Reasoning.
    Reasoning => "reasoning",
    /// Calls; else 1.
    Requests => "requests",
}

impl Field {
    /// The token classes, in the order of a usage vector.
    pub(super) const TOKENS: [Self; 6] =
        [Self::Input, Self::CacheRead, Self::CacheWrite5m, Self::CacheWrite1h, Self::Output, Self::Reasoning];
    /// The ways to say when.
    pub(super) const TIMES: [Self; 5] =
        [Self::OccurredAt, Self::EpochMs, Self::EpochS, Self::OffsetMs, Self::OffsetS];
}

/// Why a mapping cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// No `=`.
    #[error("reading a mapping: {0:?} has no '='; write column=field, such as ContextTokens=input")]
    NoEquals(String),
    /// Not a field.
    #[error("reading a mapping: {found:?} is no field; expected one of {known}")]
    NoField {
        /// What was given.
        found: String,
        /// What there is.
        known: String,
    },
    /// A field from two columns.
    #[error("reading a mapping: {0} is mapped twice; map one column to it")]
    Twice(&'static str),
    /// Not exactly one way to say when.
    #[error("reading a mapping: {found} columns say when a call occurred; map exactly one to {known}")]
    Time {
        /// How many.
        found: usize,
        /// The fields that do.
        known: String,
    },
    /// No tokens.
    #[error("reading a mapping: no column holds tokens; map one to {known}")]
    NoTokens {
        /// The fields that do.
        known: String,
    },
    /// A relative time without an origin.
    #[error("reading a table: its times are relative; say with an origin what they count from")]
    NoOrigin,
    /// The table lacks a column.
    #[error("reading a table: it has no column {column:?}; its columns are {known}")]
    NoColumn {
        /// The column that is mapped.
        column: String,
        /// The columns that there are.
        known: String,
    },
}

/// Which column is which field. A column in single quotes is a text for every row: `'gpt-4'=model`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    columns: BTreeMap<Field, String>,
    constants: Cells,
}

impl Mapping {
    /// Reads `column=field,…`.
    ///
    /// # Errors
    /// When a part is no mapping, a field comes twice, or time or tokens are missing.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let mut mapping = Self { columns: BTreeMap::new(), constants: BTreeMap::new() };
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            mapping.add(part)?;
        }
        let times = Field::TIMES.iter().filter(|&&field| mapping.has(field)).count();
        if times != 1 {
            return Err(MappingError::Time { found: times, known: names(&Field::TIMES) });
        }
        if !Field::TOKENS.iter().any(|&field| mapping.has(field)) {
            return Err(MappingError::NoTokens { known: names(&Field::TOKENS) });
        }
        Ok(mapping)
    }

    fn add(&mut self, part: &str) -> Result<(), MappingError> {
        let (column, name) = part.rsplit_once('=').ok_or_else(|| MappingError::NoEquals(part.to_owned()))?;
        let (column, name) = (column.trim(), name.trim());
        let field = Field::ALL.iter().copied().find(|field| field.name() == name);
        let field = field
            .ok_or_else(|| MappingError::NoField { found: name.to_owned(), known: names(Field::ALL) })?;
        if self.has(field) {
            return Err(MappingError::Twice(field.name()));
        }
        match column.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
            Some(text) => self.constants.insert(field, text.to_owned()),
            None => self.columns.insert(field, column.to_owned()),
        };
        Ok(())
    }

    fn has(&self, field: Field) -> bool {
        self.columns.contains_key(&field) || self.constants.contains_key(&field)
    }

    pub(super) fn needs_origin(&self) -> bool {
        self.has(Field::OffsetMs) || self.has(Field::OffsetS)
    }

    /// A table splits what it has columns for.
    pub(super) fn unsplit(&self) -> Unsplit {
        let mut unsplit = Unsplit::default();
        if self.has(Field::Output) && !self.has(Field::Reasoning) {
            unsplit = unsplit.with(Unsplit::REASONING_IN_OUTPUT);
        }
        if self.has(Field::CacheWrite5m) && !self.has(Field::CacheWrite1h) {
            unsplit = unsplit.with(Unsplit::CACHE_WRITE_LIFE);
        }
        if self.has(Field::Input) && !self.has(Field::CacheRead) {
            unsplit = unsplit.with(Unsplit::CACHE_IN_INPUT);
        }
        unsplit
    }

    pub(super) fn constants(&self) -> Cells {
        self.constants.clone()
    }

    pub(super) fn fields_of(&self, column: &[u8]) -> impl Iterator<Item = Field> {
        self.columns
            .iter()
            .filter(move |(_, name)| name.as_bytes() == column.trim_ascii())
            .map(|(&field, _)| field)
    }

    /// A mapped column that must be there in every row and is not: time; tokens may be missing.
    pub(super) fn missing(&self, has: impl Fn(Field) -> bool) -> Option<&str> {
        let time = Field::TIMES.iter().find_map(|field| self.columns.get_key_value(field));
        let none = Field::TOKENS.iter().filter(|&&field| self.has(field)).all(|&field| !has(field));
        let tokens = Field::TOKENS.iter().find_map(|field| self.columns.get_key_value(field));
        time.filter(|&(&field, _)| !has(field)).or(tokens.filter(|_| none)).map(|(_, column)| column.as_str())
    }

    pub(super) fn check_columns<'a>(
        &self,
        header: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), MappingError> {
        let header: Vec<String> =
            header.map(|name| String::from_utf8_lossy(name.trim_ascii()).into_owned()).collect();
        match self.columns.values().find(|&column| !header.contains(column)) {
            None => Ok(()),
            Some(column) => Err(MappingError::NoColumn { column: column.clone(), known: header.join(", ") }),
        }
    }
}

fn names(fields: &[Field]) -> String {
    fields.iter().map(|field| field.name()).collect::<Vec<_>>().join(", ")
}
