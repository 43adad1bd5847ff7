//! Rows that were read once and pages that were rendered once, kept as long as their snapshot is the newest.

use flate2::{Compression, write::GzEncoder};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Kept at most; more would be a crawl, which gains nothing from them.
const KEPT_MAX: usize = 1_024;

/// What a page depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The snapshot that was the newest.
    pub snapshot: u64,
    /// What is said about the numbers.
    pub notice: Option<String>,
    /// The address in its one form.
    pub address: String,
}

/// A page ready to send.
#[derive(Debug)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// Media type.
    pub media: &'static str,
    /// As it is.
    pub body: Vec<u8>,
    /// Compressed.
    pub gzip: Vec<u8>,
    /// Names the content.
    pub etag: String,
}

impl Page {
    /// Compresses and names `body`.
    #[must_use]
    pub fn new(status: u16, media: &'static str, body: String) -> Self {
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let etag = format!("\"{:016x}\"", hasher.finish());
        let gzip = gzip(body.as_bytes());
        Self { status, media, body: body.into_bytes(), gzip, etag }
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 6 + 64), Compression::new(5));
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("a Vec takes every write")
}

type Slot<T> = Arc<OnceCell<Arc<T>>>;

/// What was made once; readers who come at once for the same wait for one making.
#[derive(Debug)]
pub struct Cache<T> {
    slots: Mutex<HashMap<Key, Slot<T>>>,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self { slots: Mutex::default() }
    }
}

impl<T> Cache<T> {
    /// What stands under `key`, made by `make` when nobody has yet. A failure is not kept.
    ///
    /// # Errors
    /// What `make` says.
    pub async fn get_or_make<E, F>(&self, key: Key, make: F) -> Result<Arc<T>, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let slot = self.slot(key);
        let made = slot.get_or_try_init(|| async { make.await.map(Arc::new) }).await?;
        Ok(Arc::clone(made))
    }

    fn slot(&self, key: Key) -> Slot<T> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= KEPT_MAX {
            slots.clear();
        }
        let newer = slots.keys().next().is_some_and(|kept| kept.snapshot != key.snapshot);
        if newer {
            slots.retain(|kept, _| kept.snapshot == key.snapshot);
        }
        Arc::clone(slots.entry(key).or_default())
    }
}
