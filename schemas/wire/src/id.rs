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
