//! The environment as layers, one per variable, so that each value names the variable it came from.

use std::collections::BTreeMap;

use super::layer::{ConfigError, Layer, nearest};
use super::origin::Origin;

/// Variables with a name of their own, and the key they set; `None` is read elsewhere.
const NAMED: &[(&str, Option<&str>)] = &[
    ("TALLY_DATA_DIR", Some("data_dir")),
    ("TALLY_ENGINE_LIBRARY", Some("engine.library")),
    ("TALLY_LOG", Some("diagnostics.filter")),
    // The tests' own: where shared traces lie, and which bug a build that can have one has.
    ("TALLY_SHARED_DATA", None),
    #[cfg(tally_planted)]
    ("TALLY_PLANTED", None),
];

/// The environment of this process; a variable that is not UTF-8 is kept with the offending bytes replaced.
#[must_use]
pub fn from_process() -> BTreeMap<String, String> {
    let text = |it: std::ffi::OsString| it.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

/// One layer per variable that sets a key.
///
/// # Errors
/// When a variable begins with `TALLY_` and nobody reads it.
pub(super) fn layers(
    environment: &BTreeMap<String, String>,
    defaults: &Layer,
) -> Result<Vec<Layer>, ConfigError> {
    let mut layers = Vec::new();
    for (name, value) in environment.iter().filter(|(name, _)| name.starts_with("TALLY_")) {
        let key = match NAMED.iter().find(|(named, _)| named == name) {
            Some((_, Some(key))) => (*key).to_owned(),
            Some((_, None)) => continue,
            None => defaults
                .keys()
                .find(|key| variable(key) == *name)
                .map(str::to_owned)
                .ok_or_else(|| unknown(name, defaults))?,
        };
        layers.push(Layer::of_one(Origin::Environment(name.clone()), &key, value));
    }
    Ok(layers)
}

/// `log.retention.usage_days` → `TALLY__LOG__RETENTION__USAGE_DAYS`.
fn variable(key: &str) -> String {
    format!("TALLY__{}", key.replace('.', "__").to_uppercase())
}

fn unknown(name: &str, defaults: &Layer) -> ConfigError {
    let mut known: Vec<String> = defaults.keys().map(variable).collect();
    known.extend(NAMED.iter().map(|(name, _)| (*name).to_owned()));
    ConfigError::UnknownVariable {
        name: name.to_owned(),
        nearest: nearest(name, known.iter().map(String::as_str)),
    }
}
