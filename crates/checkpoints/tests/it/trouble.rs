//! A store in memory that counts what is asked of it, and fails where it is told to.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// When an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fails {
    /// Before it did anything.
    Before,
    /// After it was done: only the answer is lost.
    After,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble {
    inner: Arc<InMemory>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    operations: u64,
    /// Every operation from this one on fails, this one so.
    fails: Option<(u64, Fails)>,
    puts: Vec<String>,
    gets: Vec<String>,
}

impl Trouble {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// From the operation with this number on, counted from now, nothing works.
    pub(crate) fn fail(&self, operation: u64, fails: Fails) {
        let mut state = self.state();
        state.operations = 0;
        state.fails = Some((operation, fails));
    }

    pub(crate) fn heal(&self) {
        self.state().fails = None;
    }

    pub(crate) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// What was written since the last time that this was asked.
    pub(crate) fn puts(&self) -> Vec<String> {
        std::mem::take(&mut self.state().puts)
    }

    /// What was read since the last time that this was asked.
    pub(crate) fn gets(&self) -> Vec<String> {
        std::mem::take(&mut self.state().gets)
    }

    /// Another store with the same objects.
    pub(crate) fn fork(&self) -> Self {
        Self { inner: Arc::new(self.inner.fork()), state: Arc::default() }
    }

    async fn guarded<T>(&self, operation: impl Future<Output = Result<T>>) -> Result<T> {
        let fails = {
            let mut state = self.state();
            let number = state.operations;
            state.operations += 1;
            state.fails.and_then(|(at, fails)| match number.cmp(&at) {
                std::cmp::Ordering::Less => None,
                std::cmp::Ordering::Equal => Some(fails),
                std::cmp::Ordering::Greater => Some(Fails::Before),
            })
        };
        match fails {
            None => operation.await,
            Some(Fails::Before) => Err(down()),
            Some(Fails::After) => operation.await.and_then(|_| Err(down())),
        }
    }
}

fn down() -> Error {
    Error::Generic { store: "Trouble", source: "the store is down".into() }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trouble")
    }
}

#[async_trait]
impl ObjectStore for Trouble {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.state().puts.push(at.to_string());
        self.guarded(self.inner.put_opts(at, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.state().puts.push(at.to_string());
        self.guarded(self.inner.put_multipart_opts(at, options)).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        self.state().gets.push(at.to_string());
        self.guarded(self.inner.get_opts(at, options)).await
    }

    fn delete_stream(&self, all: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let one = move |path: Result<Path>| {
            let store = store.clone();
            async move {
                let path = path?;
                store.guarded(store.inner.delete(&path)).await.map(|()| path)
            }
        };
        all.then(one).boxed()
    }

    fn list(&self, below: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, found) = (self.clone(), self.inner.list(below));
        let listed = async move { store.guarded(async { Ok(found) }).await };
        futures_util::stream::once(listed)
            .flat_map(|listed| match listed {
                Ok(found) => found,
                Err(error) => futures_util::stream::once(async { Err(error) }).boxed(),
            })
            .boxed()
    }

    async fn list_with_delimiter(&self, below: Option<&Path>) -> Result<ListResult> {
        self.guarded(self.inner.list_with_delimiter(below)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.guarded(self.inner.copy_opts(from, to, options)).await
    }
}
