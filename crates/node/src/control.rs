//! What is asked of an owner: to say what "now" is, whether it has got there, to make a ranking, and to stay
//! until whoever asked is done. Commands use these routes, or within the owner's process these methods.
//!
//! | route | answer |
//! |---|---|
//! | `POST /v1/now` | a heartbeat in every partition; the positions after them |
//! | `POST /v1/settled?wait_ms=` with positions | which partitions are behind, once none is or time is up |
//! | `POST /v1/ranked?wait_ms=` with positions | whether a complete ranking has passed them, once one has or time is up |
//! | `POST /v1/republish` | every key is being published anew; the positions at which all of that is true |
//! | `GET /v1/lease` | an answer that does not end: the owner stays until the asker hangs up |
//! | `GET /v1/status` | what every part says of itself |
//! | `POST /v1/recounted` with what a verification found | nothing; the metrics say it from now on |

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tally_audit::Recounted;
use tally_domain::{Offset, Partition, PartitionCount};
use tally_log::AppendLog;
use tokio::sync::watch;

use crate::admin::{self, Views};
use crate::elsewhere::{self, Elsewhere};
use crate::roles::demo::DemoReport;
use crate::roles::log::{Appender, heartbeats};
use crate::shared::{Behind, Failure, Positions, Shared};

/// The longest that a request waits; whoever wants to wait longer asks again.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// What an owner can be asked. Clones ask the same owner.
#[derive(Clone, Debug)]
pub struct Control {
    appender: Arc<Mutex<Appender>>,
    partitions: PartitionCount,
    shared: Arc<Shared>,
    /// Where parts are that this process does not run.
    elsewhere: Option<Elsewhere>,
    leases: watch::Sender<u32>,
}

/// Whether everything asked for is published and archived.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Settled {
    /// Partitions that are not there yet; empty = settled.
    pub behind: Vec<Behind>,
    /// Parts that do not work: what is behind one that stopped stays behind.
    pub failures: Vec<Failure>,
}

/// What every part says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StatusReport {
    /// Usage records folded since the installation began.
    pub events_read: u64,
    /// Partitions of the log.
    pub partitions: u16,
    /// Records that the collector of this process has brought to the log.
    pub taken: u64,
    /// Durable records that are not folded yet.
    pub lag: u64,
    /// Rows that wait for ClickHouse.
    pub pending_rows: u64,
    /// Accounts seen.
    pub accounts: u64,
    /// Verdicts: fresh, revised, duplicate, rejected.
    pub verdicts: BTreeMap<String, u64>,
    /// Bytes of memory of all partitions' state, roughly.
    pub memory_bytes: u64,
    /// Number of the price book in force in each partition; 0 = none.
    pub price_books: BTreeMap<Partition, u32>,
    /// How far each partition is published, as an offset.
    pub published: Positions,
    /// Least LogTime of the partitions, ms UTC.
    pub log_time_ms: i64,
    /// Parts that do not work.
    pub failures: Vec<Failure>,
    /// Records archived since the log began, where this process keeps the archive.
    pub archived: u64,
    /// People of the newest complete ranking.
    pub people: u64,
    /// How long ago that was made, in ms; none before the first since the start.
    pub ranked_ms_ago: Option<u64>,
    /// How far the demo is; none where there is none.
    pub demo: Option<DemoReport>,
}

#[derive(Debug, serde::Deserialize)]
struct Wait {
    #[serde(default)]
    wait_ms: u64,
}

impl Control {
    /// Of an owner with this log and these parts; `elsewhere` tells of those that it does not have.
    #[must_use]
    pub fn new(
        appender: Appender,
        partitions: PartitionCount,
        shared: Arc<Shared>,
        elsewhere: Option<Elsewhere>,
    ) -> Self {
        let appender = Arc::new(Mutex::new(appender));
        Self { appender, partitions, shared, elsewhere, leases: watch::Sender::new(0) }
    }

    /// Appends a heartbeat to every partition and says where they lie: that is "now". Blocks for one sync.
    ///
    /// # Errors
    /// When the log could not take one of them within the longest wait.
    pub fn now(&self) -> Result<Positions, NowError> {
        let mut appender = self.appender.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting: BTreeMap<_, _> =
            heartbeats(&mut *appender, self.partitions.all()).into_iter().collect();
        if waiting.len() < usize::from(self.partitions.get()) {
            return Err(NowError::Full);
        }
        let mut positions = Positions::new();
        let mut decided = Vec::new();
        let begun = std::time::Instant::now();
        while !waiting.is_empty() {
            appender.acknowledged(&mut decided);
            for (ticket, result) in decided.drain(..) {
                if let Some(partition) = waiting.remove(&ticket) {
                    let offset = result.map_err(|error| NowError::Log(error.to_string()))?;
                    positions.insert(partition, offset.next());
                }
            }
            if begun.elapsed() > WAIT_MAX {
                return Err(NowError::Log("it did not acknowledge a heartbeat within a minute".to_owned()));
            }
            if !waiting.is_empty() {
                appender.wait(Duration::from_millis(100));
            }
        }
        Ok(positions)
    }

    /// Waits until `positions` are published and archived, a part stops, or `wait` is over.
    pub async fn settled(&self, positions: &Positions, wait: Duration) -> Settled {
        let until = tokio::time::Instant::now() + wait.min(WAIT_MAX);
        let mut news = self.shared.news();
        loop {
            if let Some(elsewhere) = &self.elsewhere {
                elsewhere.tell_settled(&self.shared).await;
            }
            news.mark_unchanged();
            let settled = Settled { behind: self.shared.behind(positions), failures: self.shared.failures() };
            let over = settled.behind.is_empty() || Failure::stopped(&settled.failures).is_some();
            if over || !self.changes(&mut news, until).await {
                return settled;
            }
        }
    }

    /// Waits for news, or until it is time to ask what others have done; false when `until` is over.
    async fn changes(&self, news: &mut watch::Receiver<u64>, until: tokio::time::Instant) -> bool {
        let now = tokio::time::Instant::now();
        let next = self.elsewhere.as_ref().map_or(until, |_| until.min(now + elsewhere::EVERY));
        let changed = tokio::time::timeout_at(next, news.changed()).await.is_ok();
        changed || next < until
    }

    /// Waits until a complete ranking has passed `positions`, a part stops, or `wait` is over. True when it has.
    pub async fn ranked(&self, positions: &Positions, wait: Duration) -> bool {
        let until = tokio::time::Instant::now() + wait.min(WAIT_MAX);
        let mut news = self.shared.news();
        self.shared.want(positions);
        loop {
            if let Some(elsewhere) = &self.elsewhere {
                elsewhere.tell_ranked(&self.shared).await;
            }
            news.mark_unchanged();
            if self.shared.is_ranked(positions) {
                return true;
            }
            let failed = Failure::stopped(&self.shared.failures()).is_some();
            if failed || !self.changes(&mut news, until).await {
                return self.shared.is_ranked(positions);
            }
        }
    }

    /// Makes every partition of this process publish every key anew. A progress at what comes back says that all were
    /// acknowledged: none is claimed from when a partition begins until it is done.
    ///
    /// # Errors
    /// When it folds none, a part stopped, or the log takes no heartbeat.
    pub async fn republish(&self) -> Result<Positions, NowError> {
        let mut news = self.shared.news();
        let own = self.shared.folded();
        if own.is_empty() {
            return Err(NowError::NothingFolded);
        }
        self.shared.ask_republish(own.iter().copied());
        loop {
            news.mark_unchanged();
            if let Some(Failure { part, message, .. }) = Failure::stopped(&self.shared.failures()).cloned() {
                return Err(NowError::Stopped { part, message });
            }
            if !self.shared.has_to_republish() {
                break;
            }
            // The sender lives as long as this does.
            let _changed = news.changed().await;
        }
        let control = self.clone();
        let asked = tokio::task::spawn_blocking(move || control.now()).await;
        let mut positions = asked.map_err(|error| NowError::Log(error.to_string()))??;
        positions.retain(|partition, _| own.contains(partition));
        Ok(positions)
    }

    /// What every part says of itself.
    #[must_use]
    pub fn status(&self) -> StatusReport {
        let (people, ranked_ago) = self.shared.ranking();
        let mut report = StatusReport {
            failures: self.shared.failures(),
            people,
            ranked_ms_ago: ranked_ago.map(|ago| u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)),
            demo: self.shared.demo(),
            partitions: self.partitions.get(),
            taken: self.shared.taken(),
            archived: self.shared.archived().iter().map(|archived| archived.next.get()).sum(),
            ..StatusReport::default()
        };
        let mut least = i64::MAX;
        for status in self.shared.partitions() {
            report.events_read += status.counts.read;
            report.lag += status.lag();
            report.pending_rows += u64::try_from(status.pending).unwrap_or(u64::MAX);
            report.accounts += u64::try_from(status.accounts).unwrap_or(u64::MAX);
            report.price_books.insert(status.partition, status.price_book);
            report.published.insert(status.partition, status.claimed.next());
            let counts = status.counts;
            let verdicts = [
                ("fresh", counts.fresh),
                ("revised", counts.revised),
                ("duplicate", counts.duplicate),
                ("rejected", counts.rejected),
            ];
            for (name, count) in verdicts {
                *report.verdicts.entry(name.to_owned()).or_default() += count;
            }
            let bytes =
                [status.memory.totals, status.memory.producers, status.memory.outbox, status.memory.names]
                    .into_iter()
                    .fold(status.store_bytes, usize::saturating_add);
            report.memory_bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
            least = least.min(status.log_time.ms());
        }
        report.log_time_ms = if report.published.is_empty() { 0 } else { least };
        report
    }

    /// Waits until nobody holds a lease.
    pub async fn leases_returned(&self) {
        let mut leases = self.leases.subscribe();
        // The sender lives as long as this does, so waiting ends only when the count is zero.
        let _zero = leases.wait_for(|count| *count == 0).await;
    }

    /// The owner stays for as long as this value lives.
    #[must_use]
    pub fn lease(&self) -> Lease {
        self.leases.send_modify(|count| *count += 1);
        Lease(self.leases.clone())
    }
}

/// Keeps an owner from stopping.
#[derive(Debug)]
pub struct Lease(watch::Sender<u32>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Why nobody can say what "now" is.
#[derive(Debug, thiserror::Error)]
pub enum NowError {
    /// The log takes no more at the moment.
    #[error("appending a heartbeat: the log has as much waiting as it may; try again in a moment")]
    Full,
    /// The log refused.
    #[error("appending a heartbeat: {0}")]
    Log(String),
    /// The numbers are other processes'.
    #[error(
        "this process folds no partition, so it has nothing to publish anew; run `tally republish` with the --data-dir of \
         each `tally aggregate`, on its machine"
    )]
    NothingFolded,
    /// Somebody who is needed is gone.
    #[error("{part} stopped: {message}")]
    Stopped {
        /// Which part.
        part: String,
        /// What it said.
        message: String,
    },
}

/// The routes, together with metrics and health.
pub fn router(control: Control, views: Views) -> Router {
    let asked = Router::new()
        .route("/v1/now", post(now))
        .route("/v1/republish", post(republish))
        .route("/v1/settled", post(settled))
        .route("/v1/ranked", post(ranked))
        .route("/v1/status", get(|State(control): State<Control>| async move { Json(control.status()) }))
        .route("/v1/lease", get(lease))
        .route("/v1/recounted", post(recounted))
        .with_state(control);
    admin::router(views).merge(asked)
}

async fn now(State(control): State<Control>) -> Response {
    let answer = tokio::task::spawn_blocking(move || control.now()).await;
    match answer {
        Ok(answer) => positions(answer),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn republish(State(control): State<Control>) -> Response {
    positions(control.republish().await)
}

fn positions(answer: Result<Positions, NowError>) -> Response {
    match answer {
        Ok(positions) => Json(positions).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

async fn settled(
    State(control): State<Control>,
    Query(wait): Query<Wait>,
    Json(positions): Json<BTreeMap<Partition, Offset>>,
) -> Json<Settled> {
    Json(control.settled(&positions, Duration::from_millis(wait.wait_ms)).await)
}

async fn ranked(
    State(control): State<Control>,
    Query(wait): Query<Wait>,
    Json(positions): Json<BTreeMap<Partition, Offset>>,
) -> Json<bool> {
    Json(control.ranked(&positions, Duration::from_millis(wait.wait_ms)).await)
}

async fn recounted(Json(found): Json<Recounted>) -> Json<()> {
    tally_telemetry::emit(&found);
    Json(())
}

/// An answer that does not end while its asker listens.
async fn lease(State(control): State<Control>) -> Body {
    let held = control.lease();
    Body::from_stream(futures_util::stream::unfold((held, true), |(held, first)| async move {
        if !first {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let beat = Ok::<_, std::convert::Infallible>(axum::body::Bytes::from_static(b"\n"));
        Some((beat, (held, false)))
    }))
}
