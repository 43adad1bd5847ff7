//! One layer: keys with values, all of one origin.

use std::io;
use std::path::PathBuf;

use ::config::{Map, Source, Value, ValueKind};

use super::origin::{Origin, Origins};
use super::parse_toml;
use super::sections::SECRET_KEYS;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file could not be read.
    #[error("reading the configuration {}: {why}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// A file is not TOML.
    #[error("the configuration {origin} is not TOML: {why}")]
    Syntax {
        /// The file.
        origin: Origin,
        /// Line, column and reason.
        why: String,
    },
    /// Nobody reads this key.
    #[error("unknown key `{key}` from {origin}{}", nearest_hint(nearest.as_deref()))]
    UnknownKey {
        /// As written.
        key: String,
        /// Where.
        origin: Origin,
        /// The known key most like it.
        nearest: Option<String>,
    },
    /// Nobody reads this variable.
    #[error("unknown variable {name} in the environment{}", nearest_hint(nearest.as_deref()))]
    UnknownVariable {
        /// As set.
        name: String,
        /// The known variable most like it.
        nearest: Option<String>,
    },
    /// A value is not of its key's type.
    #[error("`{key}` from {origin} must be {wanted}, not {found:?}")]
    WrongType {
        /// The key.
        key: String,
        /// Where.
        origin: Origin,
        /// What would do.
        wanted: String,
        /// What stands there; a secret is masked.
        found: String,
    },
    /// A value is outside what its key allows.
    #[error("`{key}` from {origin} is {found}: {rule}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// Where.
        origin: Origin,
        /// What stands there.
        found: String,
        /// What would do, and why.
        rule: &'static str,
    },
    /// The file in the data directory sets the data directory.
    #[error("{} sets data_dir, but is found by it: set it by --data-dir or TALLY_DATA_DIR", path.display())]
    MovesItself {
        /// The file.
        path: PathBuf,
    },
    /// No data directory can be derived.
    #[error("no data directory: give --data-dir or TALLY_DATA_DIR, or set HOME")]
    NoHome,
    /// A value does not fit its key, though its type does.
    #[error("`{key}` from {origin}: {why}")]
    Unfit {
        /// The key.
        key: String,
        /// Where.
        origin: Origin,
        /// What is wrong with it.
        why: String,
    },
}

fn nearest_hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(
        || ": `tally config` lists all keys".to_owned(),
        |nearest| format!(": did you mean `{nearest}`?"),
    )
}

impl ConfigError {
    /// The library keeps the key of what does not fit, but not where it came from.
    pub(super) fn unfit(error: ::config::ConfigError, origins: &Origins) -> ConfigError {
        use ::config::ConfigError as Library;
        let (key, why) = match error {
            Library::At { error, key, .. } => (key, error.to_string()),
            Library::Type { ref key, .. } => (key.clone(), error.to_string()),
            other => (None, other.to_string()),
        };
        let key = key.unwrap_or_default();
        let origin = origins.of_key(&key).cloned().unwrap_or(Origin::Default);
        ConfigError::Unfit { key, origin, why }
    }
}

/// Keys in dotted form, each with its value.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    origin: Origin,
    leaves: Vec<(String, ValueKind)>,
}

impl Layer {
    pub(super) fn parse(origin: Origin, text: &str) -> Result<Layer, ConfigError> {
        let tree = parse_toml(text)
            .map_err(|error| ConfigError::Syntax { origin: origin.clone(), why: error.to_string() })?;
        let mut leaves = Vec::new();
        flatten("", tree.kind, &mut leaves);
        leaves.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(Layer { origin, leaves })
    }

    pub(super) fn of_one(origin: Origin, key: &str, value: &str) -> Layer {
        Layer { origin, leaves: vec![(key.to_owned(), ValueKind::String(value.to_owned()))] }
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn leaves(&self) -> impl Iterator<Item = (&str, &ValueKind)> {
        self.leaves.iter().map(|(key, value)| (key.as_str(), value))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.leaves.iter().map(|(key, _)| key.as_str())
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.leaves.iter().find(|(found, _)| found == key).map(|(_, value)| value.to_string())
    }

    /// Turns every value into the type that its default has.
    ///
    /// # Errors
    /// When a key has no default, or a value cannot be turned.
    pub(super) fn conform(&mut self, defaults: &Layer) -> Result<(), ConfigError> {
        for (key, value) in &mut self.leaves {
            let Some((_, default)) = defaults.leaves.iter().find(|(known, _)| known == key) else {
                return Err(ConfigError::UnknownKey {
                    key: key.clone(),
                    origin: self.origin.clone(),
                    nearest: nearest(key, defaults.keys()),
                });
            };
            *value = like(default, value).ok_or_else(|| ConfigError::WrongType {
                key: key.clone(),
                origin: self.origin.clone(),
                wanted: wanted(default),
                found: if SECRET_KEYS.contains(&key.as_str()) { "***".to_owned() } else { value.to_string() },
            })?;
        }
        Ok(())
    }
}

/// `value` in the type of `default`.
fn like(default: &ValueKind, value: &ValueKind) -> Option<ValueKind> {
    match (default, value) {
        (ValueKind::String(_), ValueKind::String(_))
        | (ValueKind::I64(_), ValueKind::I64(_))
        | (ValueKind::Boolean(_), ValueKind::Boolean(_)) => Some(value.clone()),
        (ValueKind::I64(_), ValueKind::String(text)) => {
            text.replace('_', "").parse().ok().map(ValueKind::I64)
        }
        (ValueKind::Boolean(_), ValueKind::String(text)) => text.parse().ok().map(ValueKind::Boolean),
        _ => None,
    }
}

fn wanted(default: &ValueKind) -> String {
    match default {
        ValueKind::I64(example) => format!("a whole number such as {example}"),
        ValueKind::Boolean(_) => "true or false".to_owned(),
        _ => "text in quotes".to_owned(),
    }
}

fn flatten(prefix: &str, kind: ValueKind, into: &mut Vec<(String, ValueKind)>) {
    match kind {
        ValueKind::Table(table) => {
            for (key, value) in table {
                let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                flatten(&key, value.kind, into);
            }
        }
        leaf => into.push((prefix.to_owned(), leaf)),
    }
}

/// The candidate most like `written`, when any is like it at all.
pub(super) fn nearest<'a>(written: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(written, candidate);
    let best = candidates.min_by_key(|candidate| distance(candidate))?;
    (distance(best) <= written.len().div_ceil(3)).then(|| best.to_owned())
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ::config::ConfigError> {
        let origin = self.origin.to_string();
        Ok(self
            .leaves
            .iter()
            .map(|(key, value)| (key.clone(), Value::new(Some(&origin), value.clone())))
            .collect())
    }
}
