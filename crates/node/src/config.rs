//! Layered configuration in which every value knows where it comes from.
//!
//! Layers, later ones winning: the defaults of `ops/tally.toml`, a file, the environment, flags.
//! A key that the defaults do not have is an error that names the key, its origin and the nearest known key.

mod environment;
mod layer;
mod origin;
mod sections;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ::config::FileFormat;

pub use environment::from_process as environment_of_process;
pub use layer::ConfigError;
pub use origin::{Origin, Origins, Setting};
pub use sections::{
    AdminConfig, AggregatorConfig, AuditConfig, CheckpointsConfig, ClickHouseConfig, CollectorConfig,
    CompactionConfig, Compression, Config, DemoConfig, DiagnosticsConfig, DiagnosticsFormat, EngineConfig,
    KafkaConfig, LogConfig, LogSync, RankerConfig, RetentionConfig, SaslMechanism, Secret, StoreConfig,
    WebConfig,
};

use layer::Layer;

/// The only defaults there are.
pub const DEFAULTS: &str = include_str!("../../../ops/tally.toml");

/// What the configuration is made of; given as values, so that a test reads no environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The variables of the environment; those that do not begin with `TALLY_` are ignored, but for `HOME`
    /// and `XDG_DATA_HOME`.
    pub environment: BTreeMap<String, String>,
    /// `--config`: must exist. `None`: `tally.toml` in the data directory, when there is one.
    pub file: Option<PathBuf>,
    /// Flags that were given: key, flag, value.
    pub flags: Vec<Flag>,
}

/// A flag of the command line that sets a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The key, as in `web.listen`.
    pub key: &'static str,
    /// The flag, as in `--listen`.
    pub flag: &'static str,
    /// As given.
    pub value: String,
}

/// Reads all layers. The data directory in the result is never empty.
///
/// # Errors
/// When a file cannot be read, a key is unknown, or a value is of the wrong kind or out of its range.
pub fn load(sources: &Sources) -> Result<(Config, Origins), ConfigError> {
    let defaults = Layer::parse(Origin::Default, DEFAULTS)?;
    let environment = environment::layers(&sources.environment, &defaults)?;
    let flags =
        sources.flags.iter().map(|flag| Layer::of_one(Origin::Flag(flag.flag), flag.key, &flag.value));
    let mut above: Vec<Layer> = environment.into_iter().chain(flags).collect();
    for layer in &mut above {
        layer.conform(&defaults)?;
    }
    let mut file = file_layer(sources, &above)?;
    if let Some(file) = &mut file {
        file.conform(&defaults)?;
    }
    let mut layers: Vec<Layer> = [defaults].into_iter().chain(file).chain(above).collect();
    if chosen(&layers, DATA_DIR).is_none() {
        let data_dir = usual_data_dir(&sources.environment)?;
        layers.insert(1, Layer::of_one(Origin::Default, DATA_DIR, &data_dir.display().to_string()));
    }
    let origins = Origins::of(&layers);
    let config = merge(&layers, &origins)?;
    config.check(&origins)?;
    Ok((config, origins))
}

const DATA_DIR: &str = "data_dir";

/// The last text that is set for `key` and not empty.
fn chosen(layers: &[Layer], key: &str) -> Option<String> {
    let set = layers.iter().rev().find_map(|layer| layer.text(key));
    set.filter(|text| !text.is_empty())
}

fn file_layer(sources: &Sources, above: &[Layer]) -> Result<Option<Layer>, ConfigError> {
    if let Some(path) = &sources.file {
        let text = fs::read_to_string(path).map_err(|why| ConfigError::Read { path: path.clone(), why })?;
        return Layer::parse(Origin::File(path.clone()), &text).map(Some);
    }
    let data_dir = match chosen(above, DATA_DIR) {
        Some(path) => PathBuf::from(path),
        None => usual_data_dir(&sources.environment)?,
    };
    let path = data_dir.join("tally.toml");
    let text = match fs::read_to_string(&path) {
        // Where the directory is none, whoever takes it says so.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(why) => return Err(ConfigError::Read { path, why }),
        Ok(text) => text,
    };
    let layer = Layer::parse(Origin::File(path.clone()), &text)?;
    if layer.text(DATA_DIR).is_some() {
        return Err(ConfigError::MovesItself { path });
    }
    Ok(Some(layer))
}

/// `$XDG_DATA_HOME/tally`, or `~/.local/share/tally`.
fn usual_data_dir(environment: &BTreeMap<String, String>) -> Result<PathBuf, ConfigError> {
    let absolute = |name: &str| environment.get(name).map(Path::new).filter(|path| path.is_absolute());
    let share = absolute("XDG_DATA_HOME").map(Path::to_owned);
    let share = share.or_else(|| absolute("HOME").map(|home| home.join(".local").join("share")));
    Ok(share.ok_or(ConfigError::NoHome)?.join("tally"))
}

fn merge(layers: &[Layer], origins: &Origins) -> Result<Config, ConfigError> {
    let mut builder = ::config::Config::builder();
    for layer in layers {
        builder = builder.add_source(layer.clone());
    }
    builder
        .build()
        .and_then(::config::Config::try_deserialize)
        .map_err(|error| ConfigError::unfit(error, origins))
}

/// The tree that `text` is.
fn parse_toml(text: &str) -> Result<::config::Value, ::config::ConfigError> {
    ::config::Config::builder()
        .add_source(::config::File::from_str(text, FileFormat::Toml))
        .build()
        .map(|it| it.cache)
}
