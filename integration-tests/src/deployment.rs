//! Embedded, or on Kafka, Postgres and S3.

use crate::required;
use std::path::Path;

/// Where a server keeps things.
#[derive(Clone, Debug)]
pub enum Deployment {
    Embedded,
    Distributed { kafka: String, postgres: String, s3: String, bucket: String, prefix: String },
}

impl Deployment {
    /// The servers that `cargo xtask services up` started; `name` keeps tests apart in the bucket. One test of a run uses them: topics and catalog are shared.
    #[must_use]
    pub fn distributed(name: &str) -> Option<Self> {
        Some(Self::Distributed {
            kafka: required("FRAMELAKE_TEST_KAFKA")?,
            postgres: required("FRAMELAKE_TEST_POSTGRES")?,
            s3: required("FRAMELAKE_TEST_S3")?,
            bucket: required("FRAMELAKE_TEST_S3_BUCKET")?,
            // The same in every run: catalog and topics outlive a run too, and name these objects.
            prefix: name.to_owned(),
        })
    }

    /// The variables by which the binary is told.
    #[must_use]
    pub fn variables(&self, data_dir: &Path) -> Vec<(&'static str, String)> {
        let mut variables =
            vec![("FRAMELAKE_DATA_DIR", data_dir.display().to_string()), ("FRAMELAKE_LOG_PARTITIONS", "3".to_owned())];
        if let Self::Distributed { kafka, postgres, s3, bucket, prefix } = self {
            let variable = |name: &str| std::env::var(name).unwrap_or_default();
            variables.extend([
                ("FRAMELAKE_LOG_URL", format!("kafka://{kafka}")),
                ("FRAMELAKE_CATALOG_URL", postgres.clone()),
                ("FRAMELAKE_OBJECTS_URL", format!("s3://{bucket}/{prefix}")),
                ("FRAMELAKE_OBJECTS_ENDPOINT", s3.clone()),
                ("FRAMELAKE_OBJECTS_ACCESS_KEY_ID", variable("FRAMELAKE_TEST_S3_ACCESS_KEY_ID")),
                ("FRAMELAKE_OBJECTS_SECRET_ACCESS_KEY", variable("FRAMELAKE_TEST_S3_SECRET_ACCESS_KEY")),
            ]);
        }
        variables
    }
}
