//! Whose connection a statement runs on.
//!
//! A connection is a session of the engine: its settings, its current database, its temporary tables. Opening one
//! costs a fraction of a millisecond, so a statement gets a fresh one, and only a client that names a session keeps
//! its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::exception::{Exception, SESSION_IS_LOCKED, SESSION_NOT_FOUND};
use crate::ffi::{Connection, Library};

/// What a request asks of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionCall {
    pub(crate) id: String,
    /// How long it may lie idle after this statement.
    pub(crate) timeout: Duration,
    /// Whether it must exist already.
    pub(crate) check: bool,
    /// Whether it ends with this statement.
    pub(crate) close: bool,
}

enum Slot {
    /// A statement has the connection.
    Busy,
    Idle {
        connection: Connection,
        until: Instant,
    },
}

/// The sessions of all clients, and the way to a fresh connection.
pub(crate) struct Sessions {
    library: &'static Library,
    arguments: Vec<String>,
    slots: Mutex<HashMap<String, Slot>>,
}

impl Sessions {
    pub(crate) fn new(library: &'static Library, arguments: Vec<String>) -> Self {
        Self { library, arguments, slots: Mutex::default() }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        // Every change of the map is one call on it, so a panic elsewhere leaves it whole.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection for one statement: a fresh one, or that of the session.
    pub(crate) fn lease(self: &Arc<Self>, call: Option<&SessionCall>) -> Result<Lease, Exception> {
        let connection = match call {
            None => None,
            Some(call) => self.take(call)?,
        };
        // From here on the lease gives the session back, whatever fails.
        let mut lease = Lease { sessions: Arc::clone(self), call: call.cloned(), connection };
        if lease.connection.is_none() {
            lease.connection = Some(self.library.connect(&self.arguments)?);
        }
        Ok(lease)
    }

    fn take(&self, call: &SessionCall) -> Result<Option<Connection>, Exception> {
        let mut slots = self.slots();
        match slots.remove(&call.id) {
            Some(Slot::Busy) => {
                slots.insert(call.id.clone(), Slot::Busy);
                let what =
                    format!("Session {} is locked by a concurrent client. (SESSION_IS_LOCKED)", call.id);
                Err(Exception::new(SESSION_IS_LOCKED, what))
            }
            Some(Slot::Idle { connection, until }) if until > Instant::now() => {
                slots.insert(call.id.clone(), Slot::Busy);
                Ok(Some(connection))
            }
            _ if call.check => {
                let what = format!("Session {} not found. (SESSION_NOT_FOUND)", call.id);
                Err(Exception::new(SESSION_NOT_FOUND, what))
            }
            _ => {
                slots.insert(call.id.clone(), Slot::Busy);
                Ok(None)
            }
        }
    }

    /// Closes the sessions that lay idle too long.
    pub(crate) fn expire(&self, now: Instant) {
        let expired: Vec<Slot> = self
            .slots()
            .extract_if(|_, slot| matches!(slot, Slot::Idle { until, .. } if *until <= now))
            .map(|(_, s)| s)
            .collect();
        // Closing a connection takes the engine's locks; not under ours.
        drop(expired);
    }

    /// Closes every idle session.
    pub(crate) fn clear(&self) {
        let all = std::mem::take(&mut *self.slots());
        drop(all);
    }
}

/// A connection for the length of one statement.
pub(crate) struct Lease {
    sessions: Arc<Sessions>,
    call: Option<SessionCall>,
    connection: Option<Connection>,
}

impl Lease {
    pub(crate) fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("a lease holds its connection until it is dropped")
    }

    /// Whether what a statement leaves behind will be seen by the next.
    pub(crate) fn is_session(&self) -> bool {
        self.call.is_some()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(call) = self.call.take() else { return };
        let mut slots = self.sessions.slots();
        match self.connection.take() {
            Some(connection) if !call.close => {
                let until = Instant::now() + call.timeout;
                slots.insert(call.id, Slot::Idle { connection, until });
            }
            _ => {
                slots.remove(&call.id);
            }
        }
    }
}
