//! `clickhouse-embedded`: the ClickHouse engine with ClickHouse's HTTP interface, from one library file.

use clap::Parser;
use clickhouse_embedded::{EngineOptions, serve};

/// Runs the ClickHouse engine (libchdb) behind ClickHouse's HTTP interface.
///
/// The first line on standard output is {"url":"http://127.0.0.1:PORT"} once the engine answers, or
/// {"error":"..."} if it could not start. It stops at Ctrl-C or SIGTERM; statements that run may finish.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:
  clickhouse-embedded --library libchdb.so --data-dir ./data --listen 127.0.0.1:8123
  curl 'http://127.0.0.1:8123/' --data 'SELECT version()'
  printf '1,a\\n2,b\\n' | curl --data-binary @- 'http://127.0.0.1:8123/?query=INSERT%20INTO%20t%20FORMAT%20CSV'

The library is in the npm package @chdb/lib-linux-x64-gnu, version 26.7.3-stable.1:
  npm pack @chdb/lib-linux-x64-gnu@26.7.3-stable.1 && tar xzf chdb-lib-*.tgz package/libchdb.so"
)]
struct Cli {
    #[command(flatten)]
    options: EngineOptions,
}

fn main() {
    serve(&Cli::parse().options)
}
