//! An import beside the running installation, through its own collector.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tally_domain::{Hash128, ProducerId, Secret};
use tally_importer::{Import, Importer, Origin, Outcome, Progress, drive, fresh_epoch, person_of};
use tally_node::installation::{DataDir, Owner, SecretFile};

/// Events per request to the collector.
const BATCH_EVENTS: usize = 2_000;
/// How long the collector may be busy.
const PATIENCE: Duration = Duration::from_mins(2);

/// An import that goes on until it is done or told to stop.
#[derive(Debug)]
pub(crate) struct Background {
    stop: Arc<AtomicBool>,
    state: Arc<Mutex<State>>,
    thread: JoinHandle<()>,
}

/// How it goes, in words.
#[derive(Clone, Debug, Default)]
struct State {
    now: String,
    result: Option<String>,
}

impl Background {
    /// Begins to read `roots` for whoever is signed in.
    pub(crate) fn start(dir: &DataDir, owner: &Owner, roots: Vec<PathBuf>) -> Result<Self> {
        let person = person_of(None, |name| std::env::var(name).ok())
            .context("nobody is signed in here; use tally import claude-code --person NAME")?;
        let secret = SecretFile::at(&owner.secret_file).read()?;
        let import = Import {
            origin: Origin::ClaudeCode,
            roots,
            person: person.clone(),
            collector: owner.collector.clone().context("this process takes no usage")?,
            producer: producer(&secret),
            epoch: fresh_epoch(),
            state_dir: dir.import(),
            lineage: owner.topic.to_string(),
            resume: true,
            follow: false,
            batch_events: BATCH_EVENTS,
            patience: PATIENCE,
        };
        let (stop, state) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(State::default())));
        let (stopped, telling) = (Arc::clone(&stop), Arc::clone(&state));
        let thread = std::thread::Builder::new().name("import".to_owned()).spawn(move || {
            let told = |change: &dyn Fn(&mut State)| {
                change(&mut telling.lock().unwrap_or_else(PoisonError::into_inner));
            };
            let outcome = Importer::new(import).and_then(|importer| {
                drive(importer, &stopped, |progress| {
                    told(&|state| state.now = line(progress));
                })
            });
            let result = outcome.map_or_else(
                |error| format!("the import stopped: {error}"),
                |outcome| summary(&person, &outcome),
            );
            told(&|state| state.result = Some(result.clone()));
        })?;
        Ok(Self { stop, state, thread })
    }

    /// What it does now; none once it is over.
    pub(crate) fn doing(&self) -> Option<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.result.is_none().then(|| state.now.clone()).filter(|now| !now.is_empty())
    }

    /// What it came to, told once.
    pub(crate) fn result(&self) -> Option<String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = state.result.take()?;
        state.now.clear();
        Some(result)
    }

    /// Ends it after the batch in flight; what was read is kept, the rest is read next time.
    pub(crate) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        // A thread that panicked has said so.
        drop(self.thread.join());
    }
}

/// The same sender as `tally import`, so that positions and receipts are shared.
fn producer(secret: &Secret) -> ProducerId {
    let Hash128(name) = secret.check();
    ProducerId(Hash128(name.map(|byte| byte ^ 0x1d)))
}

fn line(progress: Progress) -> String {
    let Progress { files_done, files_total, events, .. } = progress;
    format!("importing: {files_done} of {files_total} files, {events} events")
}

fn summary(person: &str, outcome: &Outcome) -> String {
    let unreadable = outcome.unreadable.total();
    let read = format!(
        "imported for {person}: {} events from {} files, repeats included",
        outcome.events, outcome.files
    );
    let kept =
        (unreadable > 0).then(|| format!("  {unreadable} lines could not be read and are kept as rejects"));
    let warnings = outcome.warnings.iter().map(|warning| format!("  {warning}"));
    [read].into_iter().chain(kept).chain(warnings).collect::<Vec<_>>().join("\n")
}
