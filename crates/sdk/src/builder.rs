//! What a client is told before it starts.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{io, thread};

use tally_domain::{Epoch, Hash128, ProducerId};

use crate::backlog::Backlog;
use crate::client::{Client, Shared};
use crate::courier::Courier;
use crate::event::Sender;
use crate::keeper::{Keeper, Pace};
use crate::send::Endpoint;
use crate::spool::{self, Spool};

/// Builds a [`Client`]. Needed: endpoint, source, subject.
#[derive(Clone, Debug)]
pub struct Builder {
    endpoint: Option<String>,
    source: Option<String>,
    subject: Option<String>,
    tool: Option<String>,
    client_version: String,
    name: Option<String>,
    email: Option<String>,
    spool_dir: Option<PathBuf>,
    spool_bytes_max: u64,
    pub(crate) queue_events_max: usize,
    pub(crate) drop_timeout: Duration,
    pace: Pace,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            endpoint: None,
            source: None,
            subject: None,
            tool: None,
            client_version: String::new(),
            name: None,
            email: None,
            spool_dir: None,
            spool_bytes_max: 256 << 20,
            queue_events_max: 10_000,
            drop_timeout: Duration::from_secs(2),
            pace: Pace::default(),
        }
    }
}

/// Why a client cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A value is missing or cannot be meant.
    #[error("building a client: {field} {problem}")]
    Invalid {
        /// The builder's method.
        field: &'static str,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The spool directory cannot be used.
    #[error("opening the spool {path}: {source}; make it a directory that this user may write to")]
    Spool {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no thread or no random bytes.
    #[error("starting the client: {0}")]
    System(io::Error),
}

impl Builder {
    /// Where the collector listens: `http://host:port`.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }
    /// The tool or integration that speaks: part of the account, so never change it.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }
    /// Whom it speaks for, as you always call them: part of the account.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }
    /// What usage is shown under; the source, if it is not given.
    #[must_use]
    pub fn tool(mut self, tool: impl Into<String>) -> Self {
        self.tool = Some(tool.into());
        self
    }
    /// The version of your tool.
    #[must_use]
    pub fn client_version(mut self, version: impl Into<String>) -> Self {
        self.client_version = version.into();
        self
    }
    /// The subject's name, for display.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
    /// The subject's e-mail.
    #[must_use]
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }
    /// Where events wait while nothing listens; several processes may share it. Without one they wait in memory, and
    /// are lost with the process.
    #[must_use]
    pub fn spool_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.spool_dir = Some(dir.into());
        self
    }
    /// How much the spool may hold, bytes (256 MiB).
    #[must_use]
    pub fn spool_bytes_max(mut self, bytes: u64) -> Self {
        self.spool_bytes_max = bytes;
        self
    }
    /// How many events may wait in memory (10,000); more are refused and counted.
    #[must_use]
    pub fn queue_events_max(mut self, events: usize) -> Self {
        self.queue_events_max = events;
        self
    }
    /// How long an event may wait for company before it is sent (200 ms).
    #[must_use]
    pub fn linger(mut self, linger: Duration) -> Self {
        self.pace.linger = linger;
        self
    }
    /// How long the first retry waits, and how long one may wait at most (200 ms, 30 s); with jitter.
    #[must_use]
    pub fn backoff(mut self, first: Duration, most: Duration) -> Self {
        (self.pace.backoff_first, self.pace.backoff_most) = (first, most.max(first));
        self
    }
    /// How many events one request carries at most (500).
    #[must_use]
    pub fn batch_events_max(mut self, events: usize) -> Self {
        self.pace.batch_events = events.max(1);
        self
    }
    /// How long dropping the client may try to send what waits (2 s).
    #[must_use]
    pub fn drop_timeout(mut self, timeout: Duration) -> Self {
        self.drop_timeout = timeout;
        self
    }

    /// Starts the client: opens the spool, and the threads that keep and send.
    ///
    /// # Errors
    /// [`BuildError`]. That nothing listens is no error: events wait.
    pub fn build(self) -> Result<Client, BuildError> {
        let endpoint = Endpoint::parse(&needed("endpoint", self.endpoint.clone())?)?;
        let source = needed("source", self.source.clone())?;
        let subject = needed("subject", self.subject.clone())?;
        let epoch = Epoch(i64::from_le_bytes(random().map_err(BuildError::System)?));
        let refused = |path: &PathBuf| {
            let path = path.clone();
            move |source| BuildError::Spool { path, source }
        };
        let (spool, producer) = match &self.spool_dir {
            Some(dir) => {
                let producer = spool::producer(dir).map_err(refused(dir))?;
                (Some(Spool::open(dir, epoch, self.spool_bytes_max).map_err(refused(dir))?), producer)
            }
            None => (None, ProducerId(Hash128(random().map_err(BuildError::System)?))),
        };
        let sender = Sender {
            tool: self.tool.clone().unwrap_or_else(|| source.clone()),
            source,
            subject: subject.clone(),
            client_version: self.client_version.clone(),
            name: self.name.clone(),
            email: self.email.clone(),
            producer,
            epoch,
        };
        let shared = Arc::new(Shared::default());
        let own = format!("\"epoch\":{},", epoch.0);
        let backlog = Backlog::new(spool);
        shared.state().backlog = !backlog.is_empty();
        let backlog = Arc::new(Mutex::new(backlog));
        let keeper = Keeper::new(Arc::clone(&shared), Arc::clone(&backlog), sender, self.pace);
        let courier = Courier::new(Arc::clone(&shared), backlog, endpoint, self.pace, (own, epoch));
        let thread = |name: &str| thread::Builder::new().name(name.to_owned());
        let keeping = thread("tally-sdk-keep").spawn(move || keeper.run()).map_err(BuildError::System)?;
        let sending = thread("tally-sdk-send").spawn(move || courier.run()).map_err(BuildError::System)?;
        Ok(Client::new(shared, &self, subject, keeping, sending))
    }
}

fn needed(field: &'static str, value: Option<String>) -> Result<String, BuildError> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| BuildError::Invalid {
        field,
        problem: format!("is missing; call .{field}(…) with it"),
    })
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}
