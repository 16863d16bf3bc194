//! The licenses of the crates that are linked into the agent, as their authors wrote them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::inner;
use crate::progress;

/// The members whose dependencies end in the program: the agent, and the kernel half inside it.
const ROOTS: [&str; 2] = ["nginx-probe", "nginx-probe-ebpf"];
/// How files with a license begin, in any case.
const NAMES: [&str; 5] = ["license", "licence", "copying", "notice", "unlicense"];

/// One text: for each crate its name, version, license, and the texts that it brings. A text that several
/// bring stands once.
///
/// # Errors
/// When cargo does not know the dependencies, or a text cannot be read.
pub(crate) fn text(repo: &Path, rust_target: &str) -> Result<String> {
    let mut cargo = inner::host_cargo(repo);
    cargo.args(["metadata", "--format-version", "1", "--locked"]);
    cargo.args(["--features", "nginx-probe-ebpf/programs"]);
    cargo.args(["--filter-platform", rust_target]);
    let said = progress::output(&mut cargo).context("asking cargo for the dependencies")?;
    let metadata: Value = serde_json::from_str(&said).context("reading cargo's metadata")?;
    let linked = linked(&metadata)?;
    let mut crates = String::new();
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in list(&metadata, "packages") {
        let field = |name| {
            package
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        if !linked.contains(field("id")) || package.get("source").is_none_or(Value::is_null) {
            continue;
        }
        let name = format!("{} {}", field("name"), field("version"));
        let _ = writeln!(crates, "{name}: {}", field("license"));
        let folder = Path::new(field("manifest_path")).parent();
        for text in folder.map(license_files).transpose()?.unwrap_or_default() {
            texts.entry(text).or_default().insert(name.clone());
        }
    }
    if crates.is_empty() {
        bail!("cargo names no crate that is linked into the agent");
    }
    let mut all =
        format!("The crates that are linked into nginx-probe, and their licenses:\n\n{crates}");
    for (text, of) in texts {
        let names: Vec<&str> = of.iter().map(String::as_str).collect();
        let _ = write!(
            all,
            "\n{}\n{}\n\n{}\n",
            "=".repeat(78),
            names.join(", "),
            text.trim_end()
        );
    }
    Ok(all)
}

/// The identities of all packages that the roots need to run; what only builds or tests is left out.
fn linked(metadata: &Value) -> Result<BTreeSet<String>> {
    let packages = list(metadata, "packages");
    let is_root = |package: &&Value| {
        let name = package.get("name").and_then(Value::as_str);
        name.is_some_and(|name| ROOTS.contains(&name))
    };
    let mut waiting: Vec<&str> = packages.iter().filter(is_root).filter_map(id).collect();
    if waiting.len() != ROOTS.len() {
        bail!("cargo's metadata lacks one of {}", ROOTS.join(" and "));
    }
    let nodes = metadata.pointer("/resolve/nodes").and_then(Value::as_array);
    let nodes: BTreeMap<&str, &Value> = nodes
        .into_iter()
        .flatten()
        .filter_map(|node| Some((id(node)?, node)))
        .collect();
    let mut found = BTreeSet::new();
    while let Some(next) = waiting.pop() {
        if !found.insert(next.to_owned()) {
            continue;
        }
        let Some(node) = nodes.get(next) else {
            continue;
        };
        let needed = list(node, "deps").iter().filter(|needed| {
            let kinds = list(needed, "dep_kinds");
            kinds
                .iter()
                .any(|kind| kind.get("kind").is_none_or(Value::is_null))
        });
        waiting.extend(needed.filter_map(|needed| needed.get("pkg")?.as_str()));
    }
    Ok(found)
}

fn id(value: &Value) -> Option<&str> {
    value.get("id")?.as_str()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let list = value.get(name).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

/// The texts of a crate's license files.
fn license_files(folder: &Path) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("listing {}", folder.display()))?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if NAMES.iter().any(|begins| name.starts_with(begins)) && entry.path().is_file() {
            let text = fs::read(entry.path());
            let text = text.with_context(|| format!("reading {}", entry.path().display()))?;
            texts.push(String::from_utf8_lossy(&text).replace('\r', ""));
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_only_builds_or_tests_is_not_linked() {
        let dep = |name: &str, kind: Value| json!({"pkg": name, "dep_kinds": [{"kind": kind}]});
        let metadata = json!({
            "packages": [
                {"name": "nginx-probe", "id": "a"}, {"name": "nginx-probe-ebpf", "id": "e"},
                {"name": "other", "id": "o"},
            ],
            "resolve": {"nodes": [
                {"id": "a", "deps": [dep("l", Value::Null), dep("t", json!("dev")), dep("b", json!("build"))]},
                {"id": "l", "deps": [dep("m", Value::Null), dep("a", Value::Null)]},
                {"id": "o", "deps": [dep("p", Value::Null)]},
            ]},
        });
        let found: Vec<String> = linked(&metadata).unwrap().into_iter().collect();
        assert_eq!(found, ["a", "e", "l", "m"]);
    }
}
