//! `tally up --demo` as a person starts it: filled, ranked, named, recounted; and begun anew without counting twice.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tally_audit::Verified;
use tally_clickhouse::query::Page;
use tally_domain::{Board, Metric, Window};
use tally_node::attach::Attached;
use tally_node::clock::Clock;
use tally_node::config::{self, Flag, Sources};
use tally_node::control::StatusReport;
use tally_node::installation::DataDir;

/// No condition takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(3);
const PEOPLE: u64 = 50;

/// A running demo; killed when dropped.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.0.kill();
        let _status = self.0.wait();
    }
}

fn up(data_dir: &Path) -> Up {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tally"));
    command.args(["up", "--demo", "--clock", "2026-02-13T00:00:00Z", "--data-dir"]).arg(data_dir);
    for part in ["WEB", "COLLECTOR", "RANKER", "ADMIN"] {
        command.env(format!("TALLY__{part}__LISTEN"), "127.0.0.1:0");
    }
    command.env("TALLY__DEMO__COMPANY_PEOPLE", PEOPLE.to_string());
    command.env("TALLY__DEMO__HISTORY_DAYS", "3").env("TALLY__LOG__PARTITIONS", "2");
    Up(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
}

fn wait<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(met) = condition() {
            return met;
        }
        assert!(begun.elapsed() < PATIENCE, "waiting for {what} took longer than {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a demo shows once everything that it was filled with is published, archived and ranked.
#[derive(Debug, PartialEq, Eq)]
struct Board30 {
    /// Name, tokens, cost.
    lines: Vec<(String, i128, i128)>,
}

/// Looks at a running demo, by its control endpoints and ClickHouse.
fn look(running: &Up, data_dir: &Path) -> (Board30, StatusReport) {
    let dir = DataDir::new(data_dir);
    let _owner = wait("the owner", || dir.owner().filter(|owner| owner.pid == running.0.id()));
    let flag = Flag { key: "data_dir", flag: "--data-dir", value: data_dir.to_str().unwrap().to_owned() };
    let (config, _) = config::load(&Sources { flags: vec![flag], ..Sources::default() }).unwrap();
    let attached =
        Attached::to(&config, Clock::System, Path::new(env!("CARGO_BIN_EXE_tally")), false).unwrap();
    wait("the fill", || attached.status().unwrap().demo.filter(|demo| demo.filled));
    let now = attached.now().unwrap();
    let settled = attached.settle(&now, PATIENCE).unwrap();
    assert!(settled.behind.is_empty() && settled.failures.is_empty(), "{settled:?}");
    assert!(attached.snapshot(&now, PATIENCE).unwrap());
    let database = attached.database().unwrap();
    let (lines, verified) = attached.runtime().block_on(async {
        let head = database.newest_snapshot().await.unwrap().unwrap();
        let board = Board { window: Window::Days30, metric: Metric::Tokens };
        let lines = database.top(&head, board, Page { offset: 0, limit: 1_000 }).await.unwrap();
        (lines, tally_audit::verify(database, |_| {}).await.unwrap())
    });
    let findings = match verified {
        Verified::Done(findings) => Some(findings),
        // Everything was settled before.
        Verified::NotYet { .. } => None,
    };
    let findings = findings.unwrap();
    assert!(findings.differences.is_empty(), "{:?}", findings.differences);
    let lines = lines.into_iter().map(|line| (line.name, line.tokens, line.cost)).collect();
    (Board30 { lines }, attached.status().unwrap())
}

#[test]
fn the_demo_fills_ranks_names_and_recounts_and_begins_anew_without_counting_twice() {
    let temp = tempfile::tempdir().unwrap();
    let data_dir = temp.path().join("demo");
    let running = up(&data_dir);
    let (first, status) = look(&running, &data_dir);
    assert!(first.lines.len() > 40 && first.lines.len() <= 50, "{}", first.lines.len());
    assert!(first.lines.iter().all(|(name, tokens, _)| name.contains(' ') && *tokens >= 0), "{first:?}");
    let total: i128 = first.lines.iter().map(|(_, tokens, _)| tokens).sum();
    assert!(total > 1_000_000_000, "{total}");
    assert_eq!(status.verdicts["rejected"], 0);
    let fresh = status.verdicts["fresh"];
    drop(running);

    // Started again, it is what it was.
    let running = up(&data_dir);
    let (again, status) = look(&running, &data_dir);
    assert_eq!(again, first);
    assert_eq!(status.verdicts["fresh"], fresh);
    drop(running);

    // Killed before it had noted that all was sent, it sends all of it again, and nothing counts twice.
    let plan = data_dir.join("demo.json");
    let text = std::fs::read_to_string(&plan).unwrap();
    std::fs::write(&plan, text.replace("\"filled\": true", "\"filled\": false")).unwrap();
    let running = up(&data_dir);
    let (repeated, now) = look(&running, &data_dir);
    assert_eq!(repeated, first);
    assert_eq!(now.verdicts["fresh"], fresh);
    assert!(now.verdicts["duplicate"] > status.verdicts["duplicate"] + fresh / 2, "{now:?}");
}

#[test]
fn a_plan_that_cannot_be_read_says_what_to_do() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("demo.json"), "{}").unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_tally"))
        .args(["up", "--demo", "--data-dir"])
        .arg(temp.path())
        .envs(
            ["WEB", "COLLECTOR", "RANKER", "ADMIN"]
                .map(|part| (format!("TALLY__{part}__LISTEN"), "127.0.0.1:0")),
        )
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(4), "{text}");
    assert!(text.contains("demo.json") && text.contains("begin anew"), "{text}");
}
