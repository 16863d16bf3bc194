//! The collection: one file for each fault.

mod after;
mod clients;
mod deaths;
mod exhaustion;
mod fine;
mod hidden;
mod logs;
mod modules;
mod own;
mod tls_upstreams;
mod together;
mod upstream;

use anyhow::Result;

use super::judge::Judgement;
use super::set::Set;

/// A fault: how it is caused, and what is true of it.
#[derive(Debug)]
pub(super) struct Scenario {
    /// As its file is called.
    pub(super) name: &'static str,
    /// What goes wrong, in a few words.
    pub(super) about: &'static str,
    /// Causes it, and judges what was said.
    pub(super) play: fn(Set) -> Result<Judgement>,
}

/// All of them, in the order in which they are played.
pub(super) fn all() -> impl Iterator<Item = &'static Scenario> {
    [
        upstream::ALL,
        tls_upstreams::ALL,
        hidden::ALL,
        after::ALL,
        own::ALL,
        modules::ALL,
        clients::ALL,
        logs::ALL,
        exhaustion::ALL,
        deaths::ALL,
        together::ALL,
        fine::ALL,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_a_scenario_of_its_name() -> Result<()> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/zoo/scenarios");
        let mut files = BTreeSet::new();
        for group in fs::read_dir(here)? {
            let group = group?.path();
            if !group.is_dir() {
                continue;
            }
            for file in fs::read_dir(group)? {
                let stem = file?.path();
                let stem = stem.file_stem().unwrap_or_default().to_string_lossy();
                if stem != "mod" {
                    assert!(files.insert(stem.replace('_', "-")), "{stem} twice");
                }
            }
        }
        let names: BTreeSet<String> = all().map(|one| one.name.to_owned()).collect();
        assert_eq!(all().count(), names.len(), "a name is there twice");
        assert_eq!(files, names);
        Ok(())
    }
}
