//! The pages: rows of ClickHouse, rendered.

use std::sync::Arc;
use std::time::Duration;

use tally_clickhouse::Database;
use tally_web::Options;

use crate::clock::Clock;

/// Numbers older than this are called old: several snapshots have failed to come.
const STALE_AFTER: Duration = Duration::from_mins(3);
/// A page that took longer is given up.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// The router of the pages; live boards are asked of `ranker`.
pub fn router(database: &Database, clock: Clock, collector: &str, ranker: &str) -> axum::Router {
    let options = Options {
        stale_after: STALE_AFTER,
        answer_within: ANSWER_WITHIN,
        collector: collector.to_owned(),
        ranker: Some(ranker.to_owned()),
        clock: Arc::new(move || clock.now()),
    };
    tally_web::router(database.clone(), options)
}
