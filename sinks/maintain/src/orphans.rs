//! Objects that nothing names, and objects that nothing may name any more.

use crate::{Error, Options, Result, Stats};
use framelake_lake::Lake;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use std::time::{Duration, SystemTime};

/// Where objects of the lake are: nothing else in the store is looked at.
pub const PREFIXES: [&str; 2] = ["segments", "views"];

/// Keys asked of the catalog at once.
const KEYS_MAX: usize = 500;

/// Tombstones forgotten in one transaction.
const TOMBSTONES_AT_ONCE: u64 = 10_000;

/// An object as a listing has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// When it was put, by the store's clock.
    pub modified: SystemTime,
}

/// The objects old enough to be orphans if the catalog does not know them. Younger ones may be on their way to a commit.
#[must_use]
pub fn plan(objects: Vec<Object>, now: SystemTime, grace: Duration) -> Vec<String> {
    let old = |object: &Object| now.duration_since(object.modified).is_ok_and(|age| age >= grace);
    objects.into_iter().filter(old).map(|object| object.key).collect()
}

/// Dooms the objects that no segment and no partition names. From then on no commit can name them; [`delete_doomed`] deletes them a grace later.
///
/// # Errors
/// Store or catalog cannot be asked.
pub async fn doom_orphans(lake: &Lake, options: &Options, stats: &Stats) -> Result<()> {
    for prefix in PREFIXES {
        let prefix = Path::from(prefix);
        let listing = lake.objects().list(Some(&prefix)).map_err(listing_failed);
        // A page at a time, so that memory does not grow with the lake.
        let mut pages = listing.try_chunks(KEYS_MAX);
        while let Some(page) = pages.try_next().await.map_err(|error| error.1)? {
            let objects = page
                .into_iter()
                .map(|meta| Object { key: meta.location.to_string(), modified: meta.last_modified.into() })
                .collect();
            let old = plan(objects, SystemTime::now(), options.orphan_grace);
            doom_unknown(lake, &old, stats).await?;
        }
    }
    Ok(())
}

async fn doom_unknown(lake: &Lake, keys: &[String], stats: &Stats) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let unknown = lake.catalog().unknown_objects(keys).await?;
    if !unknown.is_empty() {
        lake.catalog().doom(&unknown).await?;
        tracing::info!(objects = unknown.len(), first = %unknown[0], "orphans are doomed");
        stats.count(|counters| counters.orphans += unknown.len() as u64);
    }
    Ok(())
}

/// Deletes doomed objects that no query can still be reading: orphans, retired partitions, expired segments. Their keys stay doomed for
/// [`Options::tombstone_keep`], for a writer that put one of them, slept, and commits it when it wakes up.
///
/// # Errors
/// Store or catalog cannot be asked.
pub async fn delete_doomed(lake: &Lake, options: &Options, stats: &Stats) -> Result<()> {
    loop {
        let keys = lake.catalog().doomed(options.doomed_grace, KEYS_MAX as u64).await?;
        if keys.is_empty() {
            return forget_deleted(lake, options).await;
        }
        for key in &keys {
            match lake.objects().delete(&Path::from(key.as_str())).await {
                // Deleted by whoever did this before and did not come to forget it.
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(source) => return Err(Error::Objects { what: "delete doomed", source }),
            }
        }
        lake.catalog().objects_deleted(&keys).await?;
        stats.count(|counters| counters.deleted_objects += keys.len() as u64);
    }
}

async fn forget_deleted(lake: &Lake, options: &Options) -> Result<()> {
    let limit = TOMBSTONES_AT_ONCE;
    while lake.catalog().forget_deleted(options.tombstone_keep, options.tombstones_max, limit).await? == limit {}
    Ok(())
}

fn listing_failed(source: object_store::Error) -> Error {
    Error::Objects { what: "list", source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_suspect_once_it_is_older_than_the_grace() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(10_000);
        let object = |age: i64| {
            let modified =
                if age >= 0 { now - Duration::from_secs(age.unsigned_abs()) } else { now + Duration::from_secs(1) };
            Object { key: format!("segments/{age}"), modified }
        };
        let objects = vec![object(0), object(59), object(60), object(3600), object(-1)];
        assert_eq!(plan(objects, now, Duration::from_secs(60)), ["segments/60", "segments/3600"]);
    }
}
