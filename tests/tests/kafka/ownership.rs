//! Partitions over instances: shared, handed over, kept over a restart, taken from the dead, the frozen and the slow.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset as Position, TopicPartitionList};
use rustix::process::{Pid, Signal, kill_process};
use tally_domain::{Lane, Offset, Partition, Topic};
use tally_log::AppendLog;
use tally_log_kafka::{Change, Hints, KafkaConfig, KafkaLog, Membership};
use tally_tests::broker::{Kafka, Plan};
use tally_tests::door::Pass;

use super::config;

/// Where a child finds its brokers and its prefix.
const CHILD: &str = "TALLY_GROUP_TEST_CHILD";
const GROUP: &str = "aggregate";
/// So that two members have as many each.
const PARTITIONS: u16 = 4;
/// How long anything may take on a busy machine.
const WAIT_MAX: Duration = Duration::from_mins(1);
/// How long nothing is to happen: a handover that is not held up takes less.
const QUIET: Duration = Duration::from_secs(4);

#[test]
fn a_group_decides_who_owns_which_partition() {
    if let Some(place) = std::env::var_os(CHILD) {
        be_a_member(&place.into_string().unwrap());
    }
    // Sessions of a test are shorter than brokers like.
    let settings = vec![("group.min.session.timeout.ms".to_owned(), "1000".to_owned())];
    let mut kafka =
        Kafka::start(&Plan { brokers: 1, settings, behind_doors: true, ..Plan::default() }).unwrap();
    let patient = || of_four(kafka.brokers());
    let hasty = || KafkaConfig { session_timeout_ms: 3_000, release_timeout_ms: 4_000, ..patient() };
    members_share_what_there_is_and_one_that_leaves_gives_it_to_the_other(&patient());
    a_restart_within_the_session_moves_nothing(&patient());
    the_next_owner_waits_until_all_is_released(&patient());
    what_is_not_released_in_time_is_taken(&hasty());
    what_a_handover_cut_off_left_to_nobody_is_shared_again(&patient());
    the_dead_and_the_frozen_lose_what_they_had(&hasty());
    of_two_namesakes_the_first_is_told_what_to_do_and_comes_back(&patient());
    hints_for_lag_monitors_are_committed(&patient());
    brokers_that_are_gone_hold_nobody_up(&mut kafka);
}

fn of_four(brokers: String) -> KafkaConfig {
    KafkaConfig { partitions: PARTITIONS, ..config(brokers) }
}

/// One member as a test sees it.
struct Member {
    membership: Membership,
    mine: BTreeSet<Partition>,
    /// Keeps what is asked back.
    slow: bool,
}

/// Members that take turns one after the other, and what they were told.
struct Group {
    log: KafkaLog,
    members: BTreeMap<&'static str, Member>,
    told: Vec<(&'static str, Change)>,
}

impl Group {
    fn new(config: &KafkaConfig) -> Self {
        let (log, _) = KafkaLog::open(config.clone()).unwrap();
        Self { log, members: BTreeMap::new(), told: Vec::new() }
    }

    fn join(&mut self, name: &'static str) {
        let membership = self.log.join(GROUP, name).unwrap();
        let member = Member { membership, mine: BTreeSet::new(), slow: false };
        assert!(self.members.insert(name, member).is_none());
    }

    fn member(&mut self, name: &str) -> &mut Member {
        self.members.get_mut(name).unwrap()
    }

    fn mine(&self, name: &str) -> Vec<Partition> {
        self.members[name].mine.iter().copied().collect()
    }

    /// A turn of each; nothing may be in two hands after it.
    fn turn(&mut self) {
        for (name, member) in &mut self.members {
            for change in member.membership.turn().unwrap() {
                member.obey(&change);
                self.told.push((name, change));
            }
            assert!(member.mine.iter().copied().eq(member.membership.owned()));
        }
        let hands: Vec<Partition> = self.members.values().flat_map(|member| &member.mine).copied().collect();
        let partitions: BTreeSet<Partition> = hands.iter().copied().collect();
        assert_eq!(hands.len(), partitions.len(), "in two hands: {:?}", self.told);
        thread::sleep(Duration::from_millis(5));
    }

    /// Turns until it is so.
    fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) -> Duration {
        let from = Instant::now();
        while !done(self) {
            assert!(from.elapsed() < WAIT_MAX, "{what}: {:?}", self.told);
            self.turn();
        }
        from.elapsed()
    }

    /// Turns while nobody may be told anything.
    fn quiet(&mut self) {
        let (from, told) = (Instant::now(), self.told.len());
        while from.elapsed() < QUIET {
            self.turn();
        }
        assert_eq!(self.told[told..], [], "nothing moves");
    }

    /// Two members with half of the partitions each.
    fn of_two(config: &KafkaConfig) -> Self {
        let mut group = Self::new(config);
        group.join("a");
        group.until("a has all", |group| group.mine("a") == all());
        group.join("b");
        group.until("each has half", |group| {
            ["a", "b"].iter().all(|name| group.mine(name).len() == usize::from(PARTITIONS) / 2)
        });
        group
    }
}

impl Member {
    fn obey(&mut self, change: &Change) {
        match change {
            Change::Gained(gained) => self.mine.extend(gained),
            Change::Losing(_) if self.slow => {}
            Change::Losing(losing) => self.release(losing),
            Change::Lost(lost) => self.mine.retain(|mine| !lost.contains(mine)),
        }
    }

    fn release(&mut self, partitions: &[Partition]) {
        self.mine.retain(|mine| !partitions.contains(mine));
        self.membership.released(partitions);
    }
}

fn all() -> Vec<Partition> {
    (0..PARTITIONS).map(Partition).collect()
}

fn members_share_what_there_is_and_one_that_leaves_gives_it_to_the_other(config: &KafkaConfig) {
    let mut group = Group::of_two(config);
    // Records that nobody wants from a group: a turn that brought one would panic.
    let mut appender = group.log.appender();
    for partition in all() {
        let lane = Lane { topic: Topic::Usage, partition };
        appender.append(lane, b"k", Some(b"v")).unwrap();
    }
    let mut decided = Vec::new();
    group.until("the records are there", |_| {
        appender.wait(Duration::from_millis(5));
        appender.acknowledged(&mut decided);
        decided.len() == usize::from(PARTITIONS)
    });
    group.quiet();
    group.member("b").membership.leave();
    group.until("a has all again", |group| group.mine("a") == all());
    let left = |group: &Group| group.members["b"].membership.has_left().unwrap();
    group.until("b has left", left);
    assert!(!group.members["a"].membership.has_left().unwrap());
}

fn a_restart_within_the_session_moves_nothing(config: &KafkaConfig) {
    let mut group = Group::of_two(config);
    let had = group.mine("b");
    let told = group.told.len();
    drop(group.members.remove("b"));
    // Long enough for the others to hear of one that has left.
    group.quiet();
    group.join("b");
    group.until("b has what it had", |group| group.mine("b") == had);
    group.quiet();
    assert_eq!(group.told[told..], [("b", Change::Gained(had))]);
}

fn the_next_owner_waits_until_all_is_released(config: &KafkaConfig) {
    let mut group = Group::new(config);
    group.join("a");
    group.until("a has all", |group| group.mine("a") == all());
    group.member("a").slow = true;
    group.join("b");
    group.until("a is to let go", |group| matches!(group.told.last(), Some((_, Change::Losing(_)))));
    let Some((_, Change::Losing(losing))) = group.told.last().cloned() else { unreachable!() };
    assert_eq!(losing.len(), usize::from(PARTITIONS) / 2);
    let (first, rest) = losing.split_at(1);
    group.quiet();
    group.member("a").release(first);
    group.quiet();
    group.member("a").release(rest);
    let took = group.until("b has what a let go", |group| group.mine("b") == losing);
    assert!(took < QUIET, "it took {took:?}: that it did not move in {QUIET:?} says nothing");
    assert_eq!(group.told.len(), 3, "{:?}", group.told);
}

fn what_is_not_released_in_time_is_taken(config: &KafkaConfig) {
    let mut group = Group::new(config);
    group.join("a");
    group.until("a has all", |group| group.mine("a") == all());
    group.member("a").slow = true;
    group.join("b");
    group.until("a is to let go", |group| matches!(group.told.last(), Some((_, Change::Losing(_)))));
    let Some((_, Change::Losing(losing))) = group.told.last().cloned() else { unreachable!() };
    let took = group.until("b has it all the same", |group| group.mine("b") == losing);
    assert!(took >= Duration::from_secs(3), "its time is not shortened: {took:?}");
    assert_eq!(group.told[2..], [("a", Change::Lost(losing.clone())), ("b", Change::Gained(losing))]);
}

/// The owner ends between the two rounds of a handover, and is back at once under its name: for its brokers nothing
/// has happened, and none of them begins the second round.
fn what_a_handover_cut_off_left_to_nobody_is_shared_again(config: &KafkaConfig) {
    let prefix = format!("{}cut-off.", config.prefix);
    let mut group = Group::new(&KafkaConfig { prefix, release_timeout_ms: 2_000, ..config.clone() });
    group.join("a");
    group.until("a has all", |group| group.mine("a") == all());
    group.member("a").slow = true;
    group.join("b");
    group.until("a is asked for half", |group| {
        group.told.iter().any(|(name, change)| *name == "a" && matches!(change, Change::Losing(_)))
    });
    drop(group.members.remove("a"));
    group.join("a");
    group.until("everything is somebody's", |group| {
        [group.mine("a"), group.mine("b")].concat().into_iter().collect::<BTreeSet<_>>().into_iter().eq(all())
    });
}

fn the_dead_and_the_frozen_lose_what_they_had(config: &KafkaConfig) {
    let mut group = Group::new(config);
    let mut child = Process::start(config);
    child.expect("Gained([Partition(0), Partition(1)");
    group.join("a");
    group.until("they share", |group| group.mine("a").len() == usize::from(PARTITIONS) / 2);
    child.signal(Signal::STOP);
    let took = group.until("a has what the frozen one had", |group| group.mine("a") == all());
    println!("the frozen one lost its partitions after {took:?}");
    child.signal(Signal::CONT);
    child.expect("Lost(");
    child.expect("Gained(");
    group.until("they share again", |group| group.mine("a").len() == usize::from(PARTITIONS) / 2);
    child.child.kill().unwrap();
    let took = group.until("a has what the dead one had", |group| group.mine("a") == all());
    println!("the dead one lost its partitions after {took:?}");
}

fn of_two_namesakes_the_first_is_told_what_to_do_and_comes_back(config: &KafkaConfig) {
    let mut group = Group::new(config);
    group.join("a");
    group.until("a has all", |group| group.mine("a") == all());
    let Member { membership: mut first, .. } = group.members.remove("a").unwrap();
    group.join("a");
    group.until("its namesake has all", |group| group.mine("a") == all());
    let until = Instant::now() + WAIT_MAX;
    let mut told = Vec::new();
    let refused = loop {
        match first.turn() {
            Ok(changes) => told.extend(changes),
            Err(error) => break error.to_string(),
        }
        assert!(Instant::now() < until, "the first is fenced: {told:?}");
        group.turn();
    };
    assert_eq!(told, [Change::Lost(all())]);
    assert!(refused.contains("being a in the group") && refused.contains("two processes"), "{refused}");
    drop(group.members.remove("a"));
    while told.last() != Some(&Change::Gained(all())) {
        assert!(Instant::now() < until, "it joins again by itself: {told:?}");
        told.extend(first.turn().unwrap_or_default());
    }
    drop(first);
    group.quiet();
}

fn hints_for_lag_monitors_are_committed(config: &KafkaConfig) {
    let mut group = Group::of_two(config);
    let topic = config.topic(Topic::Usage);
    let monitor: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &config.brokers)
        .set("group.id", format!("{}{GROUP}", config.prefix))
        .create()
        .unwrap();
    let hint = |partition: Partition| {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(&topic, partition.0.into());
        let found = monitor.committed_offsets(asked, WAIT_MAX).unwrap();
        found.elements()[0].offset()
    };
    let (mine, other) = (group.mine("a")[0], group.mine("b")[0]);
    let (seven, nine) = (Offset::new(7).unwrap(), Offset::new(9).unwrap());
    group.member("a").membership.tell(mine, seven);
    group.until("the hint is there", |_| hint(mine) == Position::Offset(7));
    // One that is told just before the end is not lost.
    group.member("b").membership.tell(other, nine);
    group.member("b").membership.leave();
    group.until("a has all", |group| group.mine("a") == all());
    assert_eq!(hint(other), Position::Offset(9));
    for name in ["a", "b"] {
        assert_eq!(group.members[name].membership.hints(), Hints { sent: 1, failed: 0 });
    }
}

/// Nor do commits that wait for them: librdkafka ends no client before they are answered.
fn brokers_that_are_gone_hold_nobody_up(kafka: &mut Kafka) {
    let mut group = Group::of_two(&of_four(kafka.brokers()));
    kafka.door().set(Pass::Blocked);
    for name in ["a", "b"] {
        let own = group.mine(name)[0];
        group.member(name).membership.tell(own, Offset::ZERO);
    }
    group.quiet();
    kafka.kill(1);
    let from = Instant::now();
    drop(group);
    assert!(from.elapsed() < Duration::from_secs(30), "dropping took {:?}", from.elapsed());
    println!("members without brokers were dropped in {:?}", from.elapsed());
}

/// A member in a process of its own, which says what it is told.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(config: &KafkaConfig) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "ownership::a_group_decides_who_owns_which_partition", "--nocapture"])
            .env(CHILD, format!("{} {}", config.brokers, config.prefix))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, lines) = channel();
        let said = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || said.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { child, lines }
    }

    fn expect(&self, what: &str) {
        let until = Instant::now() + WAIT_MAX;
        loop {
            let line = self.lines.recv_timeout(until.saturating_duration_since(Instant::now()));
            if line.unwrap_or_else(|_| panic!("the child says {what}")).contains(what) {
                return;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The child: obeys until its parent is gone.
fn be_a_member(place: &str) -> ! {
    let (brokers, prefix) = place.split_once(' ').unwrap();
    let prefix = prefix.to_owned();
    let config = KafkaConfig {
        session_timeout_ms: 3_000,
        release_timeout_ms: 4_000,
        prefix,
        ..of_four(brokers.to_owned())
    };
    thread::spawn(|| {
        drop(std::io::stdin().read_to_end(&mut Vec::new()));
        std::process::exit(0);
    });
    let (log, _) = KafkaLog::open(config).unwrap();
    let membership = log.join(GROUP, "child").unwrap();
    let mut member = Member { membership, mine: BTreeSet::new(), slow: false };
    loop {
        for change in member.membership.turn().unwrap() {
            member.obey(&change);
            println!("{change:?}");
        }
        thread::sleep(Duration::from_millis(20));
    }
}
