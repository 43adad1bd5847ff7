//! Where pieces of the archive go: handed over without waiting, written by one thread, answered when polled.

use tally_clickhouse::{ClickHouseError, Database, Writer};

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
}

/// Takes pieces and says when they are durable; a piece that comes back is back-pressure.
pub trait ArchiveSink {
    /// Hands over a piece; gives it back when the sink has its hands full.
    ///
    /// # Errors
    /// The piece itself.
    fn submit(&mut self, piece: Piece) -> Result<(), Box<Piece>>;

    /// The next answer, in the order of submission; never waits.
    fn answered(&mut self) -> Option<Answer>;
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

/// [`ArchiveSink`] over ClickHouse. Dropping it finishes what was taken.
#[derive(Debug)]
pub struct ArchiveWriter(Writer<Piece, Answer>);

impl ArchiveWriter {
    /// Starts the writing thread.
    ///
    /// # Errors
    /// When the operating system gives no thread, or no runtime can be made.
    pub fn start(database: Database) -> std::io::Result<Self> {
        let write = async |database: &Database, piece: Piece| Answer {
            reach: piece.reach(),
            result: write(database, piece).await,
        };
        Writer::start("archive-writer", database, WAITING_MAX, write).map(Self)
    }
}

/// Rows first, then the progress that speaks of them.
async fn write(database: &Database, piece: Piece) -> Result<(), ClickHouseError> {
    match piece {
        Piece::Events(chunk) => {
            let progress = chunk.progress();
            database.insert(chunk.events.into_iter().map(Ok)).await?;
            database.insert(chunk.rejects.into_iter().map(Ok)).await?;
            database.insert([Ok(progress)]).await.map(|_| ())
        }
        Piece::Rejects(chunk) => {
            let progress = chunk.progress();
            database.insert(chunk.rows.into_iter().map(Ok)).await?;
            database.insert([Ok(progress)]).await.map(|_| ())
        }
    }
}

impl ArchiveSink for ArchiveWriter {
    fn submit(&mut self, piece: Piece) -> Result<(), Box<Piece>> {
        self.0.submit(piece).map_err(Box::new)
    }

    fn answered(&mut self) -> Option<Answer> {
        self.0.answered()
    }
}
