//! Who turns an import until it is done.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::importer::{ImportError, Importer, Turn};
use crate::outcome::{Outcome, Progress};

/// What an import tells whoever drives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// How far it is.
    Reached(Progress),
    /// The collector does not answer. Told before each further attempt, which goes to the address that is answered.
    Away,
}

/// Loops an import to its end, or until `stop` is set.
///
/// # Errors
/// Those of [`Importer::turn`]; what was acknowledged until then is kept.
pub fn drive(
    importer: Importer,
    stop: &AtomicBool,
    mut progress: impl FnMut(Progress),
) -> Result<Outcome, ImportError> {
    drive_to(importer, stop, |told| {
        if let Told::Reached(reached) = told {
            progress(reached);
        }
        Ok(None)
    })
}

/// The same to a collector that may move: `tell` gives its address where that is another, or why waiting is of no use.
///
/// # Errors
/// Those of [`Importer::turn`] and of `tell`; what was acknowledged until then is kept.
pub fn drive_to(
    mut importer: Importer,
    stop: &AtomicBool,
    mut tell: impl FnMut(Told) -> Result<Option<String>, ImportError>,
) -> Result<Outcome, ImportError> {
    while !stop.load(Ordering::Relaxed) {
        let turn = match importer.turn_and_tell(&mut tell) {
            Ok(turn) => turn,
            Err(error) => {
                importer.save();
                return Err(error);
            }
        };
        match turn {
            Turn::Worked => {}
            Turn::Idle(pause) | Turn::Away(pause) => wait(pause, stop),
            Turn::Done => return Ok(importer.finish(false)),
        }
    }
    Ok(importer.finish(true))
}

/// Waits, but not longer than it takes to notice that it should stop.
fn wait(pause: Duration, stop: &AtomicBool) {
    let until = Instant::now().checked_add(pause);
    while !stop.load(Ordering::Relaxed) && until.is_some_and(|until| Instant::now() < until) {
        std::thread::sleep(Duration::from_millis(20).min(pause));
    }
}
