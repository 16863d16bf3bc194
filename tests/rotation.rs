//! Logs of a real nginx, followed while they are rotated under load: each line exactly once.

mod rotation {
    pub mod count;
    pub mod load;
    pub mod rotate;
}

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nginx_probe::follow::{Follower, Followers, Start};
use nginx_probe::rooted::Root;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::wait::{DEADLINE, until, until_true};

use rotation::count::{Came, Counted};
use rotation::load::Load;
use rotation::rotate::{Way, logrotate};

/// Requests of one test, on two connections.
const REQUESTS: u64 = 30_000;
/// Rotations while they are made.
const ROTATIONS: u64 = 6;

const LOCATION: &str = "location /r/ { return 204; }";

#[test]
fn rename_and_usr1_lose_and_repeat_nothing() -> Result<()> {
    let counted = rotate_under_load(&Way::Rename, LOCATION, "access.log")?;
    counted.all_answered()
}

#[test]
fn copytruncate_loses_only_what_it_loses_itself() -> Result<()> {
    rotate_under_load(&Way::CopyTruncate, LOCATION, "access.log").map(|_| ())
}

#[test]
fn logrotate_with_usr1_loses_and_repeats_nothing() -> Result<()> {
    let program = logrotate()?;
    let counted = rotate_under_load(&Way::Logrotate(program), LOCATION, "access.log")?;
    counted.all_answered()
}

#[test]
fn logrotate_with_copytruncate_loses_only_what_it_loses_itself() -> Result<()> {
    let program = logrotate()?;
    let way = Way::LogrotateCopyTruncate(program);
    rotate_under_load(&way, LOCATION, "access.log").map(|_| ())
}

#[test]
fn a_buffered_log_has_whole_lines() -> Result<()> {
    let location =
        "location /r/ { access_log buffered.log combined buffer=4k flush=100ms; return 204; }";
    let counted = rotate_under_load(&Way::Rename, location, "buffered.log")?;
    counted.all_answered()
}

/// Loads nginx, rotates its log, and restarts the follower now and then.
fn rotate_under_load(way: &Way, location: &str, name: &str) -> Result<Counted> {
    let http = "keepalive_requests 100000;";
    let nginx = Nginx::builder().http(http).location(location).start()?;
    let log = nginx.folder().join(name);
    until_true("the log", DEADLINE, || Ok(log.exists()))?;
    let mut came = Came::new(&log)?;
    let load = Load::start(nginx.port(), REQUESTS);
    let done = AtomicBool::new(false);
    let rotated = std::thread::scope(|scope| -> Result<()> {
        let rotating = scope.spawn(|| -> Result<()> {
            for round in 1..=ROTATIONS {
                until_true("the load to go on", DEADLINE, || {
                    Ok(load.answered() > round * REQUESTS / (ROTATIONS + 1))
                })?;
                way.rotate(&nginx, &log)?;
            }
            until_true("the end of the load", 3 * DEADLINE, || {
                Ok(load.answered() == REQUESTS)
            })?;
            done.store(true, Ordering::Relaxed);
            Ok(())
        });
        while !done.load(Ordering::Relaxed) && !rotating.is_finished() {
            came.follow(Duration::from_millis(50))?;
            came.restart_sometimes()?;
        }
        rotating.join().ok().context("rotating panicked")?
    });
    rotated?;
    let answered = load.stop()?;
    ensure!(answered == REQUESTS, "{answered} answers");
    came.finish(answered)
}

#[test]
fn a_log_behind_another_mount_namespace_is_watched() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("log");
    let script = format!(
        "mount -t tmpfs none '{0}' && cd '{0}' && echo first > log && \
         while read -r line; do eval \"$line\"; done",
        folder.path().display()
    );
    let mut shell = Shell::start(&["--mount", "--propagation", "private"], &script)?;
    let pid = shell.child.id();
    let root = until("the file system", DEADLINE, || {
        let root = Root::of_process(Path::new("/proc"), pid)?;
        Ok(root.stat(&log).is_ok().then_some(root))
    })?;
    ensure!(!log.exists(), "it is to be hidden from this side");

    let mut followers = Followers::new();
    followers.insert(
        "log",
        Follower::new(Arc::new(root), log.clone(), Start::End),
    );
    let mut came = Vec::new();
    wait_for(&mut followers, &mut came, "a watch", |followers, _| {
        followers.watched() == 1
    })?;
    shell.say("echo second >> log")?;
    wait_for(&mut followers, &mut came, "the line", |_, came| {
        came.len() == 1
    })?;
    shell.say("mv log log.1; echo third > log; echo late >> log.1")?;
    wait_for(&mut followers, &mut came, "both lines", |_, came| {
        came.len() == 3
    })?;
    came.sort();
    ensure!(came == ["late", "second", "third"], "{came:?}");
    ensure!(followers.take_notices().is_empty());
    Ok(())
}

#[test]
fn beyond_the_limit_of_watches_logs_are_polled_and_that_is_said() -> Result<()> {
    alone("polled_beyond_the_limit_of_watches", "max_inotify_watches")
}

#[test]
fn beyond_the_limit_of_descriptors_logs_are_polled_and_that_is_said() -> Result<()> {
    alone(
        "polled_beyond_the_limit_of_descriptors",
        "max_inotify_instances",
    )
}

/// Runs a test of this file in a user namespace of its own, with `limit` 0.
fn alone(test: &str, limit: &str) -> Result<()> {
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c"])
        .arg(format!(
            "echo 0 > /proc/sys/user/{limit} && exec \"$0\" --exact --ignored \"$1\""
        ))
        .arg(std::env::current_exe()?)
        .arg(test)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(said.contains("1 passed"), "{said}");
    Ok(())
}

#[test]
#[ignore = "needs a limit that would be everybody's: another test runs it in a namespace of its own"]
fn polled_beyond_the_limit_of_watches() -> Result<()> {
    polled("max_user_watches")
}

#[test]
#[ignore = "needs a limit that would be everybody's: another test runs it in a namespace of its own"]
fn polled_beyond_the_limit_of_descriptors() -> Result<()> {
    polled("max_user_instances")
}

fn polled(named: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let root = Arc::new(Root::at(folder.path())?);
    let mut followers = Followers::new();
    let logs = ["a", "b"];
    for name in logs {
        std::fs::write(folder.path().join(name), "")?;
        let path = Path::new("/").join(name);
        followers.insert(name, Follower::new(Arc::clone(&root), path, Start::End));
    }
    let mut came = Vec::new();
    for round in 1..=3 {
        for name in logs {
            let mut file = std::fs::OpenOptions::new()
                .append(true)
                .open(folder.path().join(name))?;
            file.write_all(b"a line\n")?;
        }
        wait_for(&mut followers, &mut came, "the lines", |_, came| {
            came.len() == 2 * round
        })?;
    }
    let notices = followers.take_notices();
    ensure!(
        notices.len() == 1 && notices[0].contains(named),
        "{notices:?}"
    );
    Ok(())
}

fn wait_for(
    followers: &mut Followers<&'static str>,
    came: &mut Vec<String>,
    what: &str,
    done: impl Fn(&Followers<&'static str>, &[String]) -> bool,
) -> Result<()> {
    until_true(what, DEADLINE, || {
        if followers.wait_blocking(Duration::from_millis(100)) {
            followers.poll(&mut rotation::count::Lines(came));
        }
        Ok(done(followers, came))
    })
}

/// A shell in namespaces of its own that does what it is told, line by line.
struct Shell {
    child: Child,
}

impl Shell {
    fn start(namespaces: &[&str], script: &str) -> Result<Self> {
        let child = Command::new("unshare")
            .args(namespaces)
            .args(["sh", "-c", script])
            .stdin(Stdio::piped())
            .spawn()
            .context("starting unshare")?;
        Ok(Self { child })
    }

    fn say(&mut self, line: &str) -> Result<()> {
        let stdin = self.child.stdin.as_mut().context("no standard input")?;
        Ok(writeln!(stdin, "{line}")?)
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
