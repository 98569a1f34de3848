//! What a request's headers ask for beside its statement.

use super::wire::keeps_dictionaries;
use crate::OnCorrupt;
use tonic::Status;
use tonic::metadata::MetadataMap;

/// A client says `skip` or `error` here: what a block that cannot be decoded does to its query. Without it, the server's setting holds.
pub const ON_CORRUPT_HEADER: &str = "x-framelake-on-corrupt";

/// What the headers ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) keep_dictionaries: bool,
    pub(super) on_corrupt: Option<OnCorrupt>,
}

impl Asked {
    pub(super) fn by(metadata: &MetadataMap) -> Result<Self, Status> {
        let on_corrupt = metadata.get(ON_CORRUPT_HEADER).map(|value| on_corrupt(value.to_str().unwrap_or_default()));
        Ok(Self { keep_dictionaries: keeps_dictionaries(metadata), on_corrupt: on_corrupt.transpose()? })
    }
}

pub(super) fn on_corrupt(text: &str) -> Result<OnCorrupt, Status> {
    text.parse().map_err(|reason| Status::invalid_argument(format!("{ON_CORRUPT_HEADER}: {reason}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_left_to_the_server_and_what_is_not_understood_is_refused() {
        let asked = |value: Option<&'static str>| {
            let mut metadata = MetadataMap::new();
            if let Some(value) = value {
                metadata.insert(ON_CORRUPT_HEADER, value.parse().expect("ASCII"));
            }
            Asked::by(&metadata).map(|asked| asked.on_corrupt)
        };
        assert_eq!(asked(None).expect("nothing said"), None);
        assert_eq!(asked(Some("error")).expect("said"), Some(OnCorrupt::Error));
        assert_eq!(asked(Some("skip")).expect("said"), Some(OnCorrupt::Skip));
        let status = asked(Some("explode")).expect_err("nonsense");
        assert!(status.message().contains("explode") && status.message().contains("skip"), "{status}");
    }
}
