//! One file per command.

mod config;
mod engine;
mod import;
mod me;
mod part;
mod rejects;
mod republish;
mod sql;
mod top;
mod up;
mod verify;
mod version;

use anyhow::Result;
use clap::Subcommand;
use tally_node::parts;

use crate::cli::Global;
use crate::exit::ExitStatus;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(up::Up),
    /// Take usage over HTTP and bring it to the log on Kafka
    ///
    /// One part of an installation whose parts meet on Kafka. Needs brokers and the installation's secret, and no
    /// ClickHouse. Any number of them may run; tools send to any. Nothing is answered before the brokers have it.
    #[command(after_help = "Examples:\n  \
        tally collect --kafka kafka:9092 --data-dir /srv/collect\n  \
        export TALLY__COLLECTOR__LISTEN=0.0.0.0:8081 TALLY__SECRET_FILE=/run/secrets/tally\n  \
        tally collect --kafka kafka:9092")]
    Collect(part::Part),
    /// Fold partitions of the log into totals and publish them to ClickHouse
    ///
    /// One part of an installation whose parts meet on Kafka. Aggregators of one group (kafka.group) share the
    /// partitions; when one ends, the others take over what it had. Each keeps its states in a data directory of its
    /// own. Two that fold one partition publish the same values, so nothing is counted twice.
    #[command(after_help = "Examples:\n  \
        export TALLY__CLICKHOUSE__URL=http://clickhouse:8123\n  \
        tally aggregate --kafka kafka:9092 --data-dir /srv/aggregate-1\n  \
        TALLY__KAFKA__GROUP= tally aggregate …     all partitions: a hot standby")]
    Aggregate(part::Part),
    /// Archive every raw event in ClickHouse, from which `tally verify` recounts
    ///
    /// One part of an installation whose parts meet on Kafka. Run one; it needs no state of its own, and goes on where
    /// ClickHouse says that the archive is.
    #[command(after_help = "Example:\n  \
        export TALLY__CLICKHOUSE__URL=http://clickhouse:8123\n  \
        tally audit --kafka kafka:9092 --data-dir /srv/audit")]
    Audit(part::Part),
    /// Rank people: the live board, and snapshots in ClickHouse
    ///
    /// One part of an installation whose parts meet on Kafka. Run one at a time. The web asks it for the live board:
    /// give it an address with ranker.listen, and name that to the web with web.ranker_url.
    #[command(after_help = "Example:\n  \
        export TALLY__RANKER__LISTEN=0.0.0.0:8082 TALLY__CLICKHOUSE__URL=http://clickhouse:8123\n  \
        tally rank --kafka kafka:9092 --data-dir /srv/rank")]
    Rank(part::Part),
    /// Serve the pages
    ///
    /// One part of an installation whose parts meet on Kafka. Any number of them may run. Without web.ranker_url the
    /// board is the newest ranking in ClickHouse instead of the live one.
    #[command(after_help = "Example:\n  \
        export TALLY__WEB__RANKER_URL=http://ranker:8082 TALLY__CLICKHOUSE__URL=http://clickhouse:8123\n  \
        tally web --kafka kafka:9092 --data-dir /srv/web")]
    Web(part::Part),
    Import(import::Import),
    Top(top::Top),
    Me(me::Me),
    Verify(verify::Verify),
    Rejects(rejects::Rejects),
    Republish(republish::Republish),
    Sql(sql::Sql),
    Config(config::Config),
    Engine(engine::Engine),
    Version(version::Version),
}

impl Command {
    pub(crate) fn run(&self, global: &Global) -> Result<ExitStatus> {
        match self {
            Command::Up(command) => command.run(global),
            Command::Collect(command) => command.run(global, &[parts::Part::Collect]),
            Command::Aggregate(command) => command.run(global, &[parts::Part::Aggregate]),
            Command::Audit(command) => command.run(global, &[parts::Part::Audit]),
            Command::Rank(command) => command.run(global, &[parts::Part::Rank]),
            Command::Web(command) => command.run(global, &[parts::Part::Web]),
            Command::Import(command) => command.run(global),
            Command::Top(command) => command.run(global),
            Command::Me(command) => command.run(global),
            Command::Verify(command) => command.run(global),
            Command::Rejects(command) => command.run(global),
            Command::Republish(command) => command.run(global),
            Command::Sql(command) => command.run(global),
            Command::Config(command) => command.run(global),
            Command::Engine(command) => command.run(global),
            Command::Version(command) => command.run(global),
        }
    }
}
