//! `tally engine`: the child process in which ClickHouse runs.

use anyhow::Result;
use clap::Args;
use clickhouse_embedded::EngineOptions;

use crate::cli::Global;
use crate::exit::ExitStatus;

/// Run the ClickHouse engine of an installation; `tally up` starts it
#[derive(Debug, Args)]
#[command(hide = true)]
pub(crate) struct Engine {
    #[command(flatten)]
    options: EngineOptions,
}

impl Engine {
    pub(crate) fn run(&self, _global: &Global) -> Result<ExitStatus> {
        clickhouse_embedded::serve(&self.options)
    }
}
