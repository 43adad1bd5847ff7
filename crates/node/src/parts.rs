//! The parts of an installation, and which of them a process takes on.

use crate::config::Config;
use crate::roles::demo::Teller;
use crate::supervise::StartError;

/// A part that can run in a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Takes usage over HTTP.
    Collect,
    /// Folds partitions and publishes what they say.
    Aggregate,
    /// Archives the raw events.
    Audit,
    /// Ranks people.
    Rank,
    /// Serves the pages.
    Web,
}

impl Part {
    /// As its command is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Collect => "collect",
            Self::Aggregate => "aggregate",
            Self::Audit => "audit",
            Self::Rank => "rank",
            Self::Web => "web",
        }
    }
}

/// What a process takes on.
#[derive(Clone, Copy, Debug)]
pub struct Takes {
    /// Its parts.
    pub parts: &'static [Part],
    /// Fill the installation with the company of this teller, and keep that company at work.
    pub demo: Option<Teller>,
    /// False for a command that will be done in a moment.
    pub stays: bool,
}

impl Takes {
    /// All that `tally up` runs.
    pub const UP: &'static [Part] = &[Part::Collect, Part::Aggregate, Part::Audit, Part::Rank, Part::Web];
    /// All that makes numbers from usage.
    const COUNTING: &'static [Part] = &[Part::Collect, Part::Aggregate, Part::Audit, Part::Rank];

    /// What a command needs for a moment. Where log and ClickHouse are elsewhere, so are the parts: the command asks
    /// ClickHouse what they have done, and brings a collector along if it has something to tell.
    #[must_use]
    pub fn of_command(config: &Config, collects: bool) -> Self {
        let is_elsewhere = is_on_kafka(config) && !config.clickhouse.url.is_empty();
        let parts: &[Part] = match (is_elsewhere, collects) {
            (false, _) => Self::COUNTING,
            (true, true) => &[Part::Collect],
            (true, false) => &[],
        };
        Self { parts, demo: None, stays: false }
    }

    /// True when the process runs this part.
    #[must_use]
    pub fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// True when it publishes and archives all that it is asked about, and need not ask ClickHouse what others did.
    pub(crate) fn counts_all(&self, config: &Config) -> bool {
        self.has(Part::Aggregate) && self.has(Part::Audit) && self.has(Part::Rank) && group(config).is_none()
    }

    /// True when it cannot work without ClickHouse.
    pub(crate) fn needs_clickhouse(&self) -> bool {
        self.parts != [Part::Collect]
    }

    /// A part without the others needs a log and a ClickHouse that all of them reach.
    pub(crate) fn check(&self, config: &Config) -> Result<(), StartError> {
        let [part] = self.parts else { return Ok(()) };
        let part = part.name();
        if !is_on_kafka(config) {
            return Err(StartError::NeedsKafka { part });
        }
        if self.needs_clickhouse() && config.clickhouse.url.is_empty() {
            return Err(StartError::NeedsClickHouse { part });
        }
        Ok(())
    }
}

/// The group that shares the partitions. Who has a ClickHouse of its own shares nothing: others publish elsewhere.
pub(crate) fn group(config: &Config) -> Option<&str> {
    let is_shared = is_on_kafka(config) && !config.clickhouse.url.is_empty();
    Some(config.kafka.group.as_str()).filter(|group| is_shared && !group.is_empty())
}

pub(crate) const fn is_on_kafka(config: &Config) -> bool {
    !config.kafka.brokers.is_empty()
}
