//! The catalog and the objects together.

use crate::{BlockEntry, Catalog, Error, Result, segment};
use bytes::Bytes;
use framelake_wire::Block;
use futures::Stream;
use object_store::{ObjectStore, PutMode, path::Path};
use std::sync::Arc;

/// The lake as sinks and views use it. Cloning it shares the stores.
#[derive(Clone, Debug)]
pub struct Lake {
    catalog: Arc<dyn Catalog>,
    objects: Arc<dyn ObjectStore>,
}

impl Lake {
    /// A lake of these stores. What `objects` has put must be durable when it says so; a directory is, as a [`crate::DurableLocal`].
    #[must_use]
    pub fn new(catalog: Arc<dyn Catalog>, objects: Arc<dyn ObjectStore>) -> Self {
        Self { catalog, objects }
    }

    /// The catalog.
    #[must_use]
    pub fn catalog(&self) -> &Arc<dyn Catalog> {
        &self.catalog
    }

    /// The objects.
    #[must_use]
    pub fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    /// Puts an object that must not be there yet. One that is there has these bytes, for keys name their content: that is success too, and
    /// what comes of a put that was answered after its caller gave up.
    ///
    /// # Errors
    /// The store could not, or it is unsure: put it again.
    pub async fn put_new(&self, key: &str, bytes: Bytes) -> Result<()> {
        match self.objects.put_opts(&Path::from(key), bytes.into(), PutMode::Create.into()).await {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(()),
            Err(source) => Err(Error::Object { key: key.to_owned(), source }),
        }
    }

    /// Reads blocks, nearby ones of an object with one request, at most 32 MiB ahead.
    ///
    /// They come object by object in the order in which the entries first name the objects, and within an object by byte offset; an error ends
    /// the stream. [`Error::Corrupt`] names the object and the byte.
    pub fn read_blocks(
        &self,
        entries: &[BlockEntry],
    ) -> impl Stream<Item = Result<(BlockEntry, Block)>> + Send + use<> {
        segment::read_blocks(self.objects.clone(), entries)
    }
}
