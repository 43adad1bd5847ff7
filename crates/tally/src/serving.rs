//! A process that stays: it takes its data directory, runs its parts, says how they do, and stops cleanly.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;
use tally_node::clock::Clock;
use tally_node::config::{Config, Flag};
use tally_node::installation::{DataDir, InstallationError, Ownership};
use tally_node::parts::Takes;
use tally_node::supervise::Node;

use crate::cli::Global;
use crate::status;

/// How long to wait for a command that owns the data directory for a moment.
const SHORT_OWNER_WAIT: Duration = Duration::from_mins(2);

/// The log of a process that stays.
#[derive(Debug, Args)]
pub(crate) struct OnKafka {
    /// Keep the log on these Kafka brokers, comma-separated [setting: kafka.brokers]
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
}

impl OnKafka {
    /// As a setting.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let brokers = self.kafka.iter();
        brokers.map(|value| Flag { key: "kafka.brokers", flag: "--kafka", value: value.clone() }).collect()
    }
}

/// Starts the parts; they are announced when this returns.
pub(crate) fn start(global: &Global, config: &Config, takes: Takes) -> Result<Node> {
    let clock = global.clock.unwrap_or(Clock::System);
    let executable = std::env::current_exe().context("finding the path of this program")?;
    let ownership = own(config)?;
    let begun = Instant::now();
    let node = Node::start(ownership, config, clock, &executable, takes)?;
    status::started(&node, config, takes.parts, begun.elapsed())?;
    Ok(node)
}

/// Takes the data directory; a command that owns it for a moment is waited for.
fn own(config: &Config) -> Result<Ownership> {
    let dir = DataDir::new(&config.data_dir);
    let begun = Instant::now();
    let mut told = false;
    loop {
        match dir.own() {
            Ok(ownership) => return Ok(ownership),
            Err(InstallationError::InUse { owner, .. })
                if owner.as_ref().is_none_or(|owner| !owner.stays) && begun.elapsed() < SHORT_OWNER_WAIT =>
            {
                if !std::mem::replace(&mut told, true) {
                    status::waiting_for(owner.map(|owner| owner.pid))?;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            Err(error) => return Err(error.into()),
        }
    }
}
