//! Where pieces of the archive go: handed over without waiting, written by one thread, answered when polled.

use std::sync::{Arc, Mutex, PoisonError};

use tally_clickhouse::rows::{ArchiveProgressRecord, EventRecord, RejectRecord, RejectsProgressRecord};
use tally_clickhouse::{ClickHouseError, Database, Life, Writer};
use tally_domain::planted::{self, Bug};
use tally_domain::{Offset, Partition};

use crate::archive::{Archived, Chunk};
use crate::rejects::{Listed, RejectsChunk};

/// What is written as one.
#[derive(Clone, Debug)]
pub enum Piece {
    /// Of the usage log.
    Events(Chunk),
    /// Of the topic `rejects`.
    Rejects(RejectsChunk),
}

/// What goes into one table by one statement.
#[derive(Clone, Debug)]
pub enum Insert {
    /// Into `events`.
    Events(Vec<EventRecord>),
    /// Into `rejects`.
    Rejects(Vec<RejectRecord>),
    /// Into `archive_progress`.
    Archived(ArchiveProgressRecord),
    /// Into `rejects_progress`.
    Listed(RejectsProgressRecord),
}

/// How far a piece reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// In the usage log.
    Events(Archived),
    /// In the topic `rejects`.
    Rejects(Listed),
}

impl Piece {
    /// Where the archive stands once it is acknowledged.
    #[must_use]
    pub const fn reach(&self) -> Reach {
        match self {
            Self::Events(chunk) => Reach::Events(chunk.then),
            Self::Rejects(chunk) => Reach::Rejects(chunk.then),
        }
    }

    /// What is written, one after another: rows first, then the progress that speaks of them.
    #[must_use]
    pub fn inserts(self) -> Vec<Insert> {
        let mut inserts = match self {
            Self::Events(chunk) => {
                let progress = Insert::Archived(chunk.progress());
                vec![Insert::Events(chunk.events), Insert::Rejects(chunk.rejects), progress]
            }
            Self::Rejects(chunk) => {
                let progress = Insert::Listed(chunk.progress());
                vec![Insert::Rejects(chunk.rows), progress]
            }
        };
        if planted::is(Bug::ArchiveClaimsFirst) {
            inserts.reverse();
        }
        inserts
    }
}

/// What ClickHouse shows of the archive: from there on it is to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The server's.
    pub life: Life,
    /// What `archive_progress` says, partition by partition.
    pub archived: Vec<Archived>,
    /// What `rejects_progress` says, partition by partition.
    pub listed: Vec<Listed>,
}

impl Observed {
    /// How far the usage log is archived.
    pub(crate) fn archived(&self, partition: Partition) -> Archived {
        let known = self.archived.iter().find(|known| known.partition == partition);
        known.copied().unwrap_or_else(|| Archived::start(partition))
    }

    /// How far the rejects are listed.
    pub(crate) fn listed(&self, partition: Partition) -> Listed {
        let known = self.listed.iter().find(|known| known.partition == partition);
        known.copied().unwrap_or(Listed { partition, next: Offset::ZERO })
    }

    /// True when it shows less of any partition than `before` did.
    #[must_use]
    pub fn is_behind(&self, before: &Self) -> bool {
        let lost = |had: &Archived| self.archived(had.partition).next < had.next;
        let unlisted = |had: &Listed| self.listed(had.partition).next < had.next;
        before.archived.iter().any(lost) || before.listed.iter().any(unlisted)
    }
}

/// Takes pieces and says when they are durable; a piece that comes back is back-pressure.
pub trait ArchiveSink {
    /// Hands over a piece; gives it back when the sink has its hands full. It may be answered with `Ok`, and its
    /// progress may become visible, only if the server is in `life` from now until all of it is durable: of any other
    /// life it is not known what it holds.
    ///
    /// # Errors
    /// The piece itself.
    fn submit(&mut self, piece: Piece, life: Life) -> Result<(), Box<Piece>>;

    /// The next answer, in the order of submission; never waits. Every piece is answered.
    fn answered(&mut self) -> Option<Answer>;

    /// What ClickHouse newly showed since the last call, after it was away or lost something.
    fn observed(&mut self) -> Option<Observed>;
}

/// What became of a piece.
#[derive(Debug)]
pub struct Answer {
    /// How far it reaches.
    pub reach: Reach,
    /// `Ok`: its rows and its progress are acknowledged. Otherwise some rows may be in, which harms nothing: they are
    /// read again from what is contiguous.
    pub result: Result<(), ClickHouseError>,
}

/// Pieces that may wait; more are refused.
const WAITING_MAX: usize = 2;

/// Tells an archiver what ClickHouse shows; whoever looks at ClickHouse holds it.
#[derive(Clone, Debug, Default)]
pub struct Shown(Arc<Mutex<Option<Observed>>>);

impl Shown {
    /// It is taken at the archiver's next turn; what was shown before and not taken yet is older news.
    pub fn show(&self, observed: Observed) {
        // Replaced whole, so nobody sees half of it.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(observed);
    }

    fn take(&self) -> Option<Observed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// [`ArchiveSink`] over ClickHouse. Dropping it finishes what was taken.
#[derive(Debug)]
pub struct ArchiveWriter {
    writer: Writer<(Piece, Life), Answer>,
    shown: Shown,
}

impl ArchiveWriter {
    /// Starts the writing thread.
    ///
    /// # Errors
    /// When the operating system gives no thread, or no runtime can be made.
    pub fn start(database: Database) -> std::io::Result<Self> {
        let write = async |database: &Database, (piece, life): (Piece, Life)| Answer {
            reach: piece.reach(),
            result: write(database, piece, life).await,
        };
        let writer = Writer::start("archive-writer", database, WAITING_MAX, write)?;
        Ok(Self { writer, shown: Shown::default() })
    }

    /// The end by which it is told what ClickHouse shows.
    #[must_use]
    pub fn shown(&self) -> Shown {
        self.shown.clone()
    }
}

/// Each is acknowledged before the next is begun; progress is claimed in the life in which the archiver looked.
async fn write(database: &Database, piece: Piece, life: Life) -> Result<(), ClickHouseError> {
    for insert in piece.inserts() {
        match insert {
            Insert::Events(rows) => database.insert(rows.into_iter().map(Ok)).await.map(|_| ())?,
            Insert::Rejects(rows) => database.insert(rows.into_iter().map(Ok)).await.map(|_| ())?,
            Insert::Archived(progress) => database.claim(life, &[progress]).await?,
            Insert::Listed(progress) => database.claim(life, &[progress]).await?,
        }
    }
    Ok(())
}

impl ArchiveSink for ArchiveWriter {
    fn submit(&mut self, piece: Piece, life: Life) -> Result<(), Box<Piece>> {
        self.writer.submit((piece, life)).map_err(|(piece, _)| Box::new(piece))
    }

    fn answered(&mut self) -> Option<Answer> {
        self.writer.answered()
    }

    fn observed(&mut self) -> Option<Observed> {
        self.shown.take()
    }
}
