//! Processor time by step: the spans that the parts open under their stems, added up.
//!
//! A span's time is its own: what a span inside it uses is counted there alone. Reading the thread's clock costs
//! something itself; [`clock_cost`] says how much, and it is taken off.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::measure::thread_cpu;

/// What was seen of one span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// How often it was entered.
    pub times: u64,
    /// Processor time of its own.
    pub cpu: Duration,
    /// The longest single time.
    pub longest: Duration,
}

/// Names, in the order in which they were first seen; a span's id is its name's place, from 1.
static NAMES: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
/// Whether all spans are wanted, or none.
static WANTED: AtomicU64 = AtomicU64::new(0);

/// What this thread is doing.
#[derive(Default)]
struct Doing {
    /// Open spans, each with its own time so far.
    open: Vec<(u64, Duration)>,
    /// When the clock was last read.
    last: Duration,
    steps: BTreeMap<u64, Step>,
}

thread_local! {
    static DOING: RefCell<Doing> = RefCell::default();
}

/// Adds spans up, and takes no events.
#[derive(Clone, Copy, Debug)]
pub struct Spans;

/// Makes [`Spans`] the process's subscriber; spans count from [`begin`] on.
///
/// # Errors
/// When there is one already.
pub fn install() -> Result<(), tracing::subscriber::SetGlobalDefaultError> {
    tracing::subscriber::set_global_default(Spans)
}

/// Forgets what this thread did and begins to count.
pub fn begin() {
    WANTED.store(1, Ordering::Relaxed);
    DOING.with_borrow_mut(|doing| *doing = Doing::default());
}

/// Stops counting; what this thread did since [`begin`], by name.
#[must_use]
pub fn end() -> BTreeMap<&'static str, Step> {
    WANTED.store(0, Ordering::Relaxed);
    let steps = DOING.with_borrow_mut(|doing| std::mem::take(&mut doing.steps));
    let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let named = |(id, step)| Some((*names.get(usize::try_from(id).ok()?.checked_sub(1)?)?, step));
    steps.into_iter().filter_map(named).collect()
}

/// What entering and leaving a span costs here, beside the work inside it.
#[must_use]
pub fn clock_cost() -> Duration {
    const TIMES: u32 = 100_000;
    let start = thread_cpu();
    for _ in 0..TIMES {
        std::hint::black_box((thread_cpu(), thread_cpu()));
    }
    thread_cpu().saturating_sub(start) / TIMES
}

impl Doing {
    /// Charges what passed since the clock was last read to the span at hand.
    fn charge(&mut self) {
        let now = thread_cpu();
        if let Some((_, own)) = self.open.last_mut() {
            *own += now.saturating_sub(self.last);
        }
        self.last = now;
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && WANTED.load(Ordering::Relaxed) > 0 && metadata.target().starts_with("tally")
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> tracing::subscriber::Interest {
        let ours = metadata.is_span() && metadata.target().starts_with("tally");
        if ours { tracing::subscriber::Interest::sometimes() } else { tracing::subscriber::Interest::never() }
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let name = span.metadata().name();
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        let place = names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        Id::from_u64(u64::try_from(place + 1).expect("there are a dozen spans"))
    }

    fn enter(&self, span: &Id) {
        DOING.with_borrow_mut(|doing| {
            doing.charge();
            doing.open.push((span.into_u64(), Duration::ZERO));
        });
    }

    fn exit(&self, span: &Id) {
        DOING.with_borrow_mut(|doing| {
            doing.charge();
            if let Some((id, own)) = doing.open.pop_if(|(id, _)| *id == span.into_u64()) {
                let step = doing.steps.entry(id).or_default();
                step.times += 1;
                step.cpu += own;
                step.longest = step.longest.max(own);
            }
        });
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn event(&self, _event: &Event<'_>) {}
}
