//! For tests: a storage in memory that fails as it is told, before a write or after it (the answer is lost).

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;

/// What becomes of the next write whose path holds a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is refused.
    Refused,
    /// It is done, and nobody hears of it.
    AnswerLost,
}

#[derive(Debug, Default)]
pub(crate) struct Faulty {
    inner: InMemory,
    faults: Mutex<Vec<(&'static str, Fault)>>,
}

impl Faulty {
    /// A lake on a storage that fails as the handle says.
    pub(crate) fn lake() -> (crate::Lake, Arc<Self>) {
        let storage = Arc::new(Self::default());
        let root = url::Url::parse("memory:///lake/").unwrap();
        (crate::Lake::on(storage.clone(), root).unwrap(), storage)
    }

    pub(crate) fn next(&self, word: &'static str, fault: Fault) {
        self.faults.lock().push((word, fault));
    }

    fn fault(&self, path: &Path) -> Option<Fault> {
        let mut faults = self.faults.lock();
        let hit = faults.iter().position(|(word, _)| path.as_ref().contains(word))?;
        Some(faults.remove(hit).1)
    }
}

fn error() -> object_store::Error {
    object_store::Error::Generic { store: "faulty", source: "503 slow down".into() }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        match self.fault(location) {
            None => self.inner.put_opts(location, payload, opts).await,
            Some(Fault::Refused) => Err(error()),
            Some(Fault::AnswerLost) => {
                self.inner.put_opts(location, payload, opts).await?;
                Err(error())
            }
        }
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        match self.fault(location) {
            None => self.inner.put_multipart_opts(location, opts).await,
            Some(_) => Err(error()),
        }
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
