//! The part: one `turn` reads a piece of a file, or sends a batch.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tally_domain::Sequence;
use tally_sources::table::{MappingError, Rows};
use tally_sources::{Found, SourceEvent, SourceReject};
use tally_telemetry::emit;

use crate::client::{Answer, Attempt, Client, ClientError, Item, KeptLine, Sender};
use crate::config::{Import, Origin};
use crate::drive::Told;
use crate::file::{More, Open};
use crate::occurrence::{BatchDeferred, BatchImported};
use crate::outcome::{Outcome, Progress, Sample, Unreadable, Warning};
use crate::positions::{Position, Positions};
use crate::reading::Reading;
use crate::walk::walk;

/// How often a follower looks for more.
const POLL: Duration = Duration::from_millis(500);
/// How often positions are written while an import goes on.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// Why an import cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The collector.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The collector did not take anything for as long as the import may wait.
    #[error(
        "{cause}; waited {waited_s} seconds for it. What it acknowledged is kept: run the import again when it answers, nothing is counted twice"
    )]
    Patience {
        /// How long.
        waited_s: u64,
        /// What it said in the end.
        cause: ClientError,
    },
    /// Whoever looks on knows that waiting is of no use.
    #[error("{0}")]
    Gone(String),
    /// The mapping and the table do not fit.
    #[error("{path}: {cause}")]
    Mapping {
        /// The table.
        path: PathBuf,
        /// What does not fit.
        cause: MappingError,
    },
    /// There is nothing to read, anywhere.
    #[error(
        "importing from {roots}: nothing there can be read: {cause}; name a directory of transcripts or a file"
    )]
    NothingReadable {
        /// Where it looked.
        roots: String,
        /// What the system said of the first.
        cause: String,
    },
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Turn {
    /// Come again at once.
    Worked,
    /// Come again after this time.
    Idle(Duration),
    /// The collector is away: come again after this time, at another address if it has one.
    Away(Duration),
    /// Everything is read and acknowledged.
    Done,
}

/// An import under way.
#[derive(Debug)]
pub struct Importer {
    import: Import,
    client: Client,
    positions: Positions,
    waiting: VecDeque<PathBuf>,
    open: Option<Open>,
    /// Reads the open table; a transcript needs no memory of its former lines.
    rows: Option<Rows>,
    batch: Vec<Item>,
    /// The batch is being sent whole, so that positions settle again and again.
    sending: bool,
    /// How far files are read, not yet acknowledged.
    reached: BTreeMap<PathBuf, Position>,
    sequence: i64,
    refused_since: Option<Instant>,
    saved: Instant,
    /// Files that this run has opened.
    begun: BTreeSet<PathBuf>,
    /// Files that belong to somebody else too.
    warned: BTreeSet<PathBuf>,
    unreported: u64,
    progress: Progress,
    outcome: Outcome,
}

impl Importer {
    /// Walks the roots and reads the positions of a former run.
    ///
    /// # Errors
    /// When none of the roots can be read, or no HTTP client can be made.
    pub fn new(import: Import) -> Result<Self, ImportError> {
        let sender = Sender {
            source: import.origin.source(),
            subject: import.person.clone(),
            producer: import.producer,
            epoch: import.epoch,
        };
        let positions = Positions::open(&import.state_dir, &import.lineage, &sender.source, &sender.subject);
        let mut importer = Self {
            client: Client::new(&import.collector, sender)?,
            positions,
            waiting: VecDeque::new(),
            open: None,
            rows: None,
            batch: Vec::new(),
            sending: false,
            begun: BTreeSet::new(),
            warned: BTreeSet::new(),
            reached: BTreeMap::new(),
            sequence: 0,
            refused_since: None,
            saved: Instant::now(),
            unreported: 0,
            progress: Progress::default(),
            outcome: nothing_yet(&import),
            import,
        };
        importer.look()?;
        Ok(importer)
    }

    /// How far it is.
    #[must_use]
    pub const fn progress(&self) -> Progress {
        self.progress
    }

    /// One bounded piece of work.
    ///
    /// # Errors
    /// When the collector refuses for good, stays away longer than the patience, or a table does not fit its mapping.
    pub fn turn(&mut self) -> Result<Turn, ImportError> {
        let nothing_left = self.open.is_none() && self.waiting.is_empty();
        self.sending |= self.batch.len() >= self.import.batch_events || nothing_left;
        self.sending &= !self.batch.is_empty();
        if self.sending {
            return self.send();
        }
        if self.open.is_some() {
            return self.read();
        }
        if let Some(path) = self.waiting.pop_front() {
            self.begin(&path)?;
            return Ok(Turn::Worked);
        }
        self.settle();
        self.save();
        if self.import.follow {
            self.look()?;
            return Ok(Turn::Idle(POLL));
        }
        Ok(Turn::Done)
    }

    /// Ends the import, read or not; what was acknowledged is kept.
    #[must_use]
    pub fn finish(mut self, stopped: bool) -> Outcome {
        self.save();
        if let Some(example) = self.warned.first() {
            let warning =
                Warning::AnothersFiles { files: count(self.warned.len()), example: example.clone() };
            self.outcome.warnings.push(warning);
        }
        self.outcome.stopped = stopped;
        self.outcome
    }

    /// Looks for files that have something new.
    fn look(&mut self) -> Result<(), ImportError> {
        let suffixes: &[&str] = match &self.import.origin {
            Origin::ClaudeCode => &[".jsonl", ".jsonl.gz"],
            Origin::Table(_) => &[".csv", ".csv.gz", ".jsonl", ".jsonl.gz"],
        };
        let found = walk(&self.import.roots, suffixes);
        if found.files.is_empty()
            && let Some((_, cause)) = found.unreadable.first()
            && found.unreadable.len() >= self.import.roots.len()
        {
            let roots = self.import.roots.iter().map(|root| root.display().to_string()).collect::<Vec<_>>();
            return Err(ImportError::NothingReadable { roots: roots.join(", "), cause: cause.clone() });
        }
        self.outcome.files = count(found.files.len());
        self.outcome.files_unchanged = 0;
        self.outcome.unreadable_paths = found.unreadable;
        for path in found.files {
            self.consider(path);
        }
        self.progress.files_total = self.progress.files_done.saturating_add(count(self.waiting.len()));
        Ok(())
    }

    fn consider(&mut self, path: PathBuf) {
        if self.resumes(&path) && self.positions.is_unchanged(&path) {
            self.outcome.files_unchanged = self.outcome.files_unchanged.saturating_add(1);
            return;
        }
        match self.positions.of(&path) {
            Ok((_, now)) => {
                if self.positions.is_anothers(&now) {
                    self.warned.insert(path.clone());
                }
                self.progress.bytes_total = self.progress.bytes_total.saturating_add(now.length);
                self.waiting.push_back(path);
            }
            Err(error) => self.outcome.unreadable_paths.push((path, error.to_string())),
        }
    }

    /// True when a file may be read from where its position says.
    fn resumes(&self, path: &Path) -> bool {
        self.import.resume || self.begun.contains(path)
    }

    fn begin(&mut self, path: &Path) -> Result<(), ImportError> {
        self.rows = self.rows_of_a_table(path)?;
        let opened = self.positions.of(path).and_then(|(from, now)| {
            // The ordinals of a table's rows need every row before.
            let resumes = self.resumes(path) && matches!(self.import.origin, Origin::ClaudeCode);
            Open::at(path, if resumes { from.read } else { 0 }, now)
        });
        self.begun.insert(path.to_owned());
        match opened {
            Ok(open) => self.open = Some(open),
            Err(error) => self.give_up_on(path.to_owned(), &error.to_string()),
        }
        Ok(())
    }

    fn rows_of_a_table(&self, path: &Path) -> Result<Option<Rows>, ImportError> {
        let Origin::Table(table) = &self.import.origin else { return Ok(None) };
        let wrong = |cause| ImportError::Mapping { path: path.to_owned(), cause };
        Rows::new(table.clone()).map(Some).map_err(wrong)
    }

    fn give_up_on(&mut self, path: PathBuf, cause: &str) {
        self.outcome.unreadable_paths.push((path, cause.to_owned()));
        self.progress.files_done = self.progress.files_done.saturating_add(1);
    }

    /// Reads a piece of the open file.
    fn read(&mut self) -> Result<Turn, ImportError> {
        let Some(mut open) = self.open.take() else { return Ok(Turn::Worked) };
        let mut reading = Reading::with(self.rows.as_mut());
        let read = open.read(|start, line| reading.take(start, line));
        let position = open.position();
        // Whoever follows waits for the end of the last line; otherwise this is all of it that there is.
        let ends = matches!(read, Ok((_, More::No))) && (!self.import.follow || open.is_complete());
        if ends {
            open.finish_into(&mut reading);
        }
        let position = if ends { position } else { position.unfinished() };
        let (found, read_lines, wrong) = (reading.found, reading.lines, reading.wrong);
        self.outcome.lines = self.outcome.lines.saturating_add(read_lines);
        for (start, found) in found {
            self.keep(&open.path, start, found);
        }
        if let Some(cause) = wrong {
            return Err(ImportError::Mapping { path: open.path, cause });
        }
        match read {
            Ok((bytes, More::Yes)) => {
                self.progress.bytes_done = self.progress.bytes_done.saturating_add(bytes);
                self.reached.insert(open.path.clone(), position);
                self.open = Some(open);
            }
            Ok((_, More::No)) => {
                self.reached.insert(open.path.clone(), position);
                self.progress.files_done = self.progress.files_done.saturating_add(1);
            }
            Err(error) => self.give_up_on(open.path, &error.to_string()),
        }
        Ok(Turn::Worked)
    }

    fn keep(&mut self, path: &Path, position: u64, found: Found) {
        match found {
            Found::Nothing => {}
            Found::Event(event) => self.number(event),
            Found::Reject(reject) => self.reject(path, position, reject),
        }
    }

    fn number(&mut self, event: SourceEvent) {
        self.sequence = self.sequence.saturating_add(1);
        self.batch.push(Item::Event(event, Sequence(self.sequence)));
    }

    fn reject(&mut self, path: &Path, position: u64, reject: SourceReject) {
        self.unreported = self.unreported.saturating_add(1);
        let (reason, detail) = (reject.reason.name(), reject.detail);
        self.batch.push(Item::Reject(KeptLine {
            source: nameless(&self.import.origin, path),
            position: position.to_string(),
            reason,
            detail: detail.clone(),
            bytes: reject.original,
        }));
        let unreadable = &mut self.outcome.unreadable;
        unreadable.redacted = unreadable.redacted.saturating_add(reject.redacted);
        unreadable.add(Sample { path: path.to_owned(), position, reason, detail });
    }

    fn send(&mut self) -> Result<Turn, ImportError> {
        let size = self.batch.len().min(self.import.batch_events.max(1));
        let batch = self.batch.get(..size).expect("no more than there are");
        match self.client.attempt(batch)? {
            Attempt::Done(answer) => {
                self.refused_since = None;
                self.batch.drain(..size);
                self.acknowledged(answer);
                Ok(Turn::Worked)
            }
            Attempt::Again(pause, cause) => {
                if self.refused_since.is_none() {
                    emit(&BatchDeferred { cause: cause.to_string() });
                }
                let waited = self.refused_since.get_or_insert_with(Instant::now).elapsed();
                if waited > self.import.patience {
                    return Err(ImportError::Patience { waited_s: waited.as_secs(), cause });
                }
                Ok(if matches!(cause, ClientError::Away { .. }) {
                    Turn::Away(pause)
                } else {
                    Turn::Idle(pause)
                })
            }
        }
    }

    pub(crate) fn turn_and_tell(
        &mut self,
        tell: &mut impl FnMut(Told) -> Result<Option<String>, ImportError>,
    ) -> Result<Turn, ImportError> {
        let before = self.progress;
        let turn = self.turn()?;
        if self.progress != before {
            tell(Told::Reached(self.progress))?;
        }
        if matches!(turn, Turn::Away(_))
            && let Some(collector) = tell(Told::Away)?
        {
            self.client.go_to(&collector);
        }
        Ok(turn)
    }

    fn acknowledged(&mut self, answer: Answer) {
        emit(&BatchImported { events: answer.accepted, unreadable: std::mem::take(&mut self.unreported) });
        self.outcome.events = self.outcome.events.saturating_add(answer.accepted);
        self.progress.events = self.outcome.events;
        for at in answer.appended {
            let next = self.outcome.appended.entry(at.partition).or_default();
            *next = at.next_offset.max(*next);
        }
        for event in answer.rejected {
            let key = format!("{}: {}", event.reason, event.detail);
            let known = self.outcome.refused.len() < crate::outcome::SAMPLES_MAX;
            let key = if known { key } else { event.reason };
            let refused = self.outcome.refused.entry(key).or_default();
            *refused = refused.saturating_add(1);
        }
        if self.batch.is_empty() {
            self.settle();
            if self.saved.elapsed() > SAVE_EVERY {
                self.save();
            }
        }
    }

    /// Nothing is under way: what was read is acknowledged.
    fn settle(&mut self) {
        for (path, position) in std::mem::take(&mut self.reached) {
            self.positions.reached(&path, position);
        }
    }

    pub(crate) fn save(&mut self) {
        self.saved = Instant::now();
        if let Err(error) = self.positions.save() {
            let warning = Warning::PositionsNotKept {
                path: self.positions.path().to_owned(),
                cause: error.to_string(),
            };
            if !self.outcome.warnings.contains(&warning) {
                self.outcome.warnings.push(warning);
            }
        }
    }
}

/// A file without its directory, which may name a person or what they work on; a hash tells equal names apart.
fn nameless(origin: &Origin, path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let hash = xxhash_rust::xxh3::xxh3_64(path.as_os_str().as_encoded_bytes());
    format!("{}/{name}@{hash:016x}", origin.source())
}

fn nothing_yet(import: &Import) -> Outcome {
    Outcome {
        producer: import.producer,
        epoch: import.epoch,
        events: 0,
        appended: BTreeMap::new(),
        files: 0,
        files_unchanged: 0,
        lines: 0,
        unreadable: Unreadable::default(),
        refused: BTreeMap::new(),
        unreadable_paths: Vec::new(),
        warnings: Vec::new(),
        stopped: false,
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).expect("memory is smaller than 2^64")
}
