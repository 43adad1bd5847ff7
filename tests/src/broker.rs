//! Apache Kafka as the tests run it: brokers of a test's own in KRaft mode, on free ports of this machine.
//!
//! A broker is a process of Java, stopped and killed by its id. One that outlives its test is killed by a guard: a
//! shell that waits for the end of a pipe which only the test holds.

use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::door::Door;

/// As `ops/kafka/pom.xml` has it.
const VERSION: &str = "4.4.0";
/// How long a start may take on a busy machine.
const START_MAX: Duration = Duration::from_mins(3);
/// How long an orderly stop may take.
const STOP_MAX: Duration = Duration::from_mins(1);
/// What a broker says when it serves.
const SERVES: &str = "Kafka Server started";
/// The listener for those who prove nothing.
const PLAIN: &str = "PLAINTEXT";
const MISSING: &str = "run `cargo xtask fetch`; it needs Java 17 and Maven: \
                       `apt-get install -y openjdk-17-jre-headless maven`";

/// What brokers a test wants.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// How many; 1 or 3.
    pub brokers: usize,
    /// Lines of `server.properties` besides those that every broker needs.
    pub settings: Vec<(String, String)>,
    /// Listeners besides the plain one: name and security protocol.
    pub listeners: Vec<(&'static str, &'static str)>,
    /// Arguments of `StorageTool format` besides those that every broker needs.
    pub format: Vec<String>,
    /// Clients of the plain listener come through a door: see [`Kafka::door`].
    pub behind_doors: bool,
}

/// Running brokers, ended with it. Their diagnostics stay when a test fails.
#[derive(Debug)]
pub struct Kafka {
    nodes: Vec<Node>,
    root: Option<tempfile::TempDir>,
}

#[derive(Debug)]
struct Node {
    dir: PathBuf,
    /// Port of each listener.
    ports: Vec<(&'static str, u16)>,
    /// Before the plain listener.
    door: Option<Door>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    java: Child,
    guard: Child,
}

impl Kafka {
    /// Formats storage and starts brokers; returns when all serve.
    ///
    /// # Errors
    /// When Java or the jars are missing, or a broker does not start: with the end of what it said.
    pub fn start(plan: &Plan) -> Result<Self> {
        let root = tempfile::tempdir().context("making a directory")?;
        let mut nodes = Vec::new();
        for index in 0..plan.brokers {
            let dir = root.path().join(format!("broker-{}", index + 1));
            fs::create_dir(&dir)?;
            let names = [PLAIN, "CONTROLLER"].into_iter().chain(plan.listeners.iter().map(|(name, _)| *name));
            let ports = free_ports(names)?;
            let mut node = Node { dir, ports, door: None, running: None };
            if plan.behind_doors {
                node.door = Some(Door::to(node.listener(PLAIN).parse()?)?);
            }
            nodes.push(node);
        }
        let mut kafka = Self { nodes, root: Some(root) };
        kafka.configure(plan)?;
        kafka.format(plan)?;
        for index in 0..plan.brokers {
            kafka.spawn(index)?;
        }
        for index in 0..plan.brokers {
            kafka.await_service(index)?;
        }
        Ok(kafka)
    }

    /// Where clients begin.
    #[must_use]
    pub fn brokers(&self) -> String {
        self.addresses(PLAIN)
    }

    /// The door before the first broker's plain listener.
    ///
    /// # Panics
    /// When the plan has none.
    #[must_use]
    pub fn door(&self) -> &Door {
        self.nodes.first().and_then(|node| node.door.as_ref()).expect("the plan puts brokers behind doors")
    }

    /// The addresses of one listener.
    #[must_use]
    pub fn addresses(&self, listener: &str) -> String {
        let of = |node: &Node| node.address(listener);
        self.nodes.iter().map(of).collect::<Vec<_>>().join(",")
    }

    /// Process id of a broker; none while it does not run.
    #[must_use]
    pub fn pid(&self, broker: i32) -> Option<u32> {
        let index = usize::try_from(broker - 1).ok()?;
        self.nodes.get(index)?.running.as_ref().map(|running| running.java.id())
    }

    /// SIGKILL, and waits for the end. Brokers are numbered from 1, as their ids are.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self, broker: i32) {
        let mut running = self.node(broker).running.take().expect("a broker that runs is killed");
        running.java.kill().expect("the process is ours");
        running.end();
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// When it does not end in time.
    ///
    /// # Panics
    /// When it does not run.
    pub fn stop(&mut self, broker: i32) -> Result<()> {
        let mut running = self.node(broker).running.take().expect("a broker that runs is stopped");
        let pid = Pid::from_child(&running.java);
        kill_process(pid, Signal::TERM).context("stopping a broker")?;
        let until = Instant::now() + STOP_MAX;
        while running.java.try_wait()?.is_none() {
            ensure!(Instant::now() < until, "a broker did not end within {STOP_MAX:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        running.end();
        Ok(())
    }

    /// Starts a broker again, on what it left, and waits until it serves.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_again(&mut self, broker: i32) -> Result<()> {
        let index = usize::try_from(broker - 1).context("brokers are numbered from 1")?;
        self.spawn(index)?;
        self.await_service(index)
    }

    fn node(&mut self, broker: i32) -> &mut Node {
        let index = usize::try_from(broker - 1).expect("brokers are numbered from 1");
        &mut self.nodes[index]
    }

    fn configure(&self, plan: &Plan) -> Result<()> {
        let controllers = self.addresses("CONTROLLER");
        let copies = plan.brokers;
        let in_sync = if copies > 1 { 2 } else { 1 };
        for (index, node) in self.nodes.iter().enumerate() {
            let each = |address: &dyn Fn(&str) -> String| {
                let one = |(name, _): &(&str, u16)| format!("{name}://{}", address(name));
                node.ports.iter().map(one).collect::<Vec<_>>().join(",")
            };
            let listeners = each(&|name| node.listener(name));
            let advertised = each(&|name| node.address(name));
            let mut protocols = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT".to_owned();
            for (name, protocol) in &plan.listeners {
                write!(protocols, ",{name}:{protocol}")?;
            }
            let mut text = format!(
                "process.roles=broker,controller\n\
                 node.id={}\n\
                 controller.quorum.bootstrap.servers={controllers}\n\
                 listeners={listeners}\n\
                 advertised.listeners={advertised}\n\
                 controller.listener.names=CONTROLLER\n\
                 inter.broker.listener.name=PLAINTEXT\n\
                 listener.security.protocol.map={protocols}\n\
                 log.dirs={}\n\
                 default.replication.factor={copies}\n\
                 offsets.topic.replication.factor={copies}\n\
                 offsets.topic.num.partitions=4\n\
                 transaction.state.log.replication.factor={copies}\n\
                 transaction.state.log.min.isr={in_sync}\n\
                 transaction.state.log.num.partitions=4\n\
                 share.coordinator.state.topic.replication.factor={copies}\n\
                 share.coordinator.state.topic.min.isr={in_sync}\n\
                 group.initial.rebalance.delay.ms=0\n\
                 broker.session.timeout.ms=3000\n\
                 broker.heartbeat.interval.ms=500\n\
                 auto.create.topics.enable=false\n",
                index + 1,
                node.dir.join("data").display(),
            );
            for (key, value) in &plan.settings {
                writeln!(text, "{key}={value}")?;
            }
            fs::write(node.dir.join("server.properties"), text)?;
        }
        Ok(())
    }

    /// All at once: each is a start of Java.
    fn format(&self, plan: &Plan) -> Result<()> {
        let voters: Vec<String> = self
            .nodes
            .iter()
            .enumerate()
            .map(|(index, node)| format!("{}@{}:{}", index + 1, node.address("CONTROLLER"), uuid(index + 1)))
            .collect();
        let mut formatting = Vec::new();
        for node in &self.nodes {
            let mut java = java("64m")?;
            java.arg("kafka.tools.StorageTool").args(["format", "-t", &uuid(100), "-c"]);
            java.arg(node.dir.join("server.properties")).args(&plan.format);
            if plan.brokers == 1 {
                java.arg("--standalone");
            } else {
                java.arg("--initial-controllers").arg(voters.join(","));
            }
            let said = node.diagnostics()?;
            let child = java.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said).spawn();
            formatting.push((node, child.context("starting java")?));
        }
        for (node, mut child) in formatting {
            let ended = child.wait()?;
            ensure!(
                ended.success(),
                "formatting a broker's storage ended with {ended}:\n{}",
                node.last_words()
            );
        }
        Ok(())
    }

    fn spawn(&mut self, index: usize) -> Result<()> {
        let node = &mut self.nodes[index];
        ensure!(node.running.is_none(), "broker {} runs already", index + 1);
        // What it said before would be taken for what it says now.
        let said = node.dir.join("broker.log");
        if said.exists() {
            fs::rename(&said, node.dir.join("broker.before.log"))?;
        }
        let said = node.diagnostics()?;
        let java = java("384m")?
            .arg("kafka.Kafka")
            .arg(node.dir.join("server.properties"))
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()
            .context("starting java")?;
        let guard = Command::new("sh")
            .args(["-c", "cat >/dev/null; kill -9 \"$1\" 2>/dev/null", "guard", &java.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("starting sh")?;
        node.running = Some(Running { java, guard });
        Ok(())
    }

    fn await_service(&mut self, index: usize) -> Result<()> {
        let node = &mut self.nodes[index];
        let until = Instant::now() + START_MAX;
        loop {
            let said = fs::read_to_string(node.dir.join("broker.log")).unwrap_or_default();
            if said.contains(SERVES) {
                return Ok(());
            }
            let running = node.running.as_mut().context("the broker was not started")?;
            if let Some(ended) = running.java.try_wait()? {
                bail!("broker {} ended with {ended}:\n{}", index + 1, node.last_words());
            }
            if Instant::now() > until {
                bail!("broker {} does not serve after {START_MAX:?}:\n{}", index + 1, node.last_words());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Kafka {
    #[expect(clippy::print_stderr, reason = "a test that fails says where to look")]
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some(mut running) = node.running.take() {
                drop(running.java.kill());
                running.end();
            }
        }
        if std::thread::panicking()
            && let Some(root) = self.root.take()
        {
            eprintln!("the brokers' files are kept in {}", root.keep().display());
        }
    }
}

impl Running {
    /// The guard goes before the process id may belong to another.
    fn end(&mut self) {
        drop(self.guard.kill());
        drop(self.guard.wait());
        drop(self.java.wait());
    }
}

impl Node {
    /// Where clients are to knock.
    fn address(&self, listener: &str) -> String {
        match &self.door {
            Some(door) if listener == PLAIN => door.address().to_string(),
            _ => self.listener(listener),
        }
    }

    /// Where the broker itself listens.
    fn listener(&self, listener: &str) -> String {
        let found = self.ports.iter().find(|(name, _)| *name == listener);
        let (_, port) = found.expect("the listener is in the plan");
        format!("127.0.0.1:{port}")
    }

    fn diagnostics(&self) -> Result<File> {
        let path = self.dir.join("broker.log");
        File::options().create(true).append(true).open(&path).with_context(|| path.display().to_string())
    }

    fn last_words(&self) -> String {
        let said = fs::read_to_string(self.dir.join("broker.log")).unwrap_or_default();
        let errors = said.lines().filter(|line| line.contains(" ERROR ") || line.contains("Exception"));
        let errors: Vec<&str> = errors.take(20).collect();
        let lines: Vec<&str> = said.lines().collect();
        format!("{}\n…\n{}", errors.join("\n"), lines[lines.len().saturating_sub(10)..].join("\n"))
    }
}

/// The jars of the broker: `TALLY_KAFKA_LIB`, or where `cargo xtask fetch` puts them.
fn library() -> Result<PathBuf> {
    let library = match env::var_os("TALLY_KAFKA_LIB").map(PathBuf::from) {
        Some(given) => given,
        None => cache()?.join("tally").join("kafka").join(VERSION),
    };
    ensure!(
        library.join(format!("kafka_2.13-{VERSION}.jar")).is_file(),
        "the Kafka tests found no broker in {}: {MISSING}",
        library.display()
    );
    Ok(library)
}

/// As `cargo xtask fetch` finds it.
fn cache() -> Result<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let of_home = || Some(Path::new(&env::var_os("HOME")?).join(".cache"));
    cache.or_else(of_home).context("no cache directory: set HOME")
}

/// A Java that knows the broker's jars; quick to start rather than quick in the end.
fn java(heap: &str) -> Result<Command> {
    let library = library()?;
    let found = Command::new("java").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    ensure!(found.is_ok_and(|found| found.success()), "the Kafka tests found no Java: {MISSING}");
    let mut java = Command::new("java");
    java.arg(format!("-Xmx{heap}"))
        .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-cp"])
        .arg(format!("{}/*", library.display()));
    Ok(java)
}

/// All held until all are known, so that no two are one.
fn free_ports(names: impl Iterator<Item = &'static str>) -> Result<Vec<(&'static str, u16)>> {
    let held: Vec<(&'static str, TcpListener)> = names
        .map(|name| Ok((name, TcpListener::bind("127.0.0.1:0").context("taking a free port")?)))
        .collect::<Result<_>>()?;
    held.iter().map(|(name, held)| Ok((*name, held.local_addr()?.port()))).collect()
}

/// A UUID as Kafka writes it: 16 bytes in base64, 22 letters.
fn uuid(number: usize) -> String {
    format!("Tally{number:016}A")
}
