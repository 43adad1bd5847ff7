//! The tables of the archive, each of which keeps a row for each key, and the end of them that an archiver holds.

use super::{Fate, Shared, Watch, reset};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use tally_audit::{Answer, ArchiveSink, Archived, Insert, Listed, Observed, Piece};
use tally_clickhouse::Life;
use tally_clickhouse::rows::{
    ArchiveProgressRecord, EventRecord, RejectRecord, RejectTopic, RejectsProgressRecord,
};
use tally_domain::Partition;

/// As the table `rejects` has it: topic, incarnation, partition, place in the usage log, record key.
pub(crate) type RejectKey = (bool, u16, u16, u64, Vec<u8>);

/// What the audit writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Archive {
    /// By partition and offset.
    pub(crate) events: BTreeMap<(u16, u64), Rc<EventRecord>>,
    pub(crate) rejects: BTreeMap<RejectKey, Rc<RejectRecord>>,
    pub(crate) archived: BTreeMap<Partition, ArchiveProgressRecord>,
    pub(crate) listed: BTreeMap<Partition, RejectsProgressRecord>,
}

impl Archive {
    /// What whoever looks at the tables sees of the archive.
    fn observed(&self, life: u64) -> Observed {
        let archived = self.archived.values().map(Archived::of).collect();
        Observed { life: Life(life), archived, listed: self.listed.values().filter_map(Listed::of).collect() }
    }

    /// Takes an insert, or the later half of its rows.
    fn take(&mut self, insert: Insert, whole: bool, landed: &mut Vec<Rc<EventRecord>>) {
        let from = |rows: usize| if whole { 0 } else { rows / 2 };
        match insert {
            Insert::Events(rows) => {
                let from = from(rows.len());
                for row in rows.into_iter().skip(from).map(Rc::new) {
                    self.events.insert((row.partition, row.offset), Rc::clone(&row));
                    landed.push(row);
                }
            }
            Insert::Rejects(rows) => {
                let from = from(rows.len());
                rows.into_iter().skip(from).for_each(|row| self.reject(row));
            }
            Insert::Archived(row) if whole => {
                let held = self.archived.entry(Partition(row.partition)).or_insert(row);
                if row.version > held.version {
                    *held = row;
                }
            }
            Insert::Listed(row) if whole => {
                let held = self.listed.entry(Partition(row.partition)).or_insert(row);
                held.next = row.next.max(held.next);
            }
            Insert::Archived(_) | Insert::Listed(_) => {}
        }
    }

    fn reject(&mut self, row: RejectRecord) {
        let kept = row.topic == RejectTopic::Rejects;
        let place = if kept { 0 } else { row.offset };
        let key = (kept, row.incarnation, row.partition, place, row.record_key.clone());
        if self.rejects.get(&key).is_none_or(|held| held.offset <= row.offset) {
            self.rejects.insert(key, Rc::new(row));
        }
    }
}

/// A piece on its way.
#[derive(Debug)]
struct Flying {
    piece: Piece,
    /// The life of the server that it is for.
    life: Life,
    /// It was taken and answered before.
    again: bool,
}

/// What is on its way from one archiver, and what was answered.
#[derive(Debug, Default)]
struct Hands {
    flying: VecDeque<Flying>,
    answers: VecDeque<Answer>,
    is_refused: bool,
}

/// True for what the server takes in one life only.
const fn is_claim(insert: &Insert) -> bool {
    matches!(insert, Insert::Archived(_) | Insert::Listed(_))
}

/// The end that an archiver holds; the world holds it too.
#[derive(Clone, Debug)]
pub(crate) struct SimulatedArchive {
    server: Shared,
    hands: Rc<RefCell<Hands>>,
    watch: Rc<RefCell<Watch>>,
}

impl SimulatedArchive {
    /// Looks at the server first, as whoever opens an archiver does.
    pub(crate) fn open(server: &Shared, owner: u64) -> (Self, Observed) {
        let held = server.borrow();
        let watch = Watch { heard_of: held.life, unheard_turns: 0, late_turns: 11 + owner };
        let shown = held.tables.archive.observed(held.life);
        let watch = Rc::new(RefCell::new(watch));
        (Self { server: Rc::clone(server), hands: Rc::default(), watch }, shown)
    }

    /// True once after a piece was refused: the archiver leaves its lane alone for a while.
    pub(crate) fn take_refused(&self) -> bool {
        std::mem::take(&mut self.hands.borrow_mut().is_refused)
    }

    /// The oldest piece meets its fate; what is taken in part is cut within the insert of that number. Gives the
    /// events that are in; `None` when nothing is on its way.
    pub(crate) fn land(&self, fate: Fate, cut: usize) -> Option<Vec<Rc<EventRecord>>> {
        let mut hands = self.hands.borrow_mut();
        let Flying { piece, life, again } = hands.flying.pop_front()?;
        let mut server = self.server.borrow_mut();
        let is_its_life = life == Life(server.life);
        let (reach, inserts) = (piece.reach(), piece.clone().inserts());
        let whole = match fate {
            Fate::Refused => 0,
            Fate::TakenInPart => cut % inserts.len(),
            _ => inserts.len(),
        };
        let mut landed = vec![];
        let archive = &mut server.tables.archive;
        // A server in another life refuses the first claim, and nothing is sent after a refusal.
        let sent = |(_, insert): &(usize, Insert)| is_its_life || !is_claim(insert);
        for (nth, insert) in inserts.into_iter().enumerate().take_while(sent) {
            match nth.cmp(&whole) {
                std::cmp::Ordering::Less => archive.take(insert, true, &mut landed),
                std::cmp::Ordering::Equal if fate == Fate::TakenInPart => {
                    archive.take(insert, false, &mut landed);
                }
                _ => {}
            }
        }
        if fate == Fate::TakenTwice && !again {
            hands.flying.push_back(Flying { piece, life, again: true });
        }
        let result = match fate {
            _ if again => return Some(landed),
            Fate::TakenInSilence => return Some(landed),
            Fate::Taken | Fate::TakenTwice if is_its_life => Ok(()),
            _ => Err(reset("archiving")),
        };
        hands.is_refused |= result.is_err();
        hands.answers.push_back(Answer { reach, result });
        Some(landed)
    }
}

impl ArchiveSink for SimulatedArchive {
    fn submit(&mut self, piece: Piece, life: Life) -> Result<(), Box<Piece>> {
        let mut hands = self.hands.borrow_mut();
        if hands.flying.len() >= 2 {
            return Err(Box::new(piece));
        }
        hands.flying.push_back(Flying { piece, life, again: false });
        Ok(())
    }

    fn answered(&mut self) -> Option<Answer> {
        self.hands.borrow_mut().answers.pop_front()
    }

    fn observed(&mut self) -> Option<Observed> {
        let server = self.server.borrow();
        let hears = self.watch.borrow_mut().hears(server.life);
        hears.then(|| server.tables.archive.observed(server.life))
    }
}
