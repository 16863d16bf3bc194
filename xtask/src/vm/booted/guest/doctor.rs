//! `nginx-probe doctor` in the very sandbox that the agent runs in: a copy of its unit, with every
//! drop-in, that starts `doctor` instead.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nginx_probe_tests::metrics;
use serde_json::Value;

use super::host::{AGENT, Host, outcome, run, show, write_unit};
use super::install::functions;
use super::report::Report;

const UNIT: &str = "host-test-doctor.service";
const SAID: &str = "/run/host-test-doctor.json";
/// Settings about how the service goes on, which a command that ends has not.
const LEFT_OUT: [&str; 9] = [
    "ExecStart",
    "ExecReload",
    "Type",
    "Restart",
    "RestartSec",
    "WatchdogSec",
    "NotifyAccess",
    "StandardOutput",
    "Sockets",
];

/// What the doctor says there, compared with what the agent says of its sources.
pub(super) fn in_the_sandbox(host: &mut Host, report: &mut Report) -> Result<()> {
    let unit = run("systemctl", &["cat", AGENT])?;
    write_unit(&Path::new("/run/systemd/system").join(UNIT), &copy(&unit))?;
    // It ends with status 1 when something is wrong.
    outcome("systemctl", &["start", UNIT])?;
    let status = show(UNIT, "ExecMainStatus")?;
    let said = fs::read_to_string(SAID).with_context(|| format!("reading {SAID}"))?;
    let said: Value = serde_json::from_str(&said)
        .with_context(|| format!("the doctor ended with {status} and wrote {said:?}"))?;

    let (functions, why) = functions()?;
    let expected = if functions { "0" } else { "1" };
    report.equal("the doctor's exit status", &expected.to_owned(), &status);
    for check in checks(&said) {
        let wrong = check["ok"] != true;
        let name = check["name"].as_str().unwrap_or_default();
        if name == "error_path" && !functions {
            report.check(&format!("the doctor says that {why}"), wrong, check);
            let fix = check["fix"].as_str().unwrap_or_default();
            report.check(
                "the doctor says how error_path can be had",
                fix.contains("CAP_SYS_ADMIN"),
                check,
            );
        } else {
            report.check(&format!("the doctor's {name} is well"), !wrong, check);
        }
    }
    let text = host.metrics()?;
    for source in said["sources"].as_array().into_iter().flatten() {
        let name = source["name"].as_str().unwrap_or_default();
        let up = metrics::sum(&text, "nginx_probe_source_up", &[("source", name)]);
        let agrees = up.is_some_and(|up| (up > 0.5) == (source["ok"] == true));
        if !agrees {
            report.check(
                &format!("the doctor and the agent agree about {name}"),
                false,
                format!("source_up is {up:?}, and the doctor says {source}"),
            );
        }
    }
    Ok(())
}

/// Every check of the doctor's report.
fn checks(said: &Value) -> impl Iterator<Item = &Value> {
    ["host", "sources", "nginx"]
        .into_iter()
        .filter_map(|part| said[part].as_array())
        .flatten()
}

/// A unit that runs the doctor as the text of `unit` (all its files) runs the agent.
fn copy(unit: &str) -> String {
    let mut text = String::new();
    let mut goes_on = false;
    let mut program = "/usr/bin/nginx-probe";
    for line in unit.lines() {
        let setting = line.split_once('=').map(|(name, _)| name.trim());
        let is_left_out = goes_on || setting.is_some_and(|name| LEFT_OUT.contains(&name));
        if setting == Some("ExecStart") && !goes_on {
            let words = line.split_once('=').map(|(_, words)| words.trim());
            program = words
                .and_then(|words| words.split_whitespace().next())
                .unwrap_or(program);
        }
        goes_on = is_left_out && line.ends_with('\\');
        // A socket's or a target's section is not of this unit.
        if !is_left_out {
            text.push_str(line);
            text.push('\n');
        }
    }
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "[Service]\nType=oneshot\nExecStart={program} doctor --output json\nStandardOutput=truncate:{SAID}"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_has_the_sandbox_and_another_command() {
        let unit = "# /lib/systemd/system/nginx-probe.service\n[Service]\nType=notify\n\
                    ExecStart=/usr/bin/nginx-probe run \\\n    --output json\nWatchdogSec=30\n\
                    NoNewPrivileges=yes\nSystemCallFilter=@system-service bpf\n\n\
                    # /etc/systemd/system/nginx-probe.service.d/a.conf\n[Service]\n\
                    CapabilityBoundingSet=CAP_SYS_ADMIN\n";
        let copy = copy(unit);
        for kept in [
            "NoNewPrivileges=yes",
            "SystemCallFilter=@system-service bpf",
            "CapabilityBoundingSet=CAP_SYS_ADMIN",
            "ExecStart=/usr/bin/nginx-probe doctor --output json",
        ] {
            assert!(copy.lines().any(|line| line == kept), "{kept}: {copy}");
        }
        for gone in ["Type=notify", "WatchdogSec=30", "    --output json"] {
            assert!(copy.lines().all(|line| line != gone), "{gone}: {copy}");
        }
        assert_eq!(copy.matches("ExecStart=").count(), 1, "{copy}");
    }
}
