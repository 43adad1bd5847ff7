//! The engine that this crate's tests start.

use clap::Parser;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: clickhouse_embedded::EngineOptions,
}

fn main() {
    clickhouse_embedded::serve(&Cli::parse().options)
}
