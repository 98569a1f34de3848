//! Why bytes from outside were refused.

/// The result of reading bytes from outside.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why bytes were refused. None of these can be helped by trying again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not an id.
    #[error("{text:?} is not an id; give a UUID such as 0190163d-8694-739b-aea5-966c26f8ad91")]
    InvalidId {
        /// What was given, at most 64 characters of it.
        text: String,
    },
    /// The bytes end before the field does.
    #[error("truncated: {field} needs {needed} bytes, {left} are left")]
    Truncated {
        /// The field that was being read.
        field: &'static str,
        /// Bytes it needs.
        needed: u64,
        /// Bytes there were.
        left: u64,
    },
    /// A value that no writer of ours produces.
    #[error("invalid {field}: {reason}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A size beyond its limit.
    #[error("{field} is {actual}, over the limit of {limit}")]
    TooLarge {
        /// The field.
        field: &'static str,
        /// Its size.
        actual: u64,
        /// The limit.
        limit: u64,
    },
    /// The record's schema is none of ours.
    #[error(
        "unknown schema: fingerprint {fingerprint:016x}; records are Avro single objects of the schemas in schemas/avro"
    )]
    UnknownSchema {
        /// The CRC-64-AVRO fingerprint that the record names.
        fingerprint: u64,
    },
    /// Header or payload are not what was sealed.
    #[error("checksum mismatch: the record says {expected:08x}, its bytes give {actual:08x}")]
    Checksum {
        /// The CRC32C in the record.
        expected: u32,
        /// The CRC32C of its bytes.
        actual: u32,
    },
    /// A layout from before the format was frozen.
    #[error(
        "block format {version} is a draft from before format 1, which nothing reads any more; record it again with an SDK of today"
    )]
    DraftFormat {
        /// The block's version.
        version: u32,
    },
    /// A layout newer than this program.
    #[error("block format {version} is newer than this program knows ({known}); upgrade it")]
    NewerFormat {
        /// The block's version.
        version: u32,
        /// The newest known one.
        known: u32,
    },
}

impl Error {
    pub(crate) fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Error::Invalid { field, reason: reason.into() }
    }

    /// `actual` where it is within `limit`.
    pub(crate) fn within(field: &'static str, actual: u64, limit: usize) -> Result<usize> {
        if actual <= limit as u64 {
            Ok(actual as usize)
        } else {
            Err(Error::TooLarge { field, actual, limit: limit as u64 })
        }
    }
}
