//! An object store whose puts fail, seeded: before they arrive, or after, when only the reply is lost.

use crate::dice::Dice;
use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};
use std::{fmt, sync::Arc};

#[derive(Debug)]
pub(crate) struct FaultyPuts {
    inner: Arc<dyn ObjectStore>,
    dice: Dice,
    percent: u64,
}

impl FaultyPuts {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, seed: u64, percent: u64) -> Self {
        Self { inner, dice: Dice::new(seed), percent }
    }

    fn may_fail(&self, when: &str) -> Result<()> {
        if self.dice.falls(self.percent) {
            return Err(Error::Generic {
                store: "faulty",
                source: format!("503 SlowDown {when} (by the test)").into(),
            });
        }
        Ok(())
    }
}

impl fmt::Display for FaultyPuts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for FaultyPuts {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.may_fail("before the put")?;
        let result = self.inner.put_opts(location, payload, options).await?;
        self.may_fail("after the put")?;
        Ok(result)
    }

    async fn put_multipart_opts(&self, at: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
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
