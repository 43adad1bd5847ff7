//! What parts in other processes have done, as ClickHouse shows it: asked while somebody waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tally_clickhouse::{ClickHouseError, Database};
use tally_domain::{Offset, Partition, Version};

use crate::shared::Shared;

/// How often ClickHouse is asked while somebody waits.
pub(crate) const EVERY: Duration = Duration::from_millis(250);

/// Asks ClickHouse how far others are.
#[derive(Clone, Debug)]
pub struct Elsewhere {
    database: Database,
}

impl Elsewhere {
    /// What these tables show.
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database }
    }

    /// Tells how far each partition is published and archived. A ClickHouse that does not answer is asked again by
    /// whoever waits.
    pub async fn tell_settled(&self, shared: &Arc<Shared>) {
        match self.settled().await {
            Ok((published, archived)) => shared.tell_elsewhere(published, archived),
            Err(error) => tracing::warn!(%error, "asking how far other processes are"),
        }
    }

    /// Tells what the newest complete ranking has passed.
    pub async fn tell_ranked(&self, shared: &Arc<Shared>) {
        match self.database.newest_snapshot().await {
            Ok(None) => {}
            Ok(Some(head)) => {
                let vector = head.vector.iter();
                let vector = vector.map(|&(p, version)| (Partition(p), Version::from_u64(version))).collect();
                shared.tell_ranked(&vector, head.people, false);
            }
            Err(error) => tracing::warn!(%error, "asking what is ranked"),
        }
    }

    async fn settled(&self) -> Result<(Reached, Reached), ClickHouseError> {
        let published = self.database.progress().await?;
        let archived = self.database.archive_progress().await?;
        let next = |partition, version| (Partition(partition), Version::from_u64(version).next());
        Ok((
            published.iter().map(|row| next(row.partition, row.version)).collect(),
            archived.iter().map(|row| next(row.partition, row.version)).collect(),
        ))
    }
}

/// By partition, the offset up to which something is done.
pub type Reached = BTreeMap<Partition, Offset>;
