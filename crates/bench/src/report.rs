//! What was measured, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use tally_aggregator::Status;
use tally_bench::ceilings::Ceilings;
use tally_bench::fill::{Filled, Plan};
use tally_bench::measure::{ns_per, per_second, real};
use tally_bench::steps::Folded;

use crate::catch_up::{Again, CaughtUp};

/// All runs of one call.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) runs: Vec<Measured>,
}

/// One run. Times per event are processor nanoseconds unless they say otherwise.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    plan: Plan,
    events: u64,
    accounts: u64,
    log_bytes: u64,
    /// Wall: folded, published and durable on this machine as it was, seconds.
    seconds: BTreeMap<&'static str, f64>,
    events_per_second: f64,
    /// What two cores would do if they did nothing else: 2 s / (processor time per event).
    events_per_second_two_cores: f64,
    /// The same with the engine's processor time.
    events_per_second_two_cores_with_engine: f64,
    cpu_ns_per_event: BTreeMap<String, f64>,
    step_ns_per_event: BTreeMap<String, f64>,
    floor_ns_per_event: BTreeMap<&'static str, f64>,
    /// All steps on one thread, in floors.
    times_floor: BTreeMap<&'static str, f64>,
    checkpoints: Checkpoints,
    memory_mib: BTreeMap<&'static str, f64>,
    restart_seconds: BTreeMap<&'static str, f64>,
    verdicts: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Default, Serialize)]
struct Checkpoints {
    count: u64,
    /// Of one partition; longest, milliseconds of processor time, in the pass by step.
    longest_cpu_ms: f64,
    mean_cpu_ms: f64,
    state_mib: f64,
}

impl Measured {
    pub(crate) fn of(
        plan: &Plan,
        filled: &Filled,
        ceilings: &Ceilings,
        caught_up: &CaughtUp,
        steps: Option<&Folded>,
        again: &Again,
        state_bytes: u64,
    ) -> Self {
        let events = caught_up.events;
        let ns = |time: Duration| ns_per(time, events);
        let floors = [
            ("plain read", ceilings.plain_read.cpu),
            ("plain read and copy", ceilings.copy.cpu),
            ("plain read and hash", ceilings.hash.cpu),
            ("log read", ceilings.log_read.cpu),
            ("log read and decode", ceilings.log_decode.cpu),
        ];
        let floor_ns_per_event: BTreeMap<_, _> = floors.map(|(name, time)| (name, ns(time))).into();
        let mut cpu_ns_per_event: BTreeMap<String, f64> =
            caught_up.threads.iter().map(|(name, time)| (name.clone(), ns(*time))).collect();
        cpu_ns_per_event.retain(|_, ns| *ns >= 0.5);
        let _none = cpu_ns_per_event.insert("process".to_owned(), ns(caught_up.cpu));
        let _none = cpu_ns_per_event.insert("engine".to_owned(), ns(caught_up.engine_cpu));
        let whole = steps.map_or(caught_up.cpu, |steps| steps.took.cpu);
        let times_floor = floor_ns_per_event.iter().map(|(name, floor)| (*name, ns(whole) / floor.max(1e-9)));
        let sum = |of: fn(&Status) -> usize| mib(caught_up.partitions.iter().map(of).sum());
        Self {
            plan: *plan,
            events,
            accounts: filled.accounts,
            log_bytes: ceilings.bytes,
            seconds: [
                ("folded", caught_up.folded.as_secs_f64()),
                ("published", caught_up.published.as_secs_f64()),
                ("durable", caught_up.durable.as_secs_f64()),
            ]
            .into(),
            events_per_second: per_second(events, caught_up.durable),
            events_per_second_two_cores: 2.0 * per_second(events, caught_up.cpu),
            events_per_second_two_cores_with_engine: 2.0
                * per_second(events, caught_up.cpu + caught_up.engine_cpu),
            cpu_ns_per_event,
            step_ns_per_event: by_step(steps),
            times_floor: times_floor.collect(),
            floor_ns_per_event,
            checkpoints: Checkpoints::of(caught_up, steps, state_bytes),
            memory_mib: [
                ("peak of the process", real(caught_up.peak) / MIB),
                ("peak of the engine", real(caught_up.engine_peak) / MIB),
                ("totals", sum(|it| it.memory.totals)),
                ("runs and receipts", sum(|it| it.memory.producers)),
                ("outbox", sum(|it| it.memory.outbox)),
                ("names", sum(|it| it.memory.names)),
                ("store", sum(|it| it.store_bytes)),
            ]
            .into(),
            restart_seconds: [
                ("log", again.log.as_secs_f64()),
                ("engine", again.engine.as_secs_f64()),
                ("state", again.state.as_secs_f64()),
            ]
            .into(),
            verdicts: verdicts(caught_up),
        }
    }
}

const MIB: f64 = 1_048_576.0;

fn mib(bytes: usize) -> f64 {
    real(u64::try_from(bytes).unwrap_or(u64::MAX)) / MIB
}

fn by_step(steps: Option<&Folded>) -> BTreeMap<String, f64> {
    let Some(folded) = steps else { return BTreeMap::new() };
    folded.steps.iter().map(|(name, step)| ((*name).to_owned(), ns_per(step.cpu, folded.events))).collect()
}

fn verdicts(caught_up: &CaughtUp) -> BTreeMap<&'static str, u64> {
    let sum = |of: fn(&Status) -> u64| caught_up.partitions.iter().map(of).sum();
    [
        ("read", sum(|it| it.counts.read)),
        ("fresh", sum(|it| it.counts.fresh)),
        ("revised", sum(|it| it.counts.revised)),
        ("duplicate", sum(|it| it.counts.duplicate)),
        ("rejected", sum(|it| it.counts.rejected)),
    ]
    .into()
}

impl Checkpoints {
    fn of(caught_up: &CaughtUp, steps: Option<&Folded>, state_bytes: u64) -> Self {
        let commit = steps.and_then(|steps| steps.steps.get("commit")).copied().unwrap_or_default();
        Self {
            count: caught_up.commits,
            longest_cpu_ms: commit.longest.as_secs_f64() * 1e3,
            mean_cpu_ms: commit.cpu.as_secs_f64() * 1e3 / real(commit.times.max(1)),
            state_mib: real(state_bytes) / MIB,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.runs.iter().try_for_each(|run| writeln!(f, "{run}"))
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, events, accounts, .. } = self;
        writeln!(f, "{:?} ids, {:?}: {events} events of {accounts} accounts", plan.ids, plan.arrival)?;
        writeln!(
            f,
            "  {:.0} events/s durable; {:.0} by processor time on two cores, {:.0} with the engine on them",
            self.events_per_second,
            self.events_per_second_two_cores,
            self.events_per_second_two_cores_with_engine
        )?;
        table(f, "wall, s", &self.seconds, 2)?;
        table(f, "processor, ns/event", &self.cpu_ns_per_event, 0)?;
        table(f, "by step, one thread, ns/event", &self.step_ns_per_event, 0)?;
        table(f, "floors, ns/event", &self.floor_ns_per_event, 0)?;
        table(f, "all steps, times the floor", &self.times_floor, 1)?;
        table(f, "memory, MiB", &self.memory_mib, 0)?;
        table(f, "starting again, s", &self.restart_seconds, 2)?;
        let Checkpoints { count, mean_cpu_ms, longest_cpu_ms, state_mib } = self.checkpoints;
        writeln!(
            f,
            "  checkpoints: {count}; {mean_cpu_ms:.0} ms of processor each, longest {longest_cpu_ms:.0}; state {state_mib:.0} MiB"
        )?;
        writeln!(f, "  verdicts: {:?}", self.verdicts)
    }
}

fn table<K: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    rows: &BTreeMap<K, f64>,
    digits: usize,
) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = rows.iter().map(|(key, value)| format!("{key} {value:.digits$}")).collect();
    writeln!(f, "  {name}: {}", rows.join(", "))
}
