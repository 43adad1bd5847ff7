//! The pages: rows of ClickHouse, rendered.

use std::sync::Arc;
use std::time::Duration;

use tally_clickhouse::Database;
use tally_web::Options;

use crate::clock::Clock;
use crate::config::WebConfig;
use crate::installation::Owner;

/// Numbers older than this are called old: several snapshots have failed to come.
const STALE_AFTER: Duration = Duration::from_mins(3);
/// A page that took longer is given up.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// The router of the pages. Live boards are asked of the configured ranker, or of the process's own where it has one.
pub fn router(database: &Database, clock: Clock, settings: &WebConfig, owner: &Owner) -> axum::Router {
    let named = |url: &str| Some(url.trim_end_matches('/').to_owned()).filter(|url| !url.is_empty());
    let collector = named(&settings.collector_url).or_else(|| owner.collector.clone());
    let options = Options {
        stale_after: STALE_AFTER,
        answer_within: ANSWER_WITHIN,
        collector: collector.unwrap_or_else(|| "http://COLLECTOR:8081".to_owned()),
        ranker: named(&settings.ranker_url).or_else(|| owner.ranker.clone()),
        clock: Arc::new(move || clock.now()),
    };
    tally_web::router(database.clone(), options)
}
