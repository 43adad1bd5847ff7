//! Which partitions this process folds: a seat each, started and stopped while it runs, by one supervising thread.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tally_clickhouse::ClickHouseError;
use tally_domain::Partition;
use tally_log::LogError;
use tally_log_kafka::{Change, Membership};

use super::opening::Opening;
use super::{Aggregators, Seat, name, run};
use crate::clock::Clock;
use crate::drive::{Next, Stop, follow};
use crate::shared::Shared;
use crate::supervise::StartError;

/// How often seats are looked after.
const EVERY: Duration = Duration::from_millis(100);
/// How often a partition that does not open is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Shows the writer of rows what ClickHouse holds of a partition, before the partition publishes anything.
pub type Look = dyn Fn(Partition) -> Result<(), ClickHouseError> + Send;

/// A place in the group that shares the partitions.
pub struct Shares {
    /// The place.
    pub membership: Membership,
    /// See [`Look`].
    pub look: Box<Look>,
}

impl fmt::Debug for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shares").field("membership", &self.membership).finish_non_exhaustive()
    }
}

/// The seats of a process.
#[derive(Debug)]
struct Seats {
    making: Aggregators,
    clock: Clock,
    shared: Arc<Shared>,
    seated: BTreeMap<Partition, Seated>,
    /// Partitions that are to be opened.
    due: BTreeMap<Partition, Due>,
    /// Let go of while they were being opened: each holds its state until that is over.
    given_up: BTreeMap<Partition, Opening>,
}

/// How far a partition is that is to be opened.
#[derive(Debug)]
enum Due {
    /// Nothing is done before this instant.
    At(Instant),
    /// It is being opened.
    Opening(Opening),
}

/// A partition that is being folded, or let go of.
#[derive(Debug)]
struct Seated {
    stop: Stop,
    thread: JoinHandle<()>,
}

/// Drives partitions until `stop` is asked for; then each commits, and the thread ends. Without `shares` they are all
/// of them, and open when this returns; with it, those that the group gives.
///
/// # Errors
/// When a state and the log do not belong together, or either is damaged: each error says what to do.
pub fn start(
    making: Aggregators,
    shares: Option<Shares>,
    clock: Clock,
    shared: &Arc<Shared>,
    stop: Stop,
) -> Result<JoinHandle<()>, StartError> {
    let all: Vec<Partition> = making.partitions.all().collect();
    let mut seats = Seats {
        making,
        clock,
        shared: Arc::clone(shared),
        seated: BTreeMap::new(),
        due: BTreeMap::new(),
        given_up: BTreeMap::new(),
    };
    let Some(shares) = shares else {
        seats.open_all(&all)?;
        return Ok(follow("aggregators", shared, (stop.clone(), EVERY), move || {
            seats.open_due(&|_| Ok(()));
            Ok(seats.end_if(&stop))
        })?);
    };
    let mut sharing = Sharing { seats, shares, losing: BTreeSet::new() };
    Ok(follow("aggregators", shared, (stop.clone(), EVERY), move || sharing.turn(&stop))?)
}

impl Seats {
    /// Opens all of them. What cannot be opened now, but later, is due then.
    fn open_all(&mut self, all: &[Partition]) -> Result<(), StartError> {
        let opening = all.iter().map(|partition| Opening::begin(&self.making, *partition));
        let opening = opening.collect::<Result<Vec<Opening>, _>>()?;
        for (partition, opening) in all.iter().zip(opening) {
            match opening.seat().and_then(|seat| self.seat(*partition, seat)) {
                Err(error) if error.heals() => self.tell_later(*partition, &error),
                opened => opened?,
            }
        }
        Ok(())
    }

    fn seat(&mut self, partition: Partition, seat: Seat) -> Result<(), StartError> {
        let stop = Stop::default();
        let thread = run(seat, self.clock, &self.shared, stop.clone())?;
        self.seated.insert(partition, Seated { stop, thread });
        Ok(())
    }

    /// Asks all of them to end once that is asked for; the end is when all have.
    fn end_if(&mut self, stop: &Stop) -> Next {
        if !stop.is_asked() {
            return Next::Rest;
        }
        for seated in self.seated.values() {
            seated.stop.ask();
        }
        self.seated.retain(|_, seated| !seated.thread.is_finished());
        if self.seated.is_empty() { Next::End } else { Next::RestFor(Duration::from_millis(5)) }
    }

    fn let_go(&mut self, partition: Partition) {
        // That it could not be opened is another's matter now.
        if let Some(due) = self.due.remove(&partition) {
            self.shared.tell_recovered(&name(partition));
            if let Due::Opening(opening) = due {
                self.given_up.insert(partition, opening);
            }
        }
        if let Some(seated) = self.seated.get(&partition) {
            seated.stop.ask();
        }
    }

    /// Opens what is due; what does not open is told, and tried again.
    fn open_due(&mut self, look: &Look) {
        let now = Instant::now();
        self.given_up.retain(|_, opening| !opening.is_over());
        for (partition, due) in std::mem::take(&mut self.due) {
            match due {
                // One that is still being let go of is opened when that is done.
                Due::At(at) if at > now || self.is_let_go_of(partition) => {
                    self.due.insert(partition, due);
                }
                Due::At(_) => match self.begin(partition, look) {
                    Ok(opening) => drop(self.due.insert(partition, Due::Opening(opening))),
                    Err(error) => self.tell_later(partition, &error),
                },
                Due::Opening(opening) if !opening.is_over() => {
                    self.due.insert(partition, Due::Opening(opening));
                }
                Due::Opening(opening) => match opening.seat().and_then(|seat| self.seat(partition, seat)) {
                    Ok(()) => self.shared.tell_recovered(&name(partition)),
                    Err(error) => self.tell_later(partition, &error),
                },
            }
        }
    }

    fn is_let_go_of(&self, partition: Partition) -> bool {
        self.seated.contains_key(&partition) || self.given_up.contains_key(&partition)
    }

    fn begin(&self, partition: Partition, look: &Look) -> Result<Opening, StartError> {
        look(partition)?;
        Ok(Opening::begin(&self.making, partition)?)
    }

    /// Says why a partition is not open, and opens it later.
    fn tell_later(&mut self, partition: Partition, error: &StartError) {
        self.due.insert(partition, Due::At(Instant::now() + AGAIN));
        self.shared.tell_trouble(&name(partition), error.to_string());
    }
}

/// Seats that come and go as the group says.
#[derive(Debug)]
struct Sharing {
    seats: Seats,
    shares: Shares,
    /// What the group waits for.
    losing: BTreeSet<Partition>,
}

impl Sharing {
    fn turn(&mut self, stop: &Stop) -> Result<Next, LogError> {
        if stop.is_asked() {
            // The place in the group is kept for a while: whoever starts again soon takes up what it had.
            return Ok(self.seats.end_if(stop));
        }
        let told = self.shares.membership.turn().map(|changes| {
            for change in changes {
                self.change(change);
            }
        });
        self.reap();
        self.seats.open_due(&*self.shares.look);
        for status in self.seats.shared.partitions() {
            self.shares.membership.tell(status.partition, status.committed);
        }
        told.map(|()| Next::Rest)
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Gained(partitions) => {
                let now = Instant::now();
                self.seats.due.extend(partitions.into_iter().map(|partition| (partition, Due::At(now))));
            }
            Change::Losing(partitions) => {
                for partition in partitions {
                    self.seats.let_go(partition);
                    self.losing.insert(partition);
                }
            }
            // Somebody else has them already, who publishes the same values: there is no hurry, and no ceremony.
            Change::Lost(partitions) => {
                for partition in partitions {
                    self.seats.let_go(partition);
                    self.losing.remove(&partition);
                }
            }
        }
    }

    /// Forgets the seats that were let go of and have ended, and tells the group of those that it waits for.
    fn reap(&mut self) {
        let ended: Vec<Partition> = self
            .seats
            .seated
            .iter()
            .filter(|(_, seated)| seated.stop.is_asked() && seated.thread.is_finished())
            .map(|(partition, _)| *partition)
            .collect();
        for partition in ended {
            self.seats.seated.remove(&partition);
            self.seats.shared.forget_partition(partition);
            self.seats.shared.tell_recovered(&name(partition));
        }
        let seated = &self.seats.seated;
        let released: Vec<Partition> =
            self.losing.iter().copied().filter(|partition| !seated.contains_key(partition)).collect();
        if !released.is_empty() {
            self.shares.membership.released(&released);
            self.losing.retain(|partition| !released.contains(partition));
        }
    }
}
