//! The dependency rules of ARCHITECTURE.md, checked against what the manifests say (direct, non-dev dependencies).

use crate::shell::{Checked, cargo};
use anyhow::bail;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    optional: bool,
}

/// Fails with every rule that a manifest breaks.
pub(crate) fn check() -> anyhow::Result<()> {
    let text = cargo("metadata").args(["--format-version", "1", "--no-deps"]).output_text()?;
    let metadata: Metadata = serde_json::from_str(&text)?;
    let mut broken = Vec::new();
    for package in &metadata.packages {
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev")) {
            if let Some(rule) = broken_rule(&package.name, &dependency.name, dependency.optional) {
                broken.push(format!("{} must not depend on {}: {rule}", package.name, dependency.name));
            }
        }
    }
    if broken.is_empty() {
        println!("dependency rules hold in {} packages", metadata.packages.len());
        return Ok(());
    }
    bail!("{}", broken.join("\n"))
}

/// What may use anything: they measure or drive the whole.
const EXEMPT: [&str; 3] = ["framelake-bench", "framelake-bench-sdk", "framelake-integration-tests"];
const PRODUCER: [&str; 3] = ["framelake", "framelake-macros", "framelake-transport"];
const STAGES: [&str; 4] = ["framelake-gateway", "framelake-writer", "framelake-maintain", "framelake-query"];

/// The rule that `package` breaks by depending on `dependency`, if it does.
fn broken_rule(package: &str, dependency: &str, optional: bool) -> Option<&'static str> {
    if EXEMPT.contains(&package) {
        return None;
    }
    if package == "xtask" && dependency.starts_with("framelake") {
        return Some("xtask links no workspace crate, so that it builds in seconds");
    }
    if PRODUCER.contains(&package) {
        let ours = dependency == "framelake-wire" || PRODUCER.contains(&dependency);
        if dependency.starts_with("framelake") && !ours {
            return Some("what people link into their program uses only schemas/wire");
        }
        // The SDK's feature of that name takes in what happens in a program's own runtime.
        let is_interop = package == "framelake" && dependency == "tokio" && optional;
        if ["arrow", "apache-avro", "tokio", "parquet"].contains(&dependency) && !is_interop {
            return Some("what people link into their program stays light");
        }
    }
    if package == "framelake-wire" && dependency.starts_with("framelake") {
        return Some("the wire format stands alone");
    }
    let may_name_rdkafka = package == "framelake-kafka" || (package == "framelake-transport" && optional);
    if dependency == "rdkafka" && !may_name_rdkafka {
        return Some("only stream/kafka and the SDK's Kafka feature name rdkafka");
    }
    if (dependency.starts_with("datafusion")) && !["framelake-query", "framelake-server"].contains(&package) {
        return Some("only views/query and server name DataFusion");
    }
    if STAGES.contains(&package) && STAGES.contains(&dependency) {
        return Some("a stage touches the stores on its left and right, never another stage");
    }
    if ["framelake-log", "framelake-lake"].contains(&package) && STAGES.contains(&dependency) {
        return Some("stores know no stage");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::broken_rule;

    #[test]
    fn rules_refuse_what_they_name_and_nothing_else() {
        let broken = |package, dependency| broken_rule(package, dependency, false).is_some();
        assert!(broken("framelake", "tokio") && broken_rule("framelake", "tokio", true).is_none());
        assert!(broken("framelake", "framelake-log"));
        assert!(broken("framelake-transport", "rdkafka"));
        assert!(broken("framelake-writer", "framelake-gateway"));
        assert!(broken("framelake-lake", "datafusion"));
        assert!(broken("xtask", "framelake-wire"));
        assert!(!broken("framelake", "framelake-wire"));
        assert!(!broken("framelake-query", "datafusion"));
        assert!(!broken("framelake-writer", "framelake-lake"));
        assert!(broken_rule("framelake-transport", "rdkafka", true).is_none());
    }
}
