//! Appending from any thread.

use std::sync::Arc;
use std::time::Duration;

use tally_domain::{Lane, Offset};

use super::catalog::Catalog;
use super::inbox::{Inbox, Owner};
use crate::error::{Full, LogError};
use crate::ports::{AppendLog, Ticket};

/// Appends to a local log from any thread. A clone is another appender, with acknowledgements of its own.
#[derive(Debug)]
pub struct Appender {
    owner: Owner,
    inbox: Arc<Inbox>,
    catalog: Arc<Catalog>,
    news: u64,
}

impl Appender {
    pub(crate) fn new(inbox: Arc<Inbox>, catalog: Arc<Catalog>) -> Self {
        Self { owner: inbox.enter(), inbox, catalog, news: 0 }
    }

    /// Waits until the log has decided something since the last wait, or `at_most` has passed. For threads that
    /// have nothing else to do; the simulator never waits.
    pub fn wait(&mut self, at_most: Duration) {
        self.news = self.inbox.wait_for_news(self.news, at_most);
    }
}

impl Clone for Appender {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.inbox), Arc::clone(&self.catalog))
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        self.inbox.leave(self.owner);
    }
}

impl AppendLog for Appender {
    fn append(&mut self, lane: Lane, key: &[u8], value: Option<&[u8]>) -> Result<Ticket, Full> {
        let index = self.catalog.index(lane);
        self.inbox.append(self.owner, (lane, index), key, value)
    }

    fn acknowledged(&mut self, into: &mut Vec<(Ticket, Result<Offset, LogError>)>) {
        self.inbox.acknowledged(self.owner, into);
    }
}
