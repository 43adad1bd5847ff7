//! What commands print with `--json`: stable names, full numbers, one object.

mod import;
mod rejects;
mod standing;
mod usage;
mod verify;

use serde::Serialize;
use tally_node::config::Setting;

pub(crate) use import::Import;
#[cfg(test)]
pub(crate) use import::tests::example as import_example;
pub(crate) use rejects::Rejects;
pub(crate) use standing::{InWindow, Me, PersonLines, Row, Top, Used, place};
pub(crate) use usage::{Tokens, Usd, instant};
pub(crate) use verify::{Amount, Differing, PartitionAt, Value, Verify};

/// `tally version --json`.
#[derive(Debug, Serialize)]
pub(crate) struct Version {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

/// `tally config --json`.
#[derive(Debug, Serialize)]
pub(crate) struct Config {
    pub(crate) settings: Vec<ConfigSetting>,
}

/// One setting in force.
#[derive(Debug, Serialize)]
pub(crate) struct ConfigSetting {
    pub(crate) key: String,
    pub(crate) value: serde_json::Value,
    pub(crate) origin: String,
}

impl Config {
    pub(crate) fn of<'a>(settings: impl Iterator<Item = &'a Setting>) -> Config {
        let one = |setting: &Setting| ConfigSetting {
            key: setting.key.clone(),
            value: setting.value.clone(),
            origin: setting.origin.to_string(),
        };
        Config { settings: settings.map(one).collect() }
    }
}

/// `tally republish --json`.
#[derive(Debug, Serialize)]
pub(crate) struct Republish {
    /// Partitions whose every key was acknowledged again.
    pub(crate) partitions: usize,
    pub(crate) took_ms: u64,
}

/// `tally sql --json` without a statement.
#[derive(Debug, Serialize)]
pub(crate) struct ClickHouse {
    pub(crate) url: String,
    pub(crate) database: String,
}
