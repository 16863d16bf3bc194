//! The host before the package, the package's installation, and the sources after it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nginx_probe_tests::metrics;
use nginx_probe_tests::wait::{DEADLINE, until_true};

use super::host::{AGENT, Host, INSTANCE, NGINX, outcome, run, show, write_unit};
use super::report::Report;
use crate::vm::booted::{DROP_IN, FOLDER, OTHER_UNIT, PACKAGE};

/// What an administrator's own files of the unit are called.
pub(super) const UNIT_FILE: &str = "/etc/systemd/system/nginx-probe.service";
pub(super) const DROP_INS: &str = "/etc/systemd/system/nginx-probe.service.d";
/// Each answer is to be a record: then none is counted twice, or not at all, unseen.
const RESPONSES: &str = "[Service]\nEnvironment=NGINX_PROBE_RESPONSES=true\n";
/// Since which Linux functions are attached to by `uprobe_multi`, without `CAP_SYS_ADMIN`.
const UPROBE_MULTI: (u32, u32) = (6, 6);

/// A booted host with nginx, as Debian makes it.
pub(super) fn host(host: &mut Host, report: &mut Report) -> Result<()> {
    for (program, arguments) in [("uname", &["-r"][..]), ("systemctl", &["--version"])] {
        let said = run(program, arguments)?;
        println!("{}", said.lines().next().unwrap_or_default());
    }
    let version = outcome("nginx", &["-v"])?;
    println!("{}", version.stderr.trim());
    let controllers = Path::new("/sys/fs/cgroup/cgroup.controllers");
    report.check(
        "control groups have version 2",
        controllers.is_file(),
        format!("there is no {}", controllers.display()),
    );
    let state = outcome("systemctl", &["is-system-running", "--wait"])?;
    let state = state.stdout.trim().to_owned();
    let failed = outcome("systemctl", &["--failed", "--no-legend", "--plain"])?;
    report.check(
        "every unit of the host runs",
        state == "running",
        format!("{state}: {}", failed.stdout.trim()),
    );
    host.serve()?;
    report.equal(
        "nginx is",
        &"active".to_owned(),
        &show(NGINX, "ActiveState")?,
    );
    Ok(())
}

/// The package, installed as an operator does.
pub(super) fn package(host: &mut Host, report: &mut Report) -> Result<()> {
    let brought = |name: &str| fs::read_to_string(Path::new(FOLDER).join(name)).ok();
    if let Some(unit) = brought(OTHER_UNIT) {
        println!("with another unit than the package's");
        write_unit(Path::new(UNIT_FILE), &unit)?;
    }
    let drop_ins = Path::new(DROP_INS);
    if let Some(drop_in) = brought(DROP_IN) {
        println!("with a drop-in");
        write_unit(&drop_ins.join("50-brought.conf"), &drop_in)?;
    }
    write_unit(&drop_ins.join("90-responses.conf"), RESPONSES)?;

    let package = format!("{FOLDER}/{PACKAGE}");
    let installed = outcome("dpkg", &["--install", &package])?;
    report.check(
        "dpkg installs the package",
        installed.code == Some(0),
        format!("{}{}", installed.stdout, installed.stderr),
    );
    host.set_installed(true);
    let started = outcome("systemctl", &["enable", "--now", AGENT])?;
    report.check(
        "systemd starts the agent",
        started.code == Some(0),
        started.stderr.trim(),
    );
    for (property, expected) in [
        ("ActiveState", "active"),
        ("SubState", "running"),
        ("UnitFileState", "enabled"),
    ] {
        let seen = show(AGENT, property)?;
        report.equal(
            &format!("{property} of the agent's unit is {expected}"),
            &expected.to_owned(),
            &seen,
        );
    }
    ensure!(started.code == Some(0), "the agent does not run");
    host.wait_agent()?;
    let up = metrics::sum(&host.metrics()?, "nginx_workers", &[("nginx", INSTANCE)]);
    report.check(
        "the agent follows Debian's nginx",
        up.is_some_and(|workers| workers > 0.0),
        format!("nginx_workers is {up:?}"),
    );
    host.take_counts()
}

/// Every source, before a reload of nginx and after it.
pub(super) fn sources(host: &mut Host, report: &mut Report) -> Result<()> {
    compare_sources(host, report, "at the start")?;
    run("systemctl", &["reload", NGINX])?;
    host.expect(report, &[("reload ok", 1)])?;
    compare_sources(host, report, "after a reload")?;
    run("systemctl", &["restart", NGINX])?;
    host.wait_served()?;
    compare_sources(host, report, "after a restart of nginx")
}

/// Whether functions of nginx can be attached to here, and why.
pub(super) fn functions() -> Result<(bool, String)> {
    let release = run("uname", &["-r"])?;
    let version = version(&release).with_context(|| format!("reading {release}"))?;
    let capabilities = show(AGENT, "CapabilityBoundingSet")?;
    let administrator = capabilities
        .split_whitespace()
        .any(|name| name == "cap_sys_admin");
    Ok(match (version >= UPROBE_MULTI, administrator) {
        (true, _) => (true, "the kernel has uprobe_multi".into()),
        (false, true) => (true, "the unit has CAP_SYS_ADMIN".into()),
        (false, false) => (
            false,
            "the kernel has no uprobe_multi, and the unit no CAP_SYS_ADMIN".into(),
        ),
    })
}

fn compare_sources(host: &Host, report: &mut Report, when: &str) -> Result<()> {
    let (functions, why) = functions()?;
    let expected = |source: &str| source != "error_path" || functions;
    let mut wrong = BTreeMap::new();
    let mut count = 0;
    // A source may be up a moment after nginx is.
    let waited = until_true("the sources", DEADLINE, || {
        let sources = metrics::by_label(&host.metrics()?, "nginx_probe_source_up", "source");
        count = sources.len();
        wrong = sources;
        wrong.retain(|source, up| (*up > 0.5) != expected(source));
        Ok(count > 0 && wrong.is_empty())
    });
    let but = if functions {
        String::new()
    } else {
        format!(" but error_path ({why})")
    };
    let wrong: Vec<_> = wrong
        .iter()
        .map(|(source, up)| format!("{source} is {up}"))
        .collect();
    report.check(
        &format!("{when} all of {count} sources are up{but}"),
        waited.is_ok(),
        wrong.join(", "),
    );
    Ok(())
}

/// The first two numbers of a kernel's release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(['.', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernels_version_is_read_from_its_release() {
        assert_eq!(version("6.1.0-57-cloud-amd64\n"), Some((6, 1)));
        assert_eq!(version("7.3-rc1"), Some((7, 3)));
        assert_eq!(version("none"), None);
    }
}
