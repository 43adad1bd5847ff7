//! Which partitions this process folds: a seat each, started and stopped while it runs, by one supervising thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tally_domain::Partition;
use tally_log::LogError;

use super::{Aggregators, run};
use crate::clock::Clock;
use crate::drive::{Next, Stop, follow};
use crate::shared::Shared;
use crate::supervise::StartError;

/// How often seats are looked after.
const EVERY: Duration = Duration::from_millis(100);

/// The seats of a process.
#[derive(Debug)]
pub struct Seats {
    making: Aggregators,
    clock: Clock,
    shared: Arc<Shared>,
    seated: BTreeMap<Partition, Seated>,
}

/// A partition that is being folded, or being let go of.
#[derive(Debug)]
struct Seated {
    stop: Stop,
    thread: JoinHandle<()>,
}

/// Opens every partition and drives them until `stop` is asked for; then each commits, and the thread ends.
///
/// # Errors
/// When a state and the log do not belong together, or either is damaged: each error says what to do.
pub fn start(
    making: Aggregators,
    clock: Clock,
    shared: &Arc<Shared>,
    stop: Stop,
) -> Result<JoinHandle<()>, StartError> {
    let all: Vec<Partition> = making.partitions.all().collect();
    let mut seats = Seats { making, clock, shared: Arc::clone(shared), seated: BTreeMap::new() };
    for partition in all {
        seats.seat(partition)?;
    }
    Ok(follow("aggregators", shared, (stop.clone(), EVERY), move || Ok::<_, LogError>(seats.turn(&stop)))?)
}

impl Seats {
    fn seat(&mut self, partition: Partition) -> Result<(), StartError> {
        let stop = Stop::default();
        let seat = self.making.open(partition)?;
        let thread = run(seat, self.clock, &self.shared, stop.clone())?;
        self.seated.insert(partition, Seated { stop, thread });
        Ok(())
    }

    fn turn(&mut self, stop: &Stop) -> Next {
        if !stop.is_asked() {
            return Next::Rest;
        }
        for seated in self.seated.values() {
            seated.stop.ask();
        }
        self.seated.retain(|_, seated| !seated.thread.is_finished());
        if self.seated.is_empty() { Next::End } else { Next::RestFor(Duration::from_millis(5)) }
    }
}
