//! What commands print with `--json`: stable names, full numbers, one object.

use serde::Serialize;
use tally_node::config::Setting;

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
