//! Stands in for ClickHouse: tables that keep each key at its highest version, may be set back to an earlier
//! moment, and take what is on its way to them when the world says so.

pub(crate) mod archive;
pub(crate) mod standings;

use crate::shown::{Key, Value, flat};
use archive::Archive;
use standings::Standings;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use tally_aggregator::{Answer, Full, Observed, Sink, SinkError, Ticket};
use tally_clickhouse::error::Cause;
use tally_clickhouse::{ClickHouseError, Retry};
use tally_domain::published::{Progress, Rows};
use tally_domain::{Partition, Version};

/// What a reader sees.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    pub(crate) rows: BTreeMap<Key, (Version, Value)>,
    pub(crate) progress: BTreeMap<Partition, Progress>,
    pub(crate) archive: Archive,
    pub(crate) standings: Standings,
}

impl Tables {
    /// Up to where everything is in, as far as a partition has said so.
    pub(crate) fn claimed(&self, partition: Partition) -> Option<Version> {
        self.progress.get(&partition).map(|progress| progress.version)
    }
}

/// The server and its disk.
#[derive(Debug)]
pub(crate) struct ClickHouse {
    pub(crate) tables: Tables,
    /// The tables of an earlier moment, and when that was, ms.
    backup: Option<(Tables, i64)>,
    /// Counts the server's starts.
    pub(crate) life: u64,
}

/// A part turns fewer times than this before it hears that the server began another life.
const UNHEARD_TURNS_MAX: u64 = 40;

/// Who looks at the server for a part: now and then.
#[derive(Debug)]
struct Watch {
    /// The life of the server that the part has heard of; 0 before it heard of any.
    heard_of: u64,
    /// Turns since the server began another life.
    unheard_turns: u64,
    /// By how many turns the part hears later than others.
    late_turns: u64,
}

impl Watch {
    /// True when the part hears now that the server is in another life. Of the first it hears at once.
    const fn hears(&mut self, life: u64) -> bool {
        if life == self.heard_of {
            return false;
        }
        if self.heard_of != 0 && self.unheard_turns < (life * 7 + self.late_turns) % UNHEARD_TURNS_MAX {
            self.unheard_turns += 1;
            return false;
        }
        (self.heard_of, self.unheard_turns) = (life, 0);
        true
    }
}

pub(crate) type Shared = Rc<RefCell<ClickHouse>>;

/// What became of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Taken,
    /// Taken, and the answer says otherwise.
    TakenAndRefused,
    Refused,
    /// Some of its rows were taken, and not its progress.
    TakenInPart,
    /// Taken now, and once more later.
    TakenTwice,
    /// Taken, and no answer ever comes.
    TakenInSilence,
}

/// How much of a submission goes into the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Half,
    /// The server is in another life than it is for.
    AllButProgress,
    Whole,
}

/// What a publication put into the tables.
pub(crate) struct Landed {
    pub(crate) partition: Partition,
    pub(crate) version: Version,
    pub(crate) rows: Vec<(Key, Value)>,
    pub(crate) progress: Option<Version>,
}

impl ClickHouse {
    pub(crate) fn new() -> Shared {
        let server = Self { tables: Tables::default(), backup: None, life: 1 };
        Rc::new(RefCell::new(server))
    }

    pub(crate) fn back_up(&mut self, now: i64) {
        self.backup = Some((self.tables.clone(), now));
    }

    /// The server starts anew, with what it had.
    pub(crate) fn restart(&mut self) {
        self.life += 1;
    }

    /// The server starts anew, with the tables of an earlier moment if one was kept after `since`; true if so.
    pub(crate) fn set_back(&mut self, since: i64) -> bool {
        let Some((tables, _)) = self.backup.clone().filter(|(_, at)| *at >= since) else { return false };
        self.tables = tables;
        self.restart();
        true
    }

    /// A new topic begins: what was kept of the old one is no backup of it.
    pub(crate) fn forget_backup(&mut self) {
        self.backup = None;
    }

    fn take(&mut self, partition: Partition, rows: &Rows, part: Taken) -> Landed {
        let mut flat = flat(rows);
        if part == Taken::Half {
            flat.truncate(flat.len() / 2);
        }
        for (key, value) in &flat {
            let held = self.tables.rows.entry(key.clone()).or_default();
            if rows.version >= held.0 {
                *held = (rows.version, value.clone());
            }
        }
        let progress = rows.progress.first().filter(|_| part == Taken::Whole);
        if let Some(progress) = progress {
            let held = self.tables.progress.entry(partition).or_insert(*progress);
            if progress.version > held.version {
                *held = *progress;
            }
        }
        Landed { partition, version: rows.version, rows: flat, progress: progress.map(|it| it.version) }
    }
}

/// The end that one part holds.
#[derive(Debug)]
pub(crate) struct SimulatedSink {
    server: Shared,
    partition: Partition,
    next: u64,
    /// With the life of the server that each is for.
    flying: VecDeque<(Ticket, Rows, u64)>,
    answers: Vec<Answer>,
    watch: Watch,
}

impl SimulatedSink {
    pub(crate) fn new(server: &Shared, partition: Partition) -> Self {
        let server = Rc::clone(server);
        let (flying, answers) = (VecDeque::new(), vec![]);
        let watch = Watch { heard_of: 0, unheard_turns: 0, late_turns: partition.0.into() };
        Self { server, partition, next: 0, flying, answers, watch }
    }

    /// The oldest submission meets its fate. `None` when nothing is on its way.
    pub(crate) fn land(&mut self, fate: Fate) -> Option<Landed> {
        let (ticket, rows, life) = self.flying.pop_front()?;
        let mut server = self.server.borrow_mut();
        let is_its_life = life == server.life;
        let landed = match fate {
            Fate::Refused => None,
            Fate::TakenInPart => Some(server.take(self.partition, &rows, Taken::Half)),
            _ if is_its_life => Some(server.take(self.partition, &rows, Taken::Whole)),
            _ => Some(server.take(self.partition, &rows, Taken::AllButProgress)),
        };
        if fate == Fate::TakenTwice {
            self.flying.push_back((ticket, rows, life));
        }
        let result = match fate {
            Fate::TakenInSilence => return landed.or_else(|| Some(nothing(self.partition))),
            Fate::Taken | Fate::TakenTwice if is_its_life => Ok(()),
            _ => Err(SinkError("the connection was reset".into())),
        };
        self.answers.push(Answer { ticket, result });
        landed.or_else(|| Some(nothing(self.partition)))
    }
}

/// What a server says that breaks off.
fn reset(doing: &str) -> ClickHouseError {
    let cause = Cause::Answer("the connection was reset".to_owned());
    ClickHouseError { doing: doing.to_owned(), retry: Retry::Later, code: None, cause }
}

fn nothing(partition: Partition) -> Landed {
    Landed { partition, version: Version::ZERO, rows: vec![], progress: None }
}

impl Sink for SimulatedSink {
    fn submit(&mut self, rows: Rows, life: u64) -> Result<Ticket, Full> {
        if self.flying.len() >= 3 {
            return Err(Full(Box::new(rows)));
        }
        self.next += 1;
        self.flying.push_back((Ticket(self.next), rows, life));
        Ok(Ticket(self.next))
    }

    fn acknowledged(&mut self, into: &mut Vec<Answer>) {
        into.append(&mut self.answers);
    }

    fn observed(&mut self) -> Option<Observed> {
        let server = self.server.borrow();
        if !self.watch.hears(server.life) {
            return None;
        }
        let progress = server.tables.claimed(self.partition);
        Some(Observed { life: server.life, progress })
    }
}
