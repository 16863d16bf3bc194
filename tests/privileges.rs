//! What the agent gives up once it has attached: seen from outside, on each of its threads, and in what it
//! still does.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt as _, chown},
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::{
    agent::Agent,
    command::{command, finish},
    faults::Fault,
    http::{self, Answer, get},
    nginx::Nginx,
    records::is_exit,
    wait::{DEADLINE, until_true},
};
use tempfile::TempDir;

/// `nobody`, whom every Linux knows.
const NOBODY: u32 = 65534;
/// Capabilities that no thread has any business with after attaching: `CAP_SETPCAP`, `CAP_SETUID`,
/// `CAP_DAC_OVERRIDE`, `CAP_KILL`, `CAP_NET_ADMIN`, `CAP_SYS_MODULE`.
const NEVER: u64 = 1 << 8 | 1 << 7 | 1 << 1 | 1 << 5 | 1 << 12 | 1 << 16;
const SYS_ADMIN: u64 = 1 << 21;
const SYS_PTRACE: u64 = 1 << 19;

/// The fields of `/proc/PID/task/TID/status` of each thread, by the thread's name.
fn threads(pid: u32) -> Result<Vec<(String, BTreeMap<String, String>)>> {
    let mut all = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread that only waits for work may end.
        let Ok(text) = fs::read_to_string(task?.path().join("status")) else {
            continue;
        };
        let fields: BTreeMap<_, _> = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let name = fields.get("Name").cloned().unwrap_or_default();
        all.push((name, fields));
    }
    Ok(all)
}

fn set(fields: &BTreeMap<String, String>, name: &str) -> Result<u64> {
    let text = fields.get(name).with_context(|| format!("no {name}"))?;
    u64::from_str_radix(text, 16).with_context(|| format!("{name}: {text}"))
}

/// Every thread has given up what it should, and is this user's.
fn ensure_settled(agent: &Agent, uid: u32) -> Result<()> {
    let threads = threads(agent.pid())?;
    for (name, fields) in &threads {
        let says = |field: &str| fields.get(field).map(String::as_str);
        ensure!(says("NoNewPrivs") == Some("1"), "{name}: {fields:?}");
        ensure!(says("Seccomp") == Some("2"), "{name}: {fields:?}");
        let ids = format!("{uid}\t{uid}\t{uid}\t{uid}");
        ensure!(says("Uid") == Some(&ids), "{name}: {fields:?}");
        ensure!(says("Gid") == Some(&ids), "{name}: {fields:?}");
        for which in ["CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"] {
            let left = set(fields, which)?;
            ensure!(left & NEVER == 0, "{name} has {which} {left:x}");
            if ["writer", "recording"].contains(&name.as_str()) {
                ensure!(left == 0, "{name} has {which} {left:x}");
            }
        }
        if ["listen_queue", "backends"].contains(&name.as_str()) {
            ensure!(
                set(fields, "CapEff")? & SYS_ADMIN != 0,
                "{name}: {fields:?}"
            );
        }
    }
    let names: Vec<_> = threads.iter().map(|(name, _)| name.as_str()).collect();
    for name in [
        "nginx-probe",
        "writer",
        "listen_queue",
        "backends",
        "recording",
    ] {
        ensure!(names.contains(&name), "no thread {name} in {names:?}");
    }
    Ok(())
}

/// A folder that `owner` may use, below one that anybody may enter.
fn folder_of(owner: u32) -> Result<(TempDir, std::path::PathBuf)> {
    let top = tempfile::tempdir()?;
    fs::set_permissions(
        top.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )?;
    let folder = top.path().join("state");
    fs::create_dir(&folder)?;
    chown(&folder, Some(owner), Some(owner))?;
    Ok((top, folder))
}

#[test]
fn every_thread_has_given_up_what_it_does_not_need() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let folder = tempfile::tempdir()?;
    let recording = folder.path().join("recording");
    let agent = Agent::start([
        "--pid-file".as_ref(),
        nginx.pid_file().as_os_str(),
        "--record".as_ref(),
        recording.as_os_str(),
        "--stub-status-every=100ms".as_ref(),
    ])?;
    agent.explain(ensure_settled(&agent, 0))?;
    // Threads that are started later too.
    http::get_text(nginx.port(), "/")?;
    agent.metrics()?;
    let main = threads(agent.pid())?;
    let main = main.iter().find(|(name, _)| name == "nginx-probe");
    let (_, fields) = main.context("the main thread")?;
    ensure!(set(fields, "CapEff")? & SYS_PTRACE != 0, "{fields:?}");
    agent.explain(ensure_settled(&agent, 0))?;
    agent.stop().map(drop)
}

/// The capabilities that the unit keeps, as `setpriv` names them: `+bpf`.
fn of_unit() -> Result<Vec<String>> {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/nginx-probe.service");
    let unit = fs::read_to_string(unit)?;
    let kept = unit
        .lines()
        .find_map(|line| line.strip_prefix("CapabilityBoundingSet="))
        .context("no CapabilityBoundingSet")?;
    let name = |name: &str| Some(format!("+{}", name.strip_prefix("CAP_")?.to_lowercase()));
    kept.split_whitespace()
        .map(|word| name(word).with_context(|| format!("{word} is no capability")))
        .collect()
}

#[test]
fn what_the_unit_keeps_is_enough_for_every_source() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let kept = of_unit()?.join(",");
    let mut setpriv = Command::new("setpriv");
    setpriv.arg(format!("--bounding-set=-all,{kept}"));
    setpriv.args(["--inh-caps=-all", "--no-new-privs"]);
    let agent = Agent::start_by(
        setpriv,
        ["--pid-file".as_ref(), nginx.pid_file().as_os_str()],
    )?;
    let limits = threads(agent.pid())?;
    for (name, fields) in &limits {
        let bounding = set(fields, "CapBnd")?;
        ensure!(bounding & SYS_ADMIN == 0, "{name} may have {bounding:x}");
    }
    assert_eq!(get(nginx.port(), "/fail"), Answer::Status(500));
    let down = || -> Result<Vec<String>> {
        let metrics = agent.metrics()?;
        let down = metrics
            .lines()
            .filter(|line| line.starts_with("nginx_probe_source_up{") && line.ends_with(" 0"));
        Ok(down.map(str::to_owned).collect())
    };
    // Before 6.6 it takes CAP_SYS_ADMIN to attach to functions.
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut numbers = release.split('.').flat_map(str::parse::<u32>);
    let has_links = (numbers.next(), numbers.next()) >= (Some(6), Some(6));
    let without = |line: &String| !has_links && line.contains("\"error_path\"");
    let outcome = until_true("every source", DEADLINE, || Ok(down()?.iter().all(without)));
    agent.explain(outcome.with_context(|| format!("{:?}", down())))?;
    agent.stop().map(drop)
}

#[test]
fn without_uprobes_the_main_thread_keeps_no_sys_admin() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::start([
        "--pid-file".as_ref(),
        nginx.pid_file().as_os_str(),
        "--no-uprobes".as_ref(),
    ])?;
    for (name, fields) in threads(agent.pid())? {
        if name == "nginx-probe" {
            for which in ["CapEff", "CapPrm", "CapBnd"] {
                ensure!(set(&fields, which)? & SYS_ADMIN == 0, "{fields:?}");
            }
        }
    }
    agent.stop().map(drop)
}

#[test]
fn as_another_user_it_goes_on_with_all_that_it_did() -> Result<()> {
    let (_top, folder) = folder_of(NOBODY)?;
    let journal = folder.join("journal.jsonl");
    let recording = folder.join("recording");
    let nginx = Nginx::builder().start()?;
    let agent = Agent::start([
        "--user".as_ref(),
        "nobody".as_ref(),
        "--pid-file".as_ref(),
        nginx.pid_file().as_os_str(),
        "--journal".as_ref(),
        journal.as_os_str(),
        "--journal-size=4KiB".as_ref(),
        "--state".as_ref(),
        folder.as_os_str(),
        "--record".as_ref(),
        recording.as_os_str(),
    ])?;
    agent.explain(ensure_settled(&agent, NOBODY))?;
    ensure!(owner(&journal)? == NOBODY, "the journal is another's");
    // Deaths are seen, looked into, and kept in a journal that is rotated.
    let rotated = folder.join("journal.jsonl.1");
    for ends in 1..=8 {
        // No answer comes.
        drop(nginx.cause(Fault::Segv));
        let crashes = agent.wait_until("a crash of a worker", DEADLINE, |records| {
            let crashes: Vec<_> = records.iter().filter(|r| is_exit(r, "crash")).collect();
            (crashes.len() >= ends).then(|| format!("{crashes:?}"))
        })?;
        ensure!(
            crashes.contains("ngx_"),
            "the stack was not read: {crashes}"
        );
    }
    agent.explain(until_true("a rotated journal", DEADLINE, || {
        Ok(rotated.exists())
    }))?;
    ensure!(owner(&journal)? == NOBODY, "the journal is another's");
    agent.explain(until_true("positions of logs", DEADLINE, || {
        Ok(folder.join("positions.json").exists())
    }))?;
    ensure!(owner(&folder.join("positions.json"))? == NOBODY);
    agent.stop().map(drop)
}

/// How many programs the agent has attached, by the descriptors that hold them.
fn attached(agent: &Agent) -> Result<usize> {
    let folder = fs::read_dir(format!("/proc/{}/fd", agent.pid()))?;
    let links = folder
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok());
    let holds = |link: &Path| {
        let link = link.to_string_lossy();
        link.contains("perf_event") || link.contains("bpf_link") || link.contains("bpf-link")
    };
    Ok(links.filter(|link| holds(link)).count())
}

#[test]
fn an_nginx_that_comes_later_is_attached_to() -> Result<()> {
    let mut nginx = Nginx::builder().start()?;
    let pid_file = nginx.pid_file();
    nginx.quit()?;
    for arguments in [
        &[][..],
        &["--user", "nobody", "--state", "none", "--journal", "none"],
    ] {
        let mut all = vec!["--pid-file".as_ref(), pid_file.as_os_str()];
        all.extend(arguments.iter().map(AsRef::<std::ffi::OsStr>::as_ref));
        let agent = Agent::start(all)?;
        let before = attached(&agent)?;
        nginx.start_again()?;
        agent.explain(until_true(
            "a program at nginx's function",
            DEADLINE,
            || Ok(attached(&agent)? > before),
        ))?;
        nginx.quit()?;
        agent.stop()?;
    }
    Ok(())
}

fn owner(path: &Path) -> Result<u32> {
    Ok(fs::metadata(path)
        .with_context(|| path.display().to_string())?
        .uid())
}

#[test]
fn a_folder_that_the_user_cannot_write_is_named_before_anything_begins() -> Result<()> {
    let (_theirs, theirs) = folder_of(NOBODY)?;
    let (_roots, roots) = folder_of(0)?;
    let nginx = Nginx::builder().start()?;
    let refused = |journal: &Path, state: &Path, user: &str, words: &[&str]| -> Result<()> {
        let mut command = command()?;
        command
            .args(["run", "--listen", "none", "--user", user, "--pid-file"])
            .arg(nginx.pid_file())
            .arg("--journal")
            .arg(journal)
            .arg("--state")
            .arg(state);
        let finished = finish(&mut command, DEADLINE)?;
        ensure!(finished.code == Some(2), "{finished:?}");
        for word in words {
            ensure!(finished.stderr.contains(word), "{word}: {finished:?}");
        }
        Ok(())
    };
    let (own, others) = (theirs.join("j"), roots.join("j"));
    refused(
        &others,
        &theirs,
        "nobody",
        &["journal", "nobody", "install -d -o nobody", "--journal"],
    )?;
    refused(&own, &roots, "nobody", &["nobody", "--state"])?;
    refused(&own, &theirs, "no-such-user", &["--user no-such-user"])?;
    // A journal of root's in a folder of theirs could not be opened again after a rotation.
    fs::write(theirs.join("k"), "")?;
    fs::set_permissions(
        theirs.join("k"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )?;
    refused(
        &theirs.join("k"),
        &theirs,
        "nobody",
        &["journal", "chown -R nobody"],
    )?;
    ensure!(!others.exists(), "it was made nevertheless");
    ensure!(owner(&theirs.join("k"))? == 0, "it was given away");
    Ok(())
}
