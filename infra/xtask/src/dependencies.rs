//! The dependency rules of ARCHITECTURE.md, checked against what the manifests say (direct, non-dev dependencies), and how many crates the SDK brings.

use crate::shell::{Checked, cargo};
use anyhow::bail;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Most crates that a program gets with the SDK as it is by default, its own among them and those that only run while it is built.
const SDK_CRATES_MAX: usize = 40;

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
    if !broken.is_empty() {
        bail!("{}", broken.join("\n"));
    }
    println!("dependency rules hold in {} packages", metadata.packages.len());
    let tree = cargo("tree").args(["--package", "framelake", "--edges", "normal", "--prefix", "none"]).output_text()?;
    let crates = crates(&tree);
    if crates.len() > SDK_CRATES_MAX {
        let list = crates.into_iter().collect::<Vec<_>>().join("\n  ");
        bail!("the SDK brings more than {SDK_CRATES_MAX} crates: make what is new a feature or do without\n  {list}");
    }
    println!("the SDK brings {} crates, of {SDK_CRATES_MAX} that it may", crates.len());
    Ok(())
}

/// Name and version of each crate in what `cargo tree --prefix none` printed, which has some more than once.
fn crates(tree: &str) -> BTreeSet<String> {
    let named = tree.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some(format!("{} {}", words.next()?, words.next()?))
    });
    named.collect()
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
    use super::{broken_rule, crates};

    #[test]
    fn a_crate_counts_once_for_each_version() {
        let tree = "framelake v0.1.0 (/framelake)\nsyn v3.0.10\nsyn v3.0.10 (*)\nsyn v2.0.1\nthiserror-impl v2.0.21 (proc-macro)\n";
        let told: Vec<_> = crates(tree).into_iter().collect();
        assert_eq!(told, ["framelake v0.1.0", "syn v2.0.1", "syn v3.0.10", "thiserror-impl v2.0.21"]);
    }

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
