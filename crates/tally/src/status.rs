//! What `tally up` says while it runs: where everything is, and on a terminal one line that keeps up to date.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tally_node::config::{Config, KafkaConfig};
use tally_node::control::StatusReport;
use tally_node::installation::Owner;
use tally_node::parts::Part;
use tally_node::roles::demo::DemoReport;
use tally_node::shared::Failure;
use tally_node::supervise::Node;

use crate::background::Background;

/// How often the line is drawn anew.
const EVERY: Duration = Duration::from_secs(1);
/// How often a line is written where there is no terminal, while something is being filled.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Everything is there.
pub(crate) fn started(node: &Node, config: &Config, parts: &[Part], took: Duration) -> Result<()> {
    let what = match parts {
        [part] => format!("tally {}", part.name()),
        _ => "Tally".to_owned(),
    };
    let text = format!(
        "{what} is up after {:.1} s\n{}  Ctrl-C stops it; starting again continues where it was\n",
        took.as_secs_f64(),
        places(node.owner(), &config.kafka)
    );
    write(&text)
}

/// Where everything is that this process has or uses, a line each.
fn places(owner: &Owner, kafka: &KafkaConfig) -> String {
    let on_kafka = !kafka.brokers.is_empty();
    let lines = [
        ("pages", owner.web.clone()),
        ("collector", owner.collector.as_ref().map(|url| format!("{url}/v1/usage"))),
        ("ranker", owner.ranker.clone().filter(|_| on_kafka)),
        ("ClickHouse", owner.clickhouse.as_ref().map(|url| format!("{url}/?database={}", owner.database))),
        ("metrics", Some(format!("{}/metrics", owner.control))),
        ("log", on_kafka.then(|| format!("Kafka at {}, topics {}*", kafka.brokers, kafka.prefix))),
    ];
    lines.into_iter().filter_map(|(name, place)| Some(format!("  {name:<10}  {}\n", place?))).collect()
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

/// This is the demo, and this is how to leave it.
pub(crate) fn demo(data_dir: &Path, instead: bool) -> Result<()> {
    let why = if instead {
        "No transcripts of Claude Code were found on this machine, so this is the demo"
    } else {
        "This is the demo"
    };
    say(&format!(
        "{why}: a simulated company, in {dir}\n  \
         to leave it: Ctrl-C, delete {dir} if you want it gone,\n  \
         and fill your own installation with tally up --import-found\n",
        dir = data_dir.display()
    ))
}

/// Says something once.
pub(crate) fn say(text: &str) -> Result<()> {
    write(text)
}

/// Draws the line until Ctrl-C, or a request to terminate.
pub(crate) async fn show_until_interrupted(
    node: &Node,
    parts: &[Part],
    import: Option<&Background>,
) -> Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .context("listening for a request to terminate")?;
    let mut shown = Shown { live: io::stderr().is_terminal(), ..Shown::default() };
    loop {
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => return interrupted.context("listening for Ctrl-C"),
            _ = terminate.recv() => return Ok(()),
            () = tokio::time::sleep(EVERY) => {}
        }
        let status = node.control().status();
        if let Some(result) = import.and_then(Background::result) {
            write(&format!("\r{result}\x1b[K\n"))?;
        }
        let doing = import.and_then(Background::doing).or_else(|| status.demo.and_then(filling));
        shown.show(&status, doing.as_deref(), parts)?;
    }
}

/// What was shown last.
#[derive(Debug, Default)]
struct Shown {
    live: bool,
    before: Option<(Instant, u64, u64)>,
    line: Option<Instant>,
    failures: Vec<Failure>,
}

impl Shown {
    fn show(&mut self, status: &StatusReport, doing: Option<&str>, parts: &[Part]) -> Result<()> {
        for failure in status.failures.iter().filter(|failure| !self.failures.contains(failure)) {
            let how = if failure.heals { "waits" } else { "stopped" };
            write(&format!("\n{} {how}: {}\n", failure.part, failure.message))?;
        }
        let is_over = |was: &&Failure| !status.failures.iter().any(|failure| failure.part == was.part);
        for failure in self.failures.iter().filter(is_over) {
            write(&format!("\n{} goes on\n", failure.part))?;
        }
        self.failures.clone_from(&status.failures);
        let now = Instant::now();
        let (read, taken) = (status.events_read, status.taken);
        let rates = self.before.map_or((0, 0), |(then, read_then, taken_then)| {
            let took = now - then;
            let rate = |count: u64, then| per_second(count.saturating_sub(then), took);
            (rate(read, read_then), rate(taken, taken_then))
        });
        self.before = Some((now, read, taken));
        if self.live {
            write(&format!("\r{}\x1b[K", line(status, rates, doing, parts)))
        } else if doing.is_some() && self.line.is_none_or(|line| now - line >= LINE_EVERY) {
            self.line = Some(now);
            write(&format!("{}\n", line(status, rates, doing, parts)))
        } else {
            Ok(())
        }
    }
}

fn per_second(events: u64, took: Duration) -> u64 {
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    events.saturating_mul(1_000) / ms
}

/// `rates`: events folded and records taken, per second.
fn line(status: &StatusReport, rates: (u64, u64), doing: Option<&str>, parts: &[Part]) -> String {
    let doing = doing.map(|doing| format!("{doing} · ")).unwrap_or_default();
    let of_part = match parts {
        [Part::Collect] => format!("{} records/s · {} records taken", rates.1, status.taken),
        [Part::Aggregate] => format!("{} · {}", folding(status, rates.0), partitions(status)),
        [Part::Audit] => format!("{} records archived", status.archived),
        [Part::Rank] => ranked(status.people, status.ranked_ms_ago),
        [Part::Web] => "serving".to_owned(),
        _ => {
            let ranked = ranked(status.people, status.ranked_ms_ago);
            format!("{} · {ranked} · {} MiB of state", folding(status, rates.0), status.memory_bytes >> 20)
        }
    };
    format!("{doing}{of_part}")
}

fn folding(status: &StatusReport, rate: u64) -> String {
    format!("{rate} events/s · {} events · lag {}", status.events_read, status.lag)
}

/// What an aggregator has of the log.
fn partitions(status: &StatusReport) -> String {
    let own = status.published.len();
    format!("{own} of {} partitions · {} MiB of state", status.partitions, status.memory_bytes >> 20)
}

/// Who is ranked, and since when if that was seen: a ranking from before the start has no age here.
fn ranked(people: u64, ms_ago: Option<u64>) -> String {
    let who = match (people, ms_ago) {
        (0, None) => return "not ranked yet".to_owned(),
        (0, Some(_)) => return "nobody to rank yet".to_owned(),
        (1, _) => "1 person".to_owned(),
        (people, _) => format!("{people} people"),
    };
    ms_ago.map_or_else(
        || format!("{who} ranked before the start"),
        |ms| format!("{who} ranked {} s ago", ms / 1_000),
    )
}

/// A bar, as long as the demo fills itself.
fn filling(demo: DemoReport) -> Option<String> {
    if demo.filled {
        return None;
    }
    // The number of events is known only roughly before they are made.
    let percent = (demo.sent.saturating_mul(100) / demo.expected.max(1)).min(99);
    let done = usize::try_from(percent / 10).unwrap_or(0);
    Some(format!("filling [{}{}] {percent} %", "█".repeat(done), "░".repeat(10_usize.saturating_sub(done))))
}

fn write(text: &str) -> Result<()> {
    io::stderr().write_all(text.as_bytes()).context("writing to stderr")
}

#[cfg(test)]
mod tests {
    use tally_node::parts::Takes;

    use super::*;

    #[test]
    fn the_line_says_what_goes_on() {
        let status = StatusReport {
            events_read: 1_200,
            lag: 3,
            people: 7,
            ranked_ms_ago: Some(4_200),
            ..StatusReport::default()
        };
        let rest = "1200 events · lag 3 · 7 people ranked 4 s ago · 0 MiB of state";
        let up = Takes::UP;
        assert_eq!(line(&status, (40, 0), None, up), format!("40 events/s · {rest}"));
        assert_eq!(line(&status, (40, 0), Some("doing"), up), format!("doing · 40 events/s · {rest}"));
        assert!(line(&StatusReport::default(), (0, 0), None, up).contains("not ranked yet"));
        assert_eq!(ranked(0, Some(10)), "nobody to rank yet", "an empty ranking is made, and says nothing");
        assert_eq!(ranked(1, Some(12_900)), "1 person ranked 12 s ago");
        assert_eq!(ranked(2_000, None), "2000 people ranked before the start");
        assert_eq!(per_second(500, Duration::from_millis(250)), 2_000);
    }

    #[test]
    fn each_part_says_what_is_its_own() {
        let status = StatusReport {
            events_read: 12,
            taken: 7,
            archived: 9,
            partitions: 64,
            published: [(tally_domain::Partition(3), tally_domain::Offset::ZERO)].into(),
            ..StatusReport::default()
        };
        let says = |part| line(&status, (2, 1), None, &[part]);
        assert_eq!(says(Part::Collect), "1 records/s · 7 records taken");
        assert_eq!(
            says(Part::Aggregate),
            "2 events/s · 12 events · lag 0 · 1 of 64 partitions · 0 MiB of state"
        );
        assert_eq!(says(Part::Audit), "9 records archived");
        assert_eq!((says(Part::Rank), says(Part::Web)), ("not ranked yet".to_owned(), "serving".to_owned()));
    }

    #[test]
    fn the_bar_is_full_only_when_all_is_there() {
        let demo = |sent, filled| filling(DemoReport { sent, expected: 100, filled });
        assert_eq!(demo(0, false).unwrap(), "filling [░░░░░░░░░░] 0 %");
        assert_eq!(demo(42, false).unwrap(), "filling [████░░░░░░] 42 %");
        assert_eq!(demo(107, false).unwrap(), "filling [█████████░] 99 %");
        assert_eq!(demo(107, true), None);
    }
}
