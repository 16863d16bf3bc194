//! The package's later life: a higher version, and its end.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nginx_probe_tests::bpf;

use super::host::{AGENT, Host, outcome, run, show};
use super::install::{DROP_INS, UNIT_FILE};
use super::report::Report;
use crate::vm::booted::{FOLDER, NEXT_PACKAGE};

const NAME: &str = "nginx-probe";
/// Where files of a package, a service or a user may be.
const PLACES: [&str; 6] = ["/etc", "/usr", "/var", "/run", "/opt", "/tmp"];
/// What dpkg itself and the journal keep of what once was.
const OF_OTHERS: [&str; 3] = ["/var/lib/dpkg/", "/var/log/", FOLDER];

/// A higher version, while the agent runs.
pub(super) fn upgrade(host: &mut Host, report: &mut Report) -> Result<()> {
    let before = (version()?, show(AGENT, "MainPID")?);
    let package = format!("{FOLDER}/{NEXT_PACKAGE}");
    let installed = outcome("dpkg", &["--install", &package])?;
    report.check(
        "dpkg installs the higher version",
        installed.code == Some(0),
        format!("{}{}", installed.stdout, installed.stderr),
    );
    let after = (version()?, show(AGENT, "MainPID")?);
    report.check(
        "another version runs in another process",
        before.0 != after.0 && before.1 != after.1,
        format!("{before:?}, then {after:?}"),
    );
    report.equal(
        "the agent is",
        &"active".to_owned(),
        &show(AGENT, "ActiveState")?,
    );
    report.equal(
        "the unit is",
        &"enabled".to_owned(),
        &show(AGENT, "UnitFileState")?,
    );
    host.wait_agent()?;
    // Counts of a new process.
    host.take_counts()?;
    host.ask(["/cycle/upgraded".to_owned()], 500)?;
    let mark = host.counted().clone();
    let told = host.expect(
        report,
        &[
            ("response 500 redirect_cycle", 1),
            ("incident redirect_cycle", 1),
        ],
    );
    told.with_context(|| format!("before it was {mark:?}"))
}

/// The end: nothing is left.
pub(super) fn purge(host: &mut Host, report: &mut Report) -> Result<()> {
    let pid: u32 = show(AGENT, "MainPID")?.parse()?;
    let programs = bpf::programs_of(pid)?;
    // What an administrator wrote is not the package's.
    let _ = fs::remove_file(UNIT_FILE);
    let _ = fs::remove_dir_all(DROP_INS);
    let purged = outcome("dpkg", &["--purge", NAME])?;
    report.check(
        "dpkg purges the package",
        purged.code == Some(0),
        format!("{}{}", purged.stdout, purged.stderr),
    );
    host.set_installed(false);
    let gone = bpf::ensure_gone(&programs);
    report.check(
        &format!("its {} programs are gone from the kernel", programs.len()),
        gone.is_ok(),
        gone.err()
            .map(|error| error.to_string())
            .unwrap_or_default(),
    );
    let mut left = BTreeSet::new();
    for place in PLACES {
        find(Path::new(place), &mut left);
    }
    report.check(
        "no file or folder is left",
        left.is_empty(),
        format!("{left:?}"),
    );
    run("systemctl", &["daemon-reload"])?;
    let units = run(
        "systemctl",
        &[
            "list-units",
            "--all",
            "--plain",
            "--no-legend",
            "nginx-probe*",
        ],
    )?;
    report.equal("units that are left", &"", &units.trim());
    for database in ["passwd", "group"] {
        let found = outcome("getent", &[database, NAME])?;
        let what = format!("nothing is left in {database}");
        report.check(&what, found.stdout.is_empty(), found.stdout.trim());
    }
    host.wait_served()
}

fn version() -> Result<String> {
    run("dpkg-query", &["--show", "--showformat=${Version}", NAME])
}

/// Every path below `folder` that has the package's name in its last part. Links are not followed.
fn find(folder: &Path, found: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let text = path.to_string_lossy().into_owned();
        if OF_OTHERS.iter().any(|place| text.starts_with(place)) {
            continue;
        }
        if entry.file_name().to_string_lossy().contains(NAME) {
            found.insert(text);
        } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            find(&path, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("nginx-probe.service"), "").unwrap();
        fs::write(deep.join("nginx.service"), "").unwrap();
        let mut found = BTreeSet::new();
        find(folder.path(), &mut found);
        assert_eq!(found.len(), 1);
    }
}
