//! What `tally up` says while it runs: where everything is, and on a terminal one line that keeps up to date.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tally_node::control::StatusReport;
use tally_node::installation::Owner;
use tally_node::supervise::Node;

/// How often the line is drawn anew.
const EVERY: Duration = Duration::from_secs(1);

/// Everything is there.
pub(crate) fn started(owner: &Owner, took: Duration) -> Result<()> {
    let pages = owner.web.as_deref().unwrap_or("not served");
    let text = format!(
        "Tally is up after {:.1} s\n  pages       {pages}\n  collector   {}/v1/usage\n  ClickHouse  {}/?database={}\n  \
         metrics     {}/metrics\n  Ctrl-C stops it; starting again continues where it was\n",
        took.as_secs_f64(),
        owner.collector,
        owner.clickhouse,
        owner.database,
        owner.control,
    );
    write(&text)
}

/// Another process owns the directory for a moment.
pub(crate) fn waiting_for(pid: Option<u32>) -> Result<()> {
    let who = pid.map_or_else(|| "another command".to_owned(), |pid| format!("process {pid}"));
    write(&format!("waiting for {who} to be done with this data directory …\n"))
}

/// The end has begun.
pub(crate) fn stopping() -> Result<()> {
    write("\nstopping: everything taken is being counted and kept …\n")
}

/// Draws the line until Ctrl-C, or a request to terminate.
pub(crate) async fn show_until_interrupted(node: &Node) -> Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .context("listening for a request to terminate")?;
    let live = io::stderr().is_terminal();
    let mut before: Option<(Instant, u64)> = None;
    let mut told_failures = 0;
    loop {
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => return interrupted.context("listening for Ctrl-C"),
            _ = terminate.recv() => return Ok(()),
            () = tokio::time::sleep(EVERY) => {}
        }
        let status = node.control().status();
        for failure in status.failures.iter().skip(told_failures) {
            write(&format!("\n{} stopped: {}\n", failure.part, failure.message))?;
        }
        told_failures = status.failures.len();
        if live {
            let now = Instant::now();
            let rate = before
                .map_or(0, |(then, read)| per_second(status.events_read.saturating_sub(read), now - then));
            before = Some((now, status.events_read));
            write(&format!("\r{}\x1b[K", line(&status, rate)))?;
        }
    }
}

fn per_second(events: u64, took: Duration) -> u64 {
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    events.saturating_mul(1_000) / ms
}

fn line(status: &StatusReport, rate: u64) -> String {
    format!(
        "{rate} events/s · {} events · lag {} · {} accounts · {} rows to publish · {} MiB of state",
        status.events_read,
        status.lag,
        status.accounts,
        status.pending_rows,
        status.memory_bytes >> 20,
    )
}

fn write(text: &str) -> Result<()> {
    io::stderr().write_all(text.as_bytes()).context("writing to stderr")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_goes_on() {
        let status = StatusReport { events_read: 1_200, lag: 3, accounts: 7, ..StatusReport::default() };
        assert_eq!(
            line(&status, 40),
            "40 events/s · 1200 events · lag 3 · 7 accounts · 0 rows to publish · 0 MiB of state"
        );
        assert_eq!(per_second(500, Duration::from_millis(250)), 2_000);
    }
}
