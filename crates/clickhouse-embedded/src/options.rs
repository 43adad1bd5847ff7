//! The options of one engine, as the parent gives them and the child reads them.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Enough to open the library and load many tables.
const START_MAX_SECS: u64 = 60;

/// What one engine needs. Flatten it into the command of the child; [`crate::Engine::spawn`] writes it out again.
#[derive(Clone, Debug, clap::Args)]
pub struct EngineOptions {
    /// The engine's library, libchdb.so
    #[arg(long, value_name = "FILE")]
    pub library: PathBuf,
    /// Where the engine keeps its tables; one engine at a time
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Address of the HTTP interface; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// The one user who may send statements; without it everyone may
    #[arg(long, value_name = "NAME", requires = "password")]
    pub user: Option<String>,
    /// Password of that user; read from the environment so that no process list shows it
    #[arg(long, value_name = "PASSWORD", env = "CLICKHOUSE_EMBEDDED_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// Seconds to wait for a dying predecessor to free the data directory
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub lock_wait_secs: u64,
    /// Seconds that running statements get to finish when the engine stops
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub drain_secs: u64,
    /// Statements that may run at once; more of them wait
    #[arg(long, value_name = "COUNT", default_value_t = 64)]
    pub max_statements: u16,
    /// A setting for every statement, such as `max_threads=2`; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub settings: Vec<String>,
    /// How long the parent waits for it to be ready, once nobody else holds the directory, in seconds.
    #[arg(skip = START_MAX_SECS)]
    pub start_max_secs: u64,
    /// End when standard input closes: how the child of a killed parent learns of it
    #[arg(long)]
    pub stop_with_stdin: bool,
}

impl EngineOptions {
    /// Options with every default: any free port on the loopback address, no user.
    #[must_use]
    pub fn new(library: PathBuf, data_dir: PathBuf) -> Self {
        Self {
            library,
            data_dir,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            user: None,
            password: None,
            lock_wait_secs: 10,
            drain_secs: 5,
            max_statements: 64,
            settings: Vec::new(),
            start_max_secs: START_MAX_SECS,
            stop_with_stdin: false,
        }
    }

    /// How long a start waits for the lock of the data directory.
    #[must_use]
    pub fn lock_wait(&self) -> Duration {
        Duration::from_secs(self.lock_wait_secs)
    }

    /// How long a parent waits for the child to be ready, the lock included.
    #[must_use]
    pub fn start_max(&self) -> Duration {
        self.lock_wait() + Duration::from_secs(self.start_max_secs)
    }

    /// How long running statements get when the engine stops.
    #[must_use]
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_secs)
    }

    /// The flags that give a child these options; the password goes by the environment instead.
    #[must_use]
    pub fn to_args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = Vec::new();
        let mut flag = |name: &str, value: OsString| args.extend([OsString::from(name), value]);
        flag("--library", self.library.clone().into());
        flag("--data-dir", self.data_dir.clone().into());
        flag("--listen", self.listen.to_string().into());
        flag("--lock-wait-secs", self.lock_wait_secs.to_string().into());
        flag("--drain-secs", self.drain_secs.to_string().into());
        flag("--max-statements", self.max_statements.to_string().into());
        if let Some(user) = &self.user {
            flag("--user", user.into());
        }
        self.settings.iter().for_each(|setting| flag("--set", setting.into()));
        if self.stop_with_stdin {
            args.push("--stop-with-stdin".into());
        }
        args
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: EngineOptions,
    }

    #[test]
    fn a_child_reads_what_the_parent_wrote() {
        let mut options = EngineOptions::new("/lib/x.so".into(), "/data dir".into());
        options.settings = vec!["max_threads=2".to_owned()];
        options.stop_with_stdin = true;
        let line = std::iter::once(OsString::from("engine")).chain(options.to_args());
        let read = Line::try_parse_from(line).expect("its own flags").options;
        assert_eq!(format!("{read:?}"), format!("{options:?}"));
    }
}
