//! Processor time and memory, of this thread, this process, and others.

use std::fs;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Ticks of `/proc` in a second, on every Linux that Rust supports.
const TICKS_PER_SECOND: u64 = 100;

/// Processor time that this thread has used.
#[must_use]
pub fn thread_cpu() -> Duration {
    clock(ClockId::ThreadCPUTime)
}

/// Processor time that this process has used.
#[must_use]
pub fn process_cpu() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Wall and processor time of what is done between [`Watch::start`] and [`Watch::stop`] on this thread.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    wall: Instant,
    cpu: Duration,
}

/// What a [`Watch`] saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took {
    /// By the wall clock.
    pub wall: Duration,
    /// On a processor.
    pub cpu: Duration,
}

impl Watch {
    /// Begins.
    #[must_use]
    pub fn start() -> Self {
        Self { wall: Instant::now(), cpu: thread_cpu() }
    }
    /// What was used since.
    #[must_use]
    pub fn stop(&self) -> Took {
        Took { wall: self.wall.elapsed(), cpu: thread_cpu().saturating_sub(self.cpu) }
    }
}

/// Nanoseconds of `time` for each of `events`.
#[must_use]
pub fn ns_per(time: Duration, events: u64) -> f64 {
    time.as_secs_f64() * 1e9 / real(events.max(1))
}

/// Events in a second.
#[must_use]
pub fn per_second(events: u64, time: Duration) -> f64 {
    real(events) / time.as_secs_f64().max(1e-9)
}

/// A count as a number to be shown.
#[must_use]
pub fn real(count: u64) -> f64 {
    // 32 bits at a time are exact; what is shown is rounded anyway.
    let (high, low) = (count >> 32, count & 0xffff_ffff);
    let exact = |half| u32::try_from(half).map_or(0.0, f64::from);
    exact(high).mul_add(4_294_967_296.0, exact(low))
}

/// The most memory that a process had at once, in bytes; 0 where the system does not say.
#[must_use]
pub fn peak_rss(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib =
        line.and_then(|rest| rest.trim().strip_suffix("kB")).and_then(|kib| kib.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Processor time that a process has used, all its threads together; zero where the system does not say.
#[must_use]
pub fn cpu_of(pid: u32) -> Duration {
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(Duration::ZERO, |stat| ticks(&stat))
}

/// Processor time of each of this process's threads that is alive, by name; threads that end in a number are one.
#[must_use]
pub fn threads_cpu() -> std::collections::BTreeMap<String, Duration> {
    let mut sums = std::collections::BTreeMap::new();
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return sums };
    for task in tasks.flatten() {
        let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let name = read("comm").trim().trim_end_matches(|c: char| c.is_ascii_digit()).trim_end().to_owned();
        *sums.entry(name).or_default() += ticks(&read("stat"));
    }
    sums
}

/// User and system time of a line of `/proc/…/stat`.
fn ticks(stat: &str) -> Duration {
    // The name stands in parentheses and may hold blanks; user and system time are fields 14 and 15.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let sum: u64 =
        rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(sum * 1_000 / TICKS_PER_SECOND)
}

/// Bytes of all files below a directory.
#[must_use]
pub fn bytes_below(dir: &std::path::Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_below(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
