//! What a partition keeps, and the ways in which the fold's driver asks for it.
//!
//! ```text
//! event index  event key                → what the join and a reversal need     newest, by day of LogTime
//! slices       (minute, account, dims)  → usage                                 sum, until the longest window passed
//! hours        (hour, account, dims)    → usage                                 sum, 2 × index retention + 1 day
//! sessions     (account, session)       → first, last, usage                    newest, by day of LogTime
//! the fold's   its own keys             → its own rows                          newest, for ever
//! ```

mod codec;
mod moving;
mod recall;

use tally_disk::Disk;
use tally_domain::planted::{self, Bug};
use tally_domain::{
    LogTime, Usage, Window,
    published::{Rows, SessionRow},
};
use tally_fold::{
    Changes, DirtyRows, Due, DueKey, Fold, HourKey, Keyspace as FoldSpace, Origin, Restore, SessionChange,
    SessionId, Settings, Sweep,
};

use crate::{
    copy::Committed,
    engine::{Engine, Sizes},
    error::StoreError,
    keyspace::{Expiry, Keyspace, Merge},
    manifest::Manifest,
    merge::Merged,
};
use codec::Session;
use moving::Edge;

const INDEX: usize = 0;
const SLICES: usize = 1;
const HOURS: usize = 2;
const SESSIONS: usize = 3;
/// The fold's own keyspaces follow, in the order of their codes.
const FOLD: usize = 4;

/// Days beyond the index retention that an entry stays: what was accepted 5 minutes early may be repeated as
/// long as the retention says, and generations are whole days.
const TOLERANCE_DAYS: i32 = 1;

/// Tuning of a store; see `[store]` in `ops/tally.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// Bits of filter per key of the event index: 12 let 0.4 % of absent keys pass, per run.
    pub index_filter_bits: u32,
}

/// The atomic store of one partition.
#[derive(Debug)]
pub struct Store<D: Disk> {
    engine: Engine<D>,
    path: String,
    retention_days: i32,
    /// The window edges that slices cross: entering, then leaving each of [`Window::SLIDING`].
    edges: [Edge; 4],
    dirty: DirtyRows,
}

impl<D: Disk> Store<D> {
    /// The newest complete checkpoint in `dir`: the store, and the fold as it was, its next offset and outbox
    /// among it; no fold where nothing was ever committed.
    ///
    /// # Errors
    /// When the directory is held by another, damaged, or of an installation that is set otherwise.
    pub fn open(
        disk: &D,
        dir: &str,
        settings: Settings,
        tuning: StoreSettings,
    ) -> Result<(Self, Option<Fold>), StoreError> {
        let (engine, meta) = Engine::open(disk, dir, &keyspaces(tuning))?;
        let path = disk.show(dir);
        let fold = meta.map(|meta| restore(&engine, settings, &meta)).transpose();
        let fold = fold.map_err(|e| e.at(&path))?;
        let retention_days = i32::from(settings.acceptance.index_retention_days);
        let edges = std::array::from_fn(|_| Edge::default());
        Ok((Self { engine, path, retention_days, edges, dirty: DirtyRows::default() }, fold))
    }

    /// Where it lies, for messages.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Takes in what a batch did.
    ///
    /// # Errors
    /// When a session's earlier row cannot be read, or a sum leaves 64 bits.
    pub fn absorb(&mut self, changes: &Changes) -> Result<(), StoreError> {
        self.reach(changes.log_time);
        let oldest_slice = changes.clock.plus(1 - Window::LONGEST_MINUTES);
        self.engine.expire(SLICES, oldest_slice.0);
        for posting in &changes.postings {
            let usage = codec::usage(&posting.usage);
            if Changes::keeps_slice(changes.clock, posting.minute) {
                let key = codec::dated_key(posting.minute.0, posting.account, posting.dims);
                self.engine.put(SLICES, &key, &usage, 0)?;
            }
            let key = codec::dated_key(posting.minute.hour().0, posting.account, posting.dims);
            self.engine.put(HOURS, &key, &usage, 0)?;
        }
        let day = changes.log_time.minute().day().0;
        for seen in &changes.seen {
            self.engine.put(INDEX, seen.key.bytes(), &codec::report(&seen.report), day)?;
        }
        self.absorb_sessions(&changes.sessions, day)
    }

    /// Makes everything absorbed so far and the fold's state durable, in one switch: all or nothing.
    ///
    /// # Errors
    /// When the disk refuses. Nothing in memory is lost, and committing again is right.
    pub fn commit(&mut self, fold: &mut Fold) -> Result<(), StoreError> {
        if planted::is(Bug::CommitBeforeState) {
            self.engine.commit(&fold.meta())?;
        }
        self.dirty.clear();
        fold.drain_dirty(&mut self.dirty);
        for (space, key, value) in self.dirty.iter() {
            self.engine.put(FOLD + usize::from(space.code()), key, value, 0)?;
        }
        self.dirty.clear();
        if !planted::is(Bug::CommitBeforeState) {
            self.engine.commit(&fold.meta())?;
        }
        // Runs have changed: what the edges read ahead is no longer all that there is.
        self.edges.iter_mut().for_each(Edge::forget);
        Ok(())
    }

    /// Merges about `rows_max` rows of the runs, if there is anything to merge.
    ///
    /// # Errors
    /// When the disk refuses or a run is damaged; nothing is lost by it.
    pub fn merge(&mut self, rows_max: u64) -> Result<Merged, StoreError> {
        self.engine.merge(rows_max)
    }

    /// The present rows of those keys of `due` that the store holds: hours and sessions.
    ///
    /// # Errors
    /// When a run cannot be read or is damaged.
    pub fn fill(&self, fold: &Fold, due: &Due, into: &mut Rows) -> Result<(), StoreError> {
        into.version = due.version;
        let mut hours: Vec<_> = due.keys.iter().filter_map(hour_of).collect();
        hours.sort_unstable();
        hours.dedup();
        let bytes: Vec<_> =
            hours.iter().map(|hour| codec::dated_key(hour.hour.0, hour.account, hour.dims)).collect();
        let keys: Vec<&[u8]> = bytes.iter().map(<[u8; 12]>::as_slice).collect();
        for (hour, sum) in hours.iter().zip(self.engine.gather(HOURS, &keys)?) {
            let usage = sum.map_or(Usage::ZERO, |bytes| codec::read_usage(&bytes));
            into.hours.push(fold.hour_row(hour, usage));
        }
        let mut ids: Vec<_> = due.keys.iter().filter_map(session_of).collect();
        ids.sort_unstable();
        ids.dedup();
        for (id, session) in ids.iter().zip(self.sessions(&ids)?) {
            // A session whose life is over has no row left to say; what was published of it stays.
            if let Some(Session { first, last, usage }) = session {
                let row: SessionRow = fold.session_row(id, [first, last], usage);
                into.sessions.push(row);
            }
        }
        Ok(())
    }

    /// Where every key is being published anew and it is the store's turn: adds the next keys to `due`.
    ///
    /// # Errors
    /// When a run cannot be read or is damaged.
    pub fn walk(&self, due: &mut Due) -> Result<(), StoreError> {
        match due.sweep.map(|page| page.from) {
            Some(Sweep::Hours(after)) => {
                let after = after.map(|hour| codec::dated_key(hour.hour.0, hour.account, hour.dims));
                let keys =
                    self.engine.keys_after(HOURS, after.as_ref().map(<[u8; 12]>::as_slice), due.room)?;
                due.walked_hours(&keys.iter().map(|key| codec::read_hour_key(key)).collect::<Vec<_>>());
            }
            Some(Sweep::Sessions(after)) => {
                let after = after.as_ref().map(codec::session_key);
                let keys =
                    self.engine.keys_after(SESSIONS, after.as_ref().map(<[u8; 12]>::as_slice), due.room)?;
                due.walked_sessions(&keys.iter().map(|key| codec::read_session_key(key)).collect::<Vec<_>>());
            }
            _ => {}
        }
        Ok(())
    }

    /// The last committed state, to be copied; `None` where nothing was ever committed.
    ///
    /// # Errors
    /// When its files cannot be opened.
    pub fn committed(&self) -> Result<Option<Committed<D::File>>, StoreError> {
        self.engine.committed(|meta| Ok(origin(meta, &self.path)?.version))
    }

    /// Which state is committed in `dir`, without opening it; `None` where there is none.
    ///
    /// # Errors
    /// When its manifest cannot be read, is damaged, or of another layout.
    pub fn origin(disk: &D, dir: &str, tuning: StoreSettings) -> Result<Option<Origin>, StoreError> {
        let manifest = Manifest::load(&disk.at(dir), &keyspaces(tuning))?;
        manifest.map(|manifest| origin(&manifest.meta, &disk.show(dir))).transpose()
    }

    /// How much there is, for metrics and for whoever decides when to commit.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.engine.sizes()
    }

    /// LogTime has come here: what is older than its retention is gone, for every reader at once.
    fn reach(&mut self, log_time: LogTime) {
        let today = log_time.minute().day().0;
        let kept = if planted::is(Bug::ForgottenEarly) { 9 } else { self.retention_days };
        let oldest = today.saturating_sub(kept).saturating_sub(TOLERANCE_DAYS);
        self.engine.expire(INDEX, oldest);
        self.engine.expire(SESSIONS, oldest);
        let days = self.retention_days.saturating_mul(2).saturating_add(TOLERANCE_DAYS);
        self.engine.expire(HOURS, today.saturating_sub(days).saturating_mul(24));
    }

    /// A session's row is written whole: it lives as long as its last change, and so does all of it.
    fn absorb_sessions(&mut self, changes: &[SessionChange], day: i32) -> Result<(), StoreError> {
        let ids: Vec<_> =
            changes.iter().map(|c| SessionId { account: c.account, session: c.session }).collect();
        let before = self.sessions(&ids)?;
        for ((change, id), before) in changes.iter().zip(&ids).zip(before) {
            let key = codec::session_key(id);
            let Some(session) = Session::of(change).join(before) else {
                return Err(StoreError::Overflow { keyspace: "sessions", key: key.to_vec() });
            };
            self.engine.put(SESSIONS, &key, &session.bytes(), day)?;
        }
        Ok(())
    }

    /// The present rows of sessions, which are sorted.
    fn sessions(&self, ids: &[SessionId]) -> Result<Vec<Option<Session>>, StoreError> {
        let bytes: Vec<_> = ids.iter().map(codec::session_key).collect();
        let keys: Vec<&[u8]> = bytes.iter().map(<[u8; 12]>::as_slice).collect();
        let mut found = vec![None; keys.len()];
        self.engine.sweep(
            SESSIONS,
            &keys,
            |_| i32::MIN,
            |place, value| found[place] = Some(Session::read(value)),
        )?;
        Ok(found)
    }
}

fn hour_of(key: &DueKey) -> Option<HourKey> {
    if let DueKey::Hour(hour) = key { Some(*hour) } else { None }
}

fn session_of(key: &DueKey) -> Option<SessionId> {
    if let DueKey::Session(id) = key { Some(*id) } else { None }
}

fn keyspaces(tuning: StoreSettings) -> Vec<Keyspace> {
    let dated = |name| Keyspace {
        name,
        key_bytes: 12,
        value_bytes: Some(codec::USAGE_BYTES),
        merge: Merge::Sum,
        expiry: Expiry::Prefix,
        filter_bits: 0,
        uniform: false,
    };
    let by_day = |name, key_bytes, value_bytes, filter_bits, uniform| Keyspace {
        name,
        key_bytes,
        value_bytes: Some(value_bytes),
        merge: Merge::Newest,
        expiry: Expiry::Generation,
        filter_bits,
        uniform,
    };
    let folds = FoldSpace::ALL.map(|space| Keyspace {
        name: space.name(),
        key_bytes: fold_key_bytes(space),
        value_bytes: None,
        merge: Merge::Newest,
        expiry: Expiry::Never,
        filter_bits: 0,
        uniform: false,
    });
    let own = [
        by_day("index", 16, codec::REPORT_BYTES, tuning.index_filter_bits, true),
        dated("slices"),
        // Hours are asked for one by one, in runs that have other hours and in runs that have them not.
        Keyspace { filter_bits: 8, ..dated("hours") },
        by_day("sessions", 12, codec::SESSION_BYTES, 10, false),
    ];
    own.into_iter().chain(folds).collect()
}

fn fold_key_bytes(space: FoldSpace) -> usize {
    match space {
        FoldSpace::Accounts | FoldSpace::Dims | FoldSpace::Runs | FoldSpace::Producers => 4,
        FoldSpace::Totals => 8,
        FoldSpace::Receipts => 12,
    }
}

fn origin(meta: &[u8], path: &str) -> Result<Origin, StoreError> {
    Restore::origin_of(meta).map_err(|damaged| NotRestored::Fold(damaged.into()).at(path))
}

/// Why a state was not taken up: the store's reason, or the fold's.
enum NotRestored {
    Store(StoreError),
    Fold(tally_fold::RestoreError),
}

impl NotRestored {
    fn at(self, path: &str) -> StoreError {
        match self {
            Self::Store(e) => e,
            Self::Fold(source) => StoreError::Restore { path: path.to_owned(), source },
        }
    }
}

fn restore<D: Disk>(engine: &Engine<D>, settings: Settings, meta: &[u8]) -> Result<Fold, NotRestored> {
    let mut restore = Restore::begin(settings, meta).map_err(NotRestored::Fold)?;
    for space in FoldSpace::ALL {
        let mut refused = None;
        let half = planted::is(Bug::HalfRestored) && space == FoldSpace::Totals;
        let visit = |key: &[u8], value: &[u8]| {
            refused = restore.row(space, key, value).err();
            refused.is_none() && !half
        };
        engine.walk(FOLD + usize::from(space.code()), &[], visit).map_err(NotRestored::Store)?;
        if let Some(damaged) = refused {
            return Err(NotRestored::Fold(damaged.into()));
        }
    }
    Ok(restore.finish())
}

#[cfg(test)]
mod tests;
