//! The threads that drive parts: each loops one part's bounded turn until it is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::shared::Shared;

/// How long a part that has nothing to do rests. Short enough to be fresh, long enough to cost nothing.
const REST: Duration = Duration::from_millis(5);

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
                Ok(Next::End) => return,
                Err(error) => return shared.tell_failure(&name, error.to_string()),
            }
        }
    })
}
