//! The engine's process for the tests of this crate: `Engine::spawn` runs it.

use clap::Parser;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    options: clickhouse_embedded::EngineOptions,
}

fn main() {
    clickhouse_embedded::serve(&Cli::parse().options)
}
