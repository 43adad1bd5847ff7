//! `tally collect`, `aggregate`, `audit`, `rank` and `web`: one part of an installation in a process of its own.

use anyhow::Result;
use clap::Args;
use tally_node::parts::{self, Takes};

use crate::cli::Global;
use crate::exit::ExitStatus;
use crate::serving::{self, OnKafka};
use crate::status;

/// What all of them have; what each is stands with its name.
#[derive(Debug, Args)]
pub(crate) struct Part {
    #[command(flatten)]
    on: OnKafka,
}

impl Part {
    pub(crate) fn run(&self, global: &Global, parts: &'static [parts::Part]) -> Result<ExitStatus> {
        let config = global.begin(self.on.flags())?;
        let node = serving::start(global, &config, Takes { parts, demo: None, stays: true })?;
        let interrupted = node.runtime().block_on(status::show_until_interrupted(&node, parts, None));
        status::stopping()?;
        node.stop();
        interrupted.map(|()| ExitStatus::Done)
    }
}
