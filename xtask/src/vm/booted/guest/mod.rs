//! What runs in the guest: one part after the other, each of which does something to the host and
//! compares what the agent says of it.

mod answers;
mod counts;
mod deaths;
mod doctor;
mod host;
mod install;
mod journal;
mod logs;
mod outages;
mod remove;
mod report;

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Result, bail};

use self::host::Host;
use self::report::Report;
use super::{FOLDER, PARTS};
use crate::vm::init::MARK;

/// One part of the test.
struct Part {
    name: &'static str,
    act: fn(&mut Host, &mut Report) -> Result<()>,
    need: Need,
}

/// What a part is to the others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Without it nothing else can be tried.
    Always,
    /// It stands by itself.
    Alone,
}

const ALL: &[Part] = &[
    always("host", install::host),
    always("install", install::package),
    alone("sources", install::sources),
    alone("doctor", doctor::in_the_sandbox),
    alone("cycle", answers::cycle),
    alone("refused", answers::refused),
    alone("upstream", answers::upstream),
    alone("kill", deaths::kill),
    alone("crash", deaths::crash),
    alone("logrotate", logs::rotate),
    alone("burst", logs::burst),
    alone("reload-bad", outages::reload),
    alone("restart-bad", outages::restart),
    alone("oom", outages::oom),
    alone("upgrade", remove::upgrade),
    alone("purge", remove::purge),
];

const fn always(name: &'static str, act: fn(&mut Host, &mut Report) -> Result<()>) -> Part {
    let need = Need::Always;
    Part { name, act, need }
}

const fn alone(name: &'static str, act: fn(&mut Host, &mut Report) -> Result<()>) -> Part {
    let need = Need::Alone;
    Part { name, act, need }
}

/// Fails when one of the names is no part's.
pub(super) fn check_names(names: &[String]) -> Result<()> {
    let unknown = names
        .iter()
        .find(|name| ALL.iter().all(|part| part.name != name.as_str()));
    if let Some(unknown) = unknown {
        let known: Vec<_> = ALL.iter().map(|part| part.name).collect();
        bail!("{unknown} is no part of the test: {}", known.join(", "));
    }
    Ok(())
}

/// Runs the parts, and tells the console of each.
///
/// # Errors
/// When the host cannot be prepared for them.
pub(crate) fn run() -> Result<()> {
    let wanted = fs::read_to_string(Path::new(FOLDER).join(PARTS)).unwrap_or_default();
    let wanted: Vec<&str> = wanted.lines().collect();
    let mut host = Host::new()?;
    // systemd may have asked the console what it is: that is no line of ours.
    println!();
    for part in ALL {
        let chosen = wanted.is_empty() || wanted.contains(&part.name);
        if part.need == Need::Alone && !chosen {
            continue;
        }
        println!("{MARK} begin {}", part.name);
        let failed = one(part, &mut host);
        println!("{MARK} end {} {}", part.name, i32::from(failed));
        if failed && part.need == Need::Always {
            println!("without this part the others cannot be tried");
            break;
        }
    }
    println!("{MARK} done");
    Ok(())
}

/// Runs one part; gives whether something failed.
fn one(part: &Part, host: &mut Host) -> bool {
    let mut report = Report::default();
    let began = SystemTime::now();
    if let Err(error) = (part.act)(host, &mut report) {
        report.check("the part comes to its end", false, format!("{error:#}"));
    }
    if host.is_installed() {
        match host.restarts() {
            Ok(restarts) => report.equal("restarts of the agent by systemd", &0, &restarts),
            Err(error) => report.check("systemd tells of restarts", false, format!("{error:#}")),
        }
    }
    if report.failed() > 0 {
        for line in host.said_since(began) {
            println!("    | {line}");
        }
    }
    println!("{}", report.result());
    report.failed() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_parts_is_refused() {
        assert!(check_names(&["crash".to_owned()]).is_ok());
        let error = check_names(&["no-such".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("no-such is no part"), "{error}");
    }

    #[test]
    fn each_part_has_a_name_of_its_own_that_is_one_word() {
        for part in ALL {
            assert!(!part.name.contains(char::is_whitespace));
            let same = ALL.iter().filter(|other| other.name == part.name).count();
            assert_eq!(same, 1, "{}", part.name);
        }
    }
}
