//! From files to a receipt.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tally_clickhouse::rows::ReceiptRecord;
use tally_domain::{AccountKey, Hash128, Offset, Partition, ProducerId, Secret};
use tally_importer::{
    Import, ImportError, Importer, Origin, Outcome, Progress as Reached, Told, drive_to, fresh_epoch,
};
use tally_node::attach::Attached;
use tally_node::config::Config;
use tally_node::installation::DataDir;
use tally_node::shared::Positions;

use super::Reading;
use crate::cli::Global;
use crate::exit::ExitStatus;
use crate::patience::Patient;
use crate::progress::{Progress, note, warn};
use crate::render::{self, number};
use crate::report;
use crate::settling::{self, Settling};

/// Events per request to the collector: large enough to share a sync, small enough for its body limit.
const BATCH_EVENTS: usize = 2_000;

/// What is read.
pub(super) struct Files {
    pub(super) origin: Origin,
    pub(super) roots: Vec<PathBuf>,
    /// From where an earlier import stopped.
    pub(super) resume: bool,
}

pub(super) fn run(global: &Global, reading: &Reading, files: Files) -> Result<ExitStatus> {
    let person = reading.person()?;
    let source = files.origin.source();
    let (config, mut attached) = global.attach_to_send()?;
    let mut progress = Progress::start();
    let secret = attached.secret()?;
    let import = import(&config, &attached, reading, files, (person.clone(), &secret))?;
    let patience = Duration::from_secs(reading.wait);
    let mut installation = Patient { attached: &mut attached, config: &config, patience };
    let mut outcome = read(&mut installation, import, &mut progress)?;
    // Who follows is always stopped; that says nothing about what was read.
    outcome.stopped &= !reading.follow;
    let positions = positions(&outcome);
    let settling = settling::while_it_moves(&mut installation, &positions, &mut progress)?;
    if let Settling::NotYet(settled) = settling {
        drop(progress);
        warn(&format!(
            "everything that was read is durable and will be counted; its receipt is {}",
            settling::not_yet(&settled)
        ));
        return Ok(ExitStatus::NotYet);
    }
    let account = AccountKey::of(&secret, &source, &person);
    let receipt = installation.ask(&mut progress, |attached| receipt(attached, account, &outcome))?;
    drop(progress);
    for warning in &outcome.warnings {
        warn(&warning.to_string());
    }
    let report = report::Import::of(person, source, &receipt, &outcome);
    render::answer(global.json, &report, render::import)?;
    Ok(ExitStatus::Done)
}

fn import(
    config: &Config,
    attached: &Attached,
    reading: &Reading,
    files: Files,
    (person, secret): (String, &Secret),
) -> Result<Import> {
    let Files { origin, roots, resume } = files;
    Ok(Import {
        origin,
        roots,
        person,
        collector: attached.collector(config)?,
        producer: producer(secret),
        epoch: fresh_epoch(),
        state_dir: DataDir::new(&config.data_dir).import(),
        lineage: attached.owner().topic.to_string(),
        resume,
        follow: reading.follow,
        batch_events: BATCH_EVENTS,
        patience: Duration::from_secs(reading.wait),
    })
}

/// This installation's importer, told apart from its collector.
fn producer(secret: &Secret) -> ProducerId {
    let Hash128(name) = secret.check();
    ProducerId(Hash128(name.map(|byte| byte ^ 0x1d)))
}

/// Reads and sends everything, to whoever owns the installation meanwhile; Ctrl-C ends it after the batch in flight.
fn read(installation: &mut Patient<'_>, import: Import, progress: &mut Progress) -> Result<Outcome> {
    let stop = Arc::new(AtomicBool::new(false));
    let interrupted = installation.attached.runtime().spawn(stop_when_interrupted(Arc::clone(&stop)));
    let importer = Importer::new(import)?;
    let outcome = drive_to(importer, &stop, |told| match told {
        Told::Reached(reached) => {
            show(reached, progress);
            Ok(None)
        }
        Told::Away => {
            let found = installation.look(progress).and_then(|found| {
                found.then(|| installation.attached.collector(installation.config)).transpose()
            });
            found.map_err(|error| ImportError::Gone(error.to_string()))
        }
    });
    interrupted.abort();
    Ok(outcome?)
}

async fn stop_when_interrupted(stop: Arc<AtomicBool>) {
    if tokio::signal::ctrl_c().await.is_ok() {
        stop.store(true, Ordering::Relaxed);
        note("stopping after the batch in flight; what is read so far is kept");
    }
}

fn show(reached: Reached, progress: &mut Progress) {
    let doing = || {
        format!(
            "{} of {} files, {} events",
            reached.files_done,
            reached.files_total,
            number::grouped(i128::from(reached.events))
        )
    };
    progress.reach(reached.bytes_done, reached.bytes_total, doing);
}

fn positions(outcome: &Outcome) -> Positions {
    let next = |offset| Offset::new(offset).expect("the log gave this offset");
    outcome.appended.iter().map(|(&partition, &offset)| (Partition(partition), next(offset))).collect()
}

/// What the fold says of this run; nothing when nothing was sent.
fn receipt(attached: &Attached, account: AccountKey, outcome: &Outcome) -> Result<Vec<ReceiptRecord>> {
    if outcome.appended.is_empty() {
        return Ok(Vec::new());
    }
    let asked = attached.database()?.receipts(account, outcome.producer, outcome.epoch);
    attached.runtime().block_on(asked).context("reading what this import added")
}
