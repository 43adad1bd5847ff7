//! `tally top`.

use std::time::Duration;

use anyhow::Result;
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use tally_clickhouse::query::Page;
use tally_clickhouse::rows::minute_of;
use tally_domain::{Board, Metric, Window};
use tally_node::attach::Attached;

use crate::cli::Global;
use crate::exit::ExitStatus;
use crate::progress::{Progress, warn};
use crate::standing::{self, Newest};
use crate::{render, report};

/// Rank people by what they used
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tally top                                  the last 30 days, by tokens\n  \
    tally top --window 24h --by cost --limit 50\n  \
    tally top --json | jq -r '.rows[].person'")]
pub(crate) struct Top {
    #[command(flatten)]
    board: BoardArgs,
    /// How many people to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: u32,
}

/// Which board, and how fresh.
#[derive(Debug, Args)]
pub(crate) struct BoardArgs {
    /// Over which span
    #[arg(long, value_name = "WINDOW", value_enum, default_value_t = WindowArg::Days30)]
    window: WindowArg,
    /// By what
    #[arg(long, value_name = "METRIC", default_value = "tokens", value_parser = PossibleValuesParser::new(["tokens", "cost"]))]
    by: String,
    /// How long to wait for a ranking of everything that was sent until now
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) wait: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WindowArg {
    #[value(name = "24h")]
    Hours24,
    #[value(name = "7d")]
    Days7,
    #[value(name = "30d")]
    Days30,
    Lifetime,
}

impl BoardArgs {
    pub(crate) fn board(&self) -> Board {
        let window = match self.window {
            WindowArg::Hours24 => Window::Hours24,
            WindowArg::Days7 => Window::Days7,
            WindowArg::Days30 => Window::Days30,
            WindowArg::Lifetime => Window::Lifetime,
        };
        let metric = Metric::from_name(&self.by).expect("clap takes no other name");
        Board { metric, window }
    }

    /// The newest ranking; says on stderr when something that was sent is not in it yet.
    pub(crate) fn newest(&self, attached: &Attached) -> Result<(Newest, ExitStatus)> {
        let mut progress = Progress::start();
        let newest = standing::newest(attached, Duration::from_secs(self.wait), &mut progress)?;
        drop(progress);
        if newest.is_now {
            return Ok((newest, ExitStatus::Done));
        }
        warn(
            "not yet: some of what was sent is not ranked; ask again in a moment, or give more time with --wait SECONDS",
        );
        Ok((newest, ExitStatus::NotYet))
    }
}

impl Top {
    pub(crate) fn run(&self, global: &Global) -> Result<ExitStatus> {
        let (_, attached) = global.attach()?;
        let board = self.board.board();
        let (Newest { head, .. }, status) = self.board.newest(&attached)?;
        let mut report = report::Top {
            as_of: None,
            window: board.window.name(),
            by: board.metric.name(),
            people: 0,
            rows: Vec::new(),
        };
        if let Some(head) = head {
            let page = Page { offset: 0, limit: self.limit };
            let lines = attached.runtime().block_on(attached.database()?.top(&head, board, page))?;
            report.as_of = Some(report::instant(minute_of(head.as_of)));
            report.people = head.people;
            report.rows = lines.into_iter().map(report::Row::of).collect();
        }
        render::answer(global.json, &report, render::top)?;
        Ok(status)
    }
}
