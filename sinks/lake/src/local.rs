//! Objects in a local directory that are durable when a put returns.

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart, local::LocalFileSystem, path::Path,
};
use std::{
    collections::HashSet,
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    ops::Range,
    path::{self, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

const NAME: &str = "DurableLocal";

/// A directory as an object store whose puts survive the loss of power: an object is synced before it has its name, and its directory before
/// the put returns. [`LocalFileSystem`] (which reads, lists and deletes here) leaves both to the operating system, so that the
/// catalog could name an object that is empty after a crash.
#[derive(Clone, Debug)]
pub struct DurableLocal {
    inner: Arc<LocalFileSystem>,
    directories: Arc<Directories>,
}

impl DurableLocal {
    /// Objects under `root`, which is made where it is missing.
    ///
    /// # Errors
    /// The directory cannot be made or found.
    pub fn new(root: impl AsRef<path::Path>) -> io::Result<Self> {
        fs::create_dir_all(&root)?;
        let root = root.as_ref().canonicalize()?;
        let inner = LocalFileSystem::new_with_prefix(&root).map_err(io::Error::other)?;
        Ok(Self { inner: Arc::new(inner), directories: Arc::new(Directories { root, known: Mutex::default() }) })
    }
}

impl fmt::Display for DurableLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME}({})", self.directories.root.display())
    }
}

#[async_trait]
impl ObjectStore for DurableLocal {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let create = match options.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => {
                let operation = "a put with mode Update".to_owned();
                return Err(Error::NotImplemented { operation, implementer: NAME.to_owned() });
            }
        };
        let path = self.inner.path_to_filesystem(location)?;
        let directories = self.directories.clone();
        blocking(path, move |path| put(&directories, path, &payload, create)).await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let path = self.inner.path_to_filesystem(location)?;
        let inner = self.inner.put_multipart_opts(location, options).await?;
        Ok(Box::new(Upload { inner, path, directories: self.directories.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        // A name that comes back after a crash is an orphan, and those are looked for.
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await?;
        let directories = self.directories.clone();
        blocking(self.inner.path_to_filesystem(to)?, move |path| directories.sync_file(path)).await
    }
}

/// Writes a file beside its place, syncs it, gives it its name, syncs the directory.
fn put(directories: &Directories, path: &path::Path, payload: &PutPayload, create: bool) -> io::Result<()> {
    directories.make_parent(path)?;
    let (mut file, staged) = stage(path)?;
    let named =
        payload.iter().try_for_each(|part| file.write_all(part)).and_then(|()| file.sync_data()).and_then(|()| {
            // A link fails where the name is taken; a rename takes it over.
            if create { fs::hard_link(&staged, path) } else { fs::rename(&staged, path) }
        });
    if create || named.is_err() {
        let _ = fs::remove_file(&staged);
    }
    match &named {
        // Whoever put it may have died before its name was durable.
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(_) => return named,
    }
    directories.sync_parent(path)?;
    named
}

/// A file for the bytes of `path`. Names that end in `#` and digits are skipped by [`LocalFileSystem`] when it lists.
fn stage(path: &path::Path) -> io::Result<(File, PathBuf)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let mut staged = path.as_os_str().to_owned();
        staged.push(format!("#{}{:06}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        match OpenOptions::new().write(true).create_new(true).open(&staged) {
            Ok(file) => return Ok((file, staged.into())),
            // Left behind by a process of the same number.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// The directories under the root, and which of them are known to be durable.
#[derive(Debug)]
struct Directories {
    root: PathBuf,
    known: Mutex<HashSet<PathBuf>>,
}

impl Directories {
    /// Makes the directory of `path`, and every new name on the way durable.
    fn make_parent(&self, path: &path::Path) -> io::Result<()> {
        let Some(parent) = path.parent() else { return Ok(()) };
        let known = |path: &path::Path| self.known.lock().unwrap_or_else(|error| error.into_inner()).contains(path);
        if known(parent) && parent.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(parent)?;
        for directory in parent.ancestors().take_while(|directory| directory.starts_with(&self.root)) {
            sync_directory(directory)?;
        }
        self.known.lock().unwrap_or_else(|error| error.into_inner()).insert(parent.to_owned());
        Ok(())
    }

    fn sync_parent(&self, path: &path::Path) -> io::Result<()> {
        path.parent().map_or(Ok(()), sync_directory)
    }

    /// Syncs a file that has its name already.
    fn sync_file(&self, path: &path::Path) -> io::Result<()> {
        File::open(path)?.sync_data()?;
        self.make_parent(path)?;
        self.sync_parent(path)
    }
}

/// Makes the names in a directory durable. Windows has no such call, and needs none: NTFS journals names.
fn sync_directory(path: &path::Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// An upload in parts that is synced when it is complete. Its name may be there first, torn by a crash: it is no object that the catalog names.
#[derive(Debug)]
struct Upload {
    inner: Box<dyn MultipartUpload>,
    path: PathBuf,
    directories: Arc<Directories>,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.inner.complete().await?;
        let directories = self.directories.clone();
        blocking(self.path.clone(), move |path| directories.sync_file(path)).await?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

/// Runs file work where it may block.
async fn blocking(path: PathBuf, work: impl FnOnce(&path::Path) -> io::Result<()> + Send + 'static) -> Result<()> {
    let result = tokio::task::spawn_blocking(move || {
        let result = work(&path);
        (path, result)
    });
    let (path, result) = result.await.map_err(|source| Error::JoinError { source })?;
    result.map_err(|error| {
        let name = path.display().to_string();
        match error.kind() {
            ErrorKind::AlreadyExists => Error::AlreadyExists { path: name, source: error.into() },
            ErrorKind::NotFound => Error::NotFound { path: name, source: error.into() },
            ErrorKind::PermissionDenied => Error::PermissionDenied { path: name, source: error.into() },
            _ => Error::Generic {
                store: NAME,
                source: Box::new(io::Error::new(error.kind(), format!("{name}: {error}"))),
            },
        }
    })
}
