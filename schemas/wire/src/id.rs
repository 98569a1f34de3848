//! Ids are UUIDv7: unique without asking anyone, and sorted by the time they were made.

use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// A new id, from the system clock and the operating system's randomness (UUIDv7, RFC 9562).
            #[must_use]
            pub fn now_v7() -> Self {
                Self(Uuid::now_v7().into_bytes())
            }

            /// The id whose 16 bytes (network order) these are.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes of the id, network order.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        /// Lower-case hyphenated, as it is used for Kafka keys and in SQL.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Uuid::from_bytes(self.0).as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = crate::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text)
                    .map(|uuid| Self(uuid.into_bytes()))
                    .map_err(|_| crate::Error::InvalidId { text: text.chars().take(64).collect() })
            }
        }
    };
}

id! {
    /// One run of an instrumented program.
    ProcessId
}
id! {
    /// An ordered sequence of events of one process.
    StreamId
}
id! {
    /// A block; fixed when the block is opened and kept over retries, spool and recovery.
    BlockId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_printed() {
        let id = StreamId::now_v7();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        assert_eq!(id.to_string(), id.to_string().to_lowercase());
        assert_eq!(Uuid::from_bytes(*id.as_bytes()).get_version_num(), 7);
    }

    #[test]
    fn what_is_no_id_is_refused_by_its_name() {
        for text in ["", "castle", "0190163d-8694-739b-aea5-966c26f8ad9", "0190163d-8694-739b-aea5-966c26f8ad91x"] {
            let error = text.parse::<ProcessId>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{text:?} is not an id; give a UUID")), "{error}");
        }
    }

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        let ids: Vec<BlockId> = (0..1000).map(|_| BlockId::now_v7()).collect();
        assert!(ids.is_sorted());
    }
}
