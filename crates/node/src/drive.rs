//! The threads that drive parts: each loops one part's bounded turn until it is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tally_log::LogError;

use crate::shared::Shared;

/// How long a part that has nothing to do rests. Short enough to be fresh, long enough to cost nothing.
const REST: Duration = Duration::from_millis(5);
/// How long to leave a log alone that did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells threads to end after their present turn.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks for the end.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Release);
    }
    /// True once it was asked for.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Go on at once.
    Again,
    /// Rest first.
    Rest,
    /// Rest so long first.
    RestFor(Duration),
    /// The part is done.
    End,
}

/// Loops `turn` on a thread of its own. A part that fails tells `shared` why, and stops; the others go on.
///
/// # Errors
/// When the operating system gives no thread.
pub fn drive<E: std::fmt::Display>(
    name: &str,
    shared: &Arc<Shared>,
    mut turn: impl FnMut() -> Result<Next, E> + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let (name, shared) = (name.to_owned(), Arc::clone(shared));
    std::thread::Builder::new().name(name.clone()).spawn(move || {
        loop {
            match turn() {
                Ok(Next::Again) => {}
                Ok(Next::Rest) => std::thread::park_timeout(REST),
                Ok(Next::RestFor(time)) => std::thread::park_timeout(time),
                Ok(Next::End) => return,
                Err(error) => return shared.tell_failure(&name, error.to_string()),
            }
        }
    })
}

/// The same for a part that follows the log and rests for `rest`: brokers that do not answer are told, and asked again.
///
/// # Errors
/// When the operating system gives no thread.
pub fn follow(
    name: &str,
    shared: &Arc<Shared>,
    (stop, rest): (Stop, Duration),
    mut turn: impl FnMut() -> Result<Next, LogError> + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let (part, telling) = (name.to_owned(), Arc::clone(shared));
    let mut is_away = false;
    drive(name, shared, move || match turn() {
        Err(LogError::Service { .. }) if stop.is_asked() => Ok(Next::End),
        Err(error @ LogError::Service { .. }) => {
            is_away = true;
            telling.tell_trouble(&part, error.to_string());
            Ok(Next::RestFor(PAUSE))
        }
        Err(error) => Err(error),
        Ok(next) => {
            if std::mem::take(&mut is_away) {
                telling.tell_recovered(&part);
            }
            Ok(if next == Next::Rest { Next::RestFor(rest) } else { next })
        }
    })
}
