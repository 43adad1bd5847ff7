//! Reports one call of a model to Tally. Copy this into your tool.
//!
//! `cargo run -p tally-sdk --example report_usage -- http://127.0.0.1:8081 ann@example.com`
#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::time::Duration;
use std::{env, error};

use tally_sdk::{Client, Flushed, Usage};

fn main() -> Result<(), Box<dyn error::Error>> {
    let mut arguments = env::args().skip(1);
    let endpoint = arguments.next().unwrap_or_else(|| "http://127.0.0.1:8081".to_owned());
    let subject = arguments.next().unwrap_or_else(|| "ann@example.com".to_owned());

    // Once, when your tool starts. Nothing need be listening: what is recorded waits in the spool.
    let client = Client::builder()
        .endpoint(endpoint)
        .source("report-usage")
        .subject(subject)
        .client_version(env!("CARGO_PKG_VERSION"))
        .spool_dir(env::temp_dir().join("report-usage-tally"))
        .build()?;

    // After every call of a model: the numbers the provider answered with. This never waits.
    client.record(Usage {
        model: "claude-opus-4-6".to_owned(),
        input: 1_200,
        cache_read: 98_000,
        cache_write_5m: 2_400,
        output: 340,
        unsplit: 1, // Reasoning is inside output.
        session: Some("session-1".to_owned()),
        ..Usage::default()
    })?;

    // A tool that runs on need not do this: dropping the client flushes for a moment, and the rest is sent next time.
    match client.flush(Duration::from_secs(5)) {
        Flushed::Delivered => println!("delivered: {:?}", client.counts()),
        Flushed::Spooled => println!("nothing listens; spooled: {:?}", client.counts()),
        Flushed::Waiting => println!("still waiting: {:?}", client.counts()),
    }
    Ok(())
}
