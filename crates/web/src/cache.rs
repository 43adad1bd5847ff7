//! Rows that were read once and pages that were rendered once, kept as long as their snapshot is the newest.

use flate2::{Compression, write::GzEncoder};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// Kept at most; more would be a crawl, which gains nothing from them.
const KEPT_MAX: usize = 1_024;

/// A snapshot that somebody read this long ago is near enough to be shown once more while the next is rendered.
const STILL_READ: Duration = Duration::from_secs(15);

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
    kept: Mutex<Kept<T>>,
}

#[derive(Debug)]
struct Kept<T> {
    slots: HashMap<Key, Slot<T>>,
    /// The newest snapshot that was asked for.
    now: u64,
    /// The one before it, if it was still being read when the newest came.
    before: Option<u64>,
    read: Instant,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        let kept = Kept { slots: HashMap::default(), now: 0, before: None, read: Instant::now() };
        Self { kept: Mutex::new(kept) }
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

    /// What stood at the same address a snapshot ago, while what belongs under `key` is not made yet; the flag is
    /// true for the one caller who should make it.
    pub fn before(&self, key: &Key) -> Option<(Arc<T>, bool)> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.turn(key.snapshot);
        let present = kept.slots.get(key);
        if present.is_some_and(|slot| slot.initialized()) || key.notice.is_some() {
            return None;
        }
        let first = present.is_none();
        let earlier = Key { snapshot: kept.before?, ..key.clone() };
        let page = Arc::clone(kept.slots.get(&earlier)?.get()?);
        if first {
            kept.slots.insert(key.clone(), Slot::default());
        }
        Some((page, first))
    }

    /// Lets somebody else try to make what could not be made.
    pub fn forget(&self, key: &Key) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).slots.remove(key);
    }

    fn slot(&self, key: Key) -> Slot<T> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.turn(key.snapshot);
        if kept.slots.len() >= KEPT_MAX {
            kept.slots.clear();
        }
        Arc::clone(kept.slots.entry(key).or_default())
    }
}

impl<T> Kept<T> {
    /// Drops what belongs to neither the newest snapshot nor the one that was read until just now.
    fn turn(&mut self, snapshot: u64) {
        if snapshot > self.now {
            self.before = (self.read.elapsed() < STILL_READ).then_some(self.now);
            self.now = snapshot;
            let (now, before) = (self.now, self.before);
            self.slots.retain(|key, _| key.snapshot == now || Some(key.snapshot) == before);
        }
        self.read = Instant::now();
    }
}
