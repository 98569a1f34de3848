//! What a block that cannot be decoded does to a query.

use std::{fmt, str::FromStr};

/// What a block that cannot be decoded does to a query. It is listed in `decode_errors` either way. (A checksum that does not match always fails the
/// query: then nothing is known of what was there.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCorrupt {
    /// The query answers with the rest.
    #[default]
    Skip,
    /// The query fails and names the block.
    Error,
}

impl OnCorrupt {
    const ALL: [OnCorrupt; 2] = [OnCorrupt::Skip, OnCorrupt::Error];

    /// As settings and headers have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            OnCorrupt::Skip => "skip",
            OnCorrupt::Error => "error",
        }
    }
}

impl fmt::Display for OnCorrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for OnCorrupt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|value| value.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is neither skip nor error; say one of them"))
    }
}
