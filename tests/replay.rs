//! A recording of a live agent gives the records that the agent wrote, byte for byte.

#[path = "replay/golden.rs"]
mod golden;
#[path = "replay/zoo.rs"]
mod zoo;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::command::{Finished, command, finish};
use nginx_probe_tests::http::get;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::{Signal, signal};
use nginx_probe_tests::records::{is, is_exit, opens};
use nginx_probe_tests::upstream::Upstream;
use nginx_probe_tests::wait::DEADLINE;

/// An nginx that fails in several ways, watched by an agent that records.
struct Scene {
    nginx: Nginx,
    agent: Agent,
}

impl Scene {
    fn start(recording: &Path) -> Result<Self> {
        let upstream = Upstream::failing()?.port();
        let nginx = Nginx::builder()
            .workers(1)
            .location(&format!(
                "location /app {{ proxy_pass http://127.0.0.1:{upstream}; }}
                 location = /cycle {{ rewrite ^ /cycle; }}
                 location = /return {{ return 503; }}"
            ))
            .start()?;
        let pid_file = nginx.pid_file();
        let agent = Agent::start([
            "--responses".as_ref(),
            "--incident-quiet=1s".as_ref(),
            "--record".as_ref(),
            recording.as_os_str(),
            "--pid-file".as_ref(),
            pid_file.as_os_str(),
        ])?;
        Ok(Self { nginx, agent })
    }

    /// Each failure, and the record of it.
    fn fail(&self) -> Result<()> {
        let port = self.nginx.port();
        for (path, status, cause) in [
            ("/app/a?token=secret", 500, "upstream_response"),
            ("/cycle", 500, "redirect_cycle"),
            ("/return", 503, "config_response"),
        ] {
            let _ = get(port, path);
            self.agent.wait_for(cause, |record| {
                is(record, "response") && record["cause"] == cause && record["status"] == status
            })?;
        }
        let worker = *self.nginx.workers()?.first().context("a worker")?;
        signal(worker, Signal::KILL)?;
        self.agent
            .wait_for("the death", |record| is_exit(record, "killed"))?;
        self.agent
            .wait_for("the incident", |record| opens(record, "worker_killed"))?;
        self.agent.wait_for("the end of an incident", |record| {
            is(record, "incident") && record["state"] == "closed"
        })?;
        Ok(())
    }
}

fn replay(file: &Path, output: &str) -> Result<Finished> {
    let mut command = command()?;
    command.args(["replay", "--output", output]).arg(file);
    finish(&mut command, DEADLINE)
}

#[test]
fn a_replay_gives_what_the_agent_gave() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let recording = folder.path().join("recording.jsonl");
    let scene = Scene::start(&recording)?;
    scene.fail()?;
    let live = scene.agent.stop_text()?;
    ensure!(live.lines().count() > 8, "{live}");

    let mode = fs::metadata(&recording)?.permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(&recording)?;
    assert!(!text.contains("secret"), "a query was recorded");
    let first = replay(&recording, "json")?;
    assert_eq!(first.code, Some(0), "{first:?}");
    assert_eq!(first.stdout, live, "{text}");
    assert_eq!(replay(&recording, "json")?.stdout, live);
    let shown = replay(&recording, "text")?;
    assert!(shown.stdout.contains("config_response 1"), "{shown:?}");
    // To make the fixtures anew.
    if let Some(keep) = std::env::var_os("KEEP_RECORDING") {
        fs::copy(&recording, &keep)?;
        fs::set_permissions(&keep, Permissions::from_mode(0o644))?;
        fs::write(Path::new(&keep).with_extension("out"), &live)?;
    }
    Ok(())
}

#[test]
fn a_recording_is_not_written_over() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let recording = folder.path().join("recording.jsonl");
    fs::write(&recording, "mine")?;
    let nginx = Nginx::builder().start()?;
    let mut command = command()?;
    command
        .args(["run", "--listen=none", "--journal=none", "--state=none"])
        .arg("--pid-file")
        .arg(nginx.pid_file())
        .arg("--record")
        .arg(&recording);
    let ended = finish(&mut command, DEADLINE)?;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("is there already"), "{ended:?}");
    assert_eq!(fs::read_to_string(&recording)?, "mine");
    Ok(())
}

#[test]
fn a_full_disk_ends_the_recording_and_not_the_agent() -> Result<()> {
    // A file system with room for 64 KiB.
    let folder = tempfile::tempdir()?;
    let small = SmallDisk::at(folder.path())?;
    let scene = Scene::start(&folder.path().join("recording.jsonl"))?;
    small.fill();
    let port = scene.nginx.port();
    for n in 0..400 {
        let _ = get(port, &format!("/app/{n}"));
    }
    let Scene { mut agent, nginx } = scene;
    agent.wait_stderr("the warning", |line| {
        line.contains("the recording") && line.contains("ends here")
    })?;
    let _ = get(nginx.port(), "/cycle");
    agent.wait_for("the agent going on", |record| {
        record["cause"] == "redirect_cycle"
    })?;
    agent.stop()?;
    Ok(())
}

/// A file system in memory, unmounted when dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn at(folder: &'a Path) -> Result<Self> {
        let status = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "none"])
            .arg(folder)
            .status()?;
        ensure!(status.success(), "mount: {status}");
        Ok(Self(folder))
    }

    /// Leaves no room.
    fn fill(&self) {
        let _ = fs::write(self.0.join("other"), vec![0; 64 * 1024]);
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.0)
            .status();
    }
}
