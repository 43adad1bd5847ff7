//! Where each value comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use ::config::ValueKind;

use super::layer::Layer;
use super::sections::SECRET_KEYS;

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `ops/tally.toml`, as built into the binary.
    Default,
    /// A file.
    File(PathBuf),
    /// A variable of the environment, by name.
    Environment(String),
    /// A flag of the command line, by name.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One effective value, secrets masked, for showing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// As in `web.listen`.
    pub key: String,
    /// In its own type: a number is a number. A secret that is set is `"***"`.
    pub value: serde_json::Value,
    /// The layer that won.
    pub origin: Origin,
}

/// Every key with its effective value and origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Setting>);

impl Origins {
    pub(super) fn of(layers: &[Layer]) -> Origins {
        let mut settings = BTreeMap::new();
        for layer in layers {
            for (key, value) in layer.leaves() {
                let value = shown(key, value);
                settings.insert(
                    key.to_owned(),
                    Setting { key: key.to_owned(), value, origin: layer.origin().clone() },
                );
            }
        }
        Origins(settings)
    }

    /// Where `key` was set last; `None` for a key that does not exist.
    #[must_use]
    pub fn of_key(&self, key: &str) -> Option<&Origin> {
        self.0.get(key).map(|setting| &setting.origin)
    }

    /// All settings, sorted by key.
    pub fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.0.values()
    }
}

fn shown(key: &str, value: &ValueKind) -> serde_json::Value {
    match value {
        ValueKind::String(text) if SECRET_KEYS.contains(&key) && !text.is_empty() => "***".into(),
        ValueKind::Boolean(value) => (*value).into(),
        ValueKind::I64(value) => (*value).into(),
        ValueKind::U64(value) => (*value).into(),
        other => other.to_string().into(),
    }
}
