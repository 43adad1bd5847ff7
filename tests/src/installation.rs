//! A data directory of a test's own, `tally up` on it, and its death.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value, json};
use tally_audit::{Findings, Verified};
use tally_clickhouse::{Database, Layout};
use tally_domain::WallTime;
use tally_domain::planted::Bug;

use crate::binary::{self, Build};
use crate::http;
use crate::ledger::{CLASSES, Event, Hours, Totals, WINDOWS};
use crate::volume::Volume;

/// How long a start may take on a busy machine.
const START_MAX: Duration = Duration::from_mins(3);
/// How long all that was taken may need to be published and archived.
const SETTLE_MAX: Duration = Duration::from_mins(5);
/// How long a child may outlive its parent.
const DEATH_MAX: Duration = Duration::from_secs(20);

/// Where an owner can be reached, by its `owner.json`.
#[derive(Clone, Debug)]
pub struct Owner {
    /// Process id.
    pub pid: u64,
    /// Control endpoints.
    pub control: String,
    /// Collector; empty where it runs none.
    pub collector: String,
    /// ClickHouse; empty where it knows none.
    pub clickhouse: String,
    /// Its database.
    pub database: String,
    /// The ranker's live board; empty where it runs none.
    pub ranker: String,
    /// Pages; empty where it serves none.
    pub web: String,
}

impl Owner {
    /// What stands in the `owner.json` of a data directory; none when nobody owns it.
    #[must_use]
    pub fn read(data: &Path) -> Option<Self> {
        let owner: Value = serde_json::from_slice(&fs::read(data.join("owner.json")).ok()?).ok()?;
        let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(Self {
            pid: owner.get("pid")?.as_u64()?,
            control: text("control"),
            collector: text("collector"),
            clickhouse: text("clickhouse"),
            database: text("database"),
            ranker: text("ranker"),
            web: text("web"),
        })
    }
}

/// Everything a test writes, gone with it.
#[derive(Debug)]
pub struct Installation {
    /// First, so that it is gone before the directory that it is mounted on.
    volume: Option<Volume>,
    root: tempfile::TempDir,
}

impl Installation {
    /// Empty.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn new() -> Result<Self> {
        Ok(Self { volume: None, root: tempfile::tempdir().context("making a directory")? })
    }

    /// Empty, with a data directory that is a volume of `mib` MiB.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn on_volume(mib: u32) -> Result<Self> {
        let installation = Self::new()?;
        let volume = Volume::on(&installation.data(), mib)?;
        Ok(Self { volume: Some(volume), ..installation })
    }

    /// The volume that its data directory is.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub const fn volume(&self) -> &Volume {
        self.volume.as_ref().expect("it was made on a volume")
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// Starts `tally up` with a clock that stands still at `clock_ms`; it is not waited for.
    ///
    /// # Errors
    /// When the binary cannot be built or started.
    pub fn spawn(&self, clock_ms: i64) -> Result<Up> {
        self.spawn_with(clock_ms, &[])
    }

    /// The same with settings, as variables of the environment.
    ///
    /// # Errors
    /// When the binary cannot be built or started.
    pub fn spawn_with(&self, clock_ms: i64, settings: &[(&str, &str)]) -> Result<Up> {
        self.start(self.command(clock_ms, &["up"])?, settings)
    }

    /// Starts a command that stays, by the system's clock, with settings as variables of the environment.
    ///
    /// # Errors
    /// When the binary cannot be built or started.
    pub fn spawn_command(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Result<Up> {
        self.start(self.command_for_people(arguments)?, settings)
    }

    /// The same of a program with a bug on purpose, one of those of `tally_domain::planted`.
    ///
    /// # Errors
    /// When the binary cannot be built or started.
    pub fn spawn_planted(&self, clock_ms: i64, bug: Bug) -> Result<Up> {
        let mut command = self.command_of(Build::Planted, &["up"])?;
        command.args(["--clock", &wall(clock_ms)?.to_string()]);
        self.start(command, &[("TALLY_PLANTED", bug.name())])
    }

    /// Runs a command on it to its end, by the system's clock.
    ///
    /// # Errors
    /// When the binary cannot be built or started.
    pub fn run(&self, arguments: &[&str]) -> Result<Answer> {
        Answer::of(&mut self.command_for_people(arguments)?)
    }

    /// The first lines of a command that does not end by itself; then it is ended.
    ///
    /// # Errors
    /// When the binary cannot be started, or writes no line any more.
    pub fn first_lines(&self, arguments: &[&str], count: usize) -> Result<Vec<String>> {
        let mut child = self.command_for_people(arguments)?.stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().context("its stdout is piped")?;
        let lines = BufReader::new(out).lines().take(count).collect::<std::io::Result<Vec<_>>>();
        child.kill()?;
        child.wait()?;
        Ok(lines?)
    }

    fn start(&self, mut command: Command, settings: &[(&str, &str)]) -> Result<Up> {
        let said = self.root.path().join("up.log");
        let file = File::options().create(true).append(true).open(&said)?;
        let child = command
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0)
            .spawn()
            .context("starting tally up")?;
        let data = self.volume.as_ref().map_or_else(|| self.data(), |volume| volume.seen().to_owned());
        Ok(Up { child, data, said })
    }

    /// A command on this data directory; it takes any free ports and says warnings only.
    ///
    /// # Errors
    /// When the binary cannot be built.
    pub fn command(&self, clock_ms: i64, arguments: &[&str]) -> Result<Command> {
        let mut command = self.command_for_people(arguments)?;
        command.args(["--clock", &wall(clock_ms)?.to_string()]);
        Ok(command)
    }

    /// The same by the system's clock.
    ///
    /// # Errors
    /// When the binary cannot be built.
    pub fn command_for_people(&self, arguments: &[&str]) -> Result<Command> {
        self.command_of(Build::Shipped, arguments)
    }

    fn command_of(&self, build: Build, arguments: &[&str]) -> Result<Command> {
        let program = binary::path(build)?;
        let mut command =
            self.volume.as_ref().map_or_else(|| Command::new(program), |volume| volume.within(program));
        without_settings(&mut command);
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(self.data())
            .env("TALLY__WEB__LISTEN", "127.0.0.1:0")
            .env("TALLY__COLLECTOR__LISTEN", "127.0.0.1:0")
            .env("TALLY__DIAGNOSTICS__FILTER", "warn")
            .env("USER", "ann");
        Ok(command)
    }

    /// The same with a clock that stands still.
    ///
    /// # Errors
    /// When the binary cannot be built or started.
    pub fn run_at(&self, clock_ms: i64, arguments: &[&str]) -> Result<Answer> {
        Answer::of(&mut self.command(clock_ms, arguments)?)
    }

    /// A file or directory beside the data directory.
    #[must_use]
    pub fn beside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}

/// Settings of the tests are none of Tally's, which refuses what it does not know; where the engine lies is.
fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TALLY_") && name != "TALLY_ENGINE_LIBRARY" {
            command.env_remove(name);
        }
    }
}

/// What a command came to.
#[derive(Clone, Debug)]
pub struct Answer {
    /// None when a signal ended it.
    pub code: Option<i32>,
    /// With `--json`, one object.
    pub stdout: String,
    /// Progress and diagnostics.
    pub stderr: String,
}

impl Answer {
    /// Runs `command` to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn of(command: &mut Command) -> Result<Self> {
        let output = command.stdin(Stdio::null()).output().context("starting tally")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }

    /// The object on stdout.
    ///
    /// # Errors
    /// When there is none; with what there is.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("{self:?}"))
    }
}

fn wall(ms: i64) -> Result<WallTime> {
    WallTime::from_ms(ms).with_context(|| format!("{ms} ms is no time of the years 1 to 9999"))
}

/// A process that may still be starting; killed when dropped.
#[derive(Debug)]
pub struct Up {
    child: Child,
    data: PathBuf,
    said: PathBuf,
}

impl Up {
    /// Waits until it says where it is and that it is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready in time; with what it said.
    pub fn ready(&mut self) -> Result<Owner> {
        let begun = Instant::now();
        while begun.elapsed() < START_MAX {
            if let Some(status) = self.child.try_wait()? {
                bail!("tally up ended with {status}: {}", self.said());
            }
            let owner = Owner::read(&self.data).filter(|owner| owner.pid == u64::from(self.child.id()));
            if let Some(owner) = owner
                && http::send(&owner.control, "GET", "/readyz", "").is_ok_and(|answer| answer.status == 200)
            {
                return Ok(owner);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("tally up was not ready after {START_MAX:?}: {}", self.said());
    }

    /// All that it and those before it wrote.
    #[must_use]
    pub fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// Ctrl-C; waits for its end, which must be a clean one.
    ///
    /// # Errors
    /// When it ends otherwise.
    pub fn interrupt(mut self) -> Result<()> {
        kill_process(process(self.id())?, Signal::INT).context("interrupting tally up")?;
        let ended = self.child.wait()?;
        ensure!(ended.success(), "tally up ended with {ended}: {}", self.said());
        Ok(())
    }

    /// Process ids of its children: its engine.
    #[must_use]
    pub fn children(&self) -> Vec<u32> {
        children_of(self.child.id()).into_iter().map(|(id, _)| id).collect()
    }

    /// SIGKILL to it alone: its engine must see to its own end. Waits for that.
    ///
    /// # Errors
    /// When a child outlives it.
    pub fn kill_alone(mut self) -> Result<()> {
        let children = children_of(self.child.id());
        self.child.kill()?;
        self.child.wait()?;
        gone(&children)
    }

    /// SIGKILL to it and its children at once.
    ///
    /// # Errors
    /// When one of them stays.
    pub fn kill_group(mut self) -> Result<()> {
        let children = children_of(self.child.id());
        kill_process_group(process(self.id())?, Signal::KILL).context("killing the process group")?;
        self.child.wait()?;
        gone(&children)
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            drop(process(self.id()).map(|group| kill_process_group(group, Signal::KILL)));
            drop(self.child.wait());
        }
    }
}

/// SIGKILL to a process.
///
/// # Errors
/// When there is none of that id.
pub fn kill(id: u32) -> Result<()> {
    kill_process(process(id)?, Signal::KILL).with_context(|| format!("killing process {id}"))
}

/// SIGSTOP to a process, and SIGCONT after a while.
///
/// # Errors
/// When there is none of that id.
pub fn freeze(id: u32, time: Duration) -> Result<()> {
    kill_process(process(id)?, Signal::STOP).with_context(|| format!("freezing process {id}"))?;
    std::thread::sleep(time);
    kill_process(process(id)?, Signal::CONT).with_context(|| format!("thawing process {id}"))
}

fn process(id: u32) -> Result<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw).context("a process id is a positive number")
}

/// State, parent and start of a process, by /proc.
fn stat(id: u32) -> Option<(char, u32, String)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in parentheses and may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.first()?.chars().next()?, fields.get(1)?.parse().ok()?, (*fields.get(19)?).to_owned()))
}

/// Process id and start of each child.
fn children_of(parent: u32) -> Vec<(u32, String)> {
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    let ids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    ids.filter_map(|id| stat(id).filter(|stat| stat.1 == parent).map(|stat| (id, stat.2))).collect()
}

fn gone(processes: &[(u32, String)]) -> Result<()> {
    let begun = Instant::now();
    for (id, started) in processes {
        while stat(*id).is_some_and(|(state, _, start)| state != 'Z' && start == *started) {
            ensure!(begun.elapsed() < DEATH_MAX, "process {id} outlives its parent by {DEATH_MAX:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}

/// Sends events to the collector; `Ok` only when all of them are acknowledged.
///
/// # Errors
/// When they are not.
pub fn post(owner: &Owner, batch: &[Event]) -> Result<()> {
    let events: Vec<Value> = batch.iter().map(Event::json).collect();
    let answer = http::send(&owner.collector, "POST", "/v1/usage", &json!({ "events": events }).to_string())?;
    ensure!(answer.status == 200, "posting: {} {}", answer.status, answer.body);
    let body: Value = serde_json::from_str(&answer.body)?;
    ensure!(body["accepted"] == json!(batch.len()), "posting {}: {body}", batch.len());
    Ok(())
}

/// Waits until everything acknowledged so far is published and archived.
///
/// # Errors
/// When that does not happen, or a part failed.
pub fn settle(owner: &Owner) -> Result<()> {
    let positions = http::send(&owner.control, "POST", "/v1/now", "")?;
    ensure!(positions.status == 200, "asking for now: {}", positions.body);
    let begun = Instant::now();
    let mut last = String::new();
    while begun.elapsed() < SETTLE_MAX {
        let settled = http::send(&owner.control, "POST", "/v1/settled?wait_ms=60000", &positions.body)?;
        let body: Value = serde_json::from_str(&settled.body)?;
        if body["behind"] == json!([]) && body["failures"] == json!([]) {
            return Ok(());
        }
        last = settled.body;
        // A failure is told at once; what it can, the installation mends by itself.
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("not settled: {last}")
}

/// Asks ClickHouse.
///
/// # Errors
/// What ClickHouse refuses, in its words.
pub fn sql(owner: &Owner, text: &str) -> Result<String> {
    let answer = http::send(&owner.clickhouse, "POST", &format!("/?database={}", owner.database), text)?;
    ensure!(answer.status == 200, "{text}: {}", answer.body);
    Ok(answer.body)
}

/// What is published, by tool.
///
/// # Errors
/// When ClickHouse refuses, or a tool belongs to two accounts.
pub fn published(owner: &Owner) -> Result<Totals> {
    let lanes = WINDOWS.iter().flat_map(|(window, _)| {
        CLASSES.iter().chain(&["requests"]).map(move |lane| format!("sum({lane}_{window})"))
    });
    let lanes: Vec<String> = lanes.collect();
    let text = format!(
        "SELECT tool, uniqExact(account), {} FROM {}.account_totals FINAL GROUP BY tool FORMAT TSV",
        lanes.join(", "),
        owner.database
    );
    let mut totals = Totals::new();
    for line in sql(owner, &text)?.lines() {
        let mut fields = line.split('\t');
        let tool = fields.next().unwrap_or_default().to_owned();
        ensure!(fields.next() == Some("1"), "{tool} belongs to several accounts: {line}");
        let windows: &mut [[i64; 7]; 4] = totals.entry(tool).or_default();
        for (lane, text) in windows.as_flattened_mut().iter_mut().zip(fields) {
            *lane = text.parse().with_context(|| line.to_owned())?;
        }
    }
    Ok(totals)
}

/// What is published of each hour that holds anything, by tool.
///
/// # Errors
/// When ClickHouse refuses.
pub fn published_hours(owner: &Owner) -> Result<Hours> {
    let lanes: Vec<String> = CLASSES.iter().chain(&["requests"]).map(|lane| format!("sum({lane})")).collect();
    let text = format!(
        "SELECT tool, toInt64(toUnixTimestamp(hour)) AS start, {} FROM {}.usage_hourly FINAL GROUP BY tool, start FORMAT TSV",
        lanes.join(", "),
        owner.database
    );
    let mut hours = Hours::new();
    for line in sql(owner, &text)?.lines() {
        let mut fields = line.split('\t');
        let tool = fields.next().unwrap_or_default().to_owned();
        let numbers =
            fields.map(str::parse).collect::<Result<Vec<i64>, _>>().with_context(|| line.to_owned())?;
        let [start, lanes @ ..] = numbers.as_slice() else { bail!("no hour: {line}") };
        hours.insert((tool, *start), lanes.try_into().with_context(|| line.to_owned())?);
    }
    hours.retain(|_, lanes| lanes.iter().any(|lane| *lane != 0));
    Ok(hours)
}

/// Tokens of 30 days by person, as the ranking says.
///
/// # Errors
/// When the command fails.
pub fn ranked(installation: &Installation, clock_ms: i64) -> Result<BTreeMap<String, i64>> {
    people(&installation.run_at(clock_ms, &["top", "--limit", "1000", "--json"])?)
}

/// Tokens by person, as `tally top --json` answered.
///
/// # Errors
/// When the command failed.
pub fn people(top: &Answer) -> Result<BTreeMap<String, i64>> {
    ensure!(top.code == Some(0), "tally top: {top:?}");
    let board = top.json()?;
    let rows = board["rows"].as_array().context("a board has rows")?;
    let row = |row: &Value| Some((row["person"].as_str()?.to_owned(), row["tokens"].as_i64()?));
    let people: Option<BTreeMap<String, i64>> = rows.iter().map(row).collect();
    let mut people = people.with_context(|| board.to_string())?;
    people.retain(|_, tokens| *tokens > 0);
    Ok(people)
}

/// Recounts everything from the archive.
///
/// # Errors
/// When it cannot be read, or does not reach what is published.
pub fn verify(owner: &Owner) -> Result<Findings> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let database = Database::new(&owner.clickhouse, None, Layout::new(&owner.database, "", None, 60)?);
    let begun = Instant::now();
    loop {
        match runtime.block_on(tally_audit::verify(&database, |_| ()))? {
            Verified::Done(findings) => return Ok(*findings),
            // What keeps the clock going has come in between.
            Verified::NotYet { .. } if begun.elapsed() < SETTLE_MAX => {
                std::thread::sleep(Duration::from_millis(200));
            }
            Verified::NotYet { waiting } => bail!("the archive is behind: {waiting:?}"),
        }
    }
}

/// A path of the real inputs, which lie beside the checkout; none where they are absent.
#[must_use]
pub fn shared(path: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let root = std::env::var_os("TALLY_SHARED_DATA").map_or(beside, PathBuf::from);
    Some(root.join(path)).filter(|path| path.exists())
}
