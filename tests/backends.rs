//! Programs behind nginx that die while they serve, and those that do not.

#[path = "backends/scene.rs"]
mod scene;

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::applications::Application;
use nginx_probe_tests::cgroup::Cgroup;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::ports;
use nginx_probe_tests::processes::{self, Signal, children, signal};
use nginx_probe_tests::records::{is, opens, pid};
use nginx_probe_tests::wait::{DEADLINE, until_true};
use serde_json::Value;

use crate::scene::{PHP, PYTHON, Scene};

const MIB: u64 = 1 << 20;
const LIMIT: u64 = 64 * MIB;

#[test]
fn a_php_child_that_is_killed_is_the_reason_of_its_502() -> Result<()> {
    let php = Application::php(PHP)?;
    let scene = Scene::of(&php.fastcgi_location("/php/"), 3)?;
    ensure!(scene.get("/php/fine.php")? == 200);
    let before: Vec<u32> = children(php.pid()).iter().map(|one| one.pid).collect();
    ensure!(scene.cause("/php/killed.php")? == "backend_crash");
    let exit = scene.exit("killed")?;
    ensure!(
        pid(&exit).is_some_and(|pid| before.contains(&pid)),
        "{exit}"
    );
    ensure!(exit["backend"] == "php-fpm8.2", "{exit}");
    let address = format!("unix:{}", php.socket().display());
    ensure!(exit["address"] == *address, "{exit}");
    ensure!(
        exit["signal"] == "SIGKILL" && exit["exit_code"].is_null(),
        "{exit}"
    );
    ensure!(exit["sender"]["comm"] == "sh", "{exit}");
    ensure!(
        exit["memory"].is_null() && exit["crash"].is_null(),
        "{exit}"
    );
    scene.evidence(
        "backend_crash",
        &[
            "php-fpm8.2",
            &address,
            "was killed: SIGKILL from sh",
            "HTTP 502",
        ],
    )?;
    let labels = [("cause", "backend_crash"), ("code", "502")];
    scene
        .agent
        .wait_count("nginx_http_error_responses_total", &labels, 1)?;
    let labels = [("reason", "killed"), ("signal", "SIGKILL")];
    scene
        .agent
        .wait_count("nginx_backend_exits_total", &labels, 1)?;
    // The child that took its place is followed without a look.
    ensure!(scene.cause("/php/again.php")? == "backend_crash");
    scene.stop()
}

#[test]
fn a_php_child_that_eats_its_memory_is_named_with_its_limit() -> Result<()> {
    let group = Cgroup::new(LIMIT)?;
    let php = Application::php(PHP)?;
    until_true("both children", DEADLINE, || {
        Ok(children(php.pid()).len() == 2)
    })?;
    for member in processes::find(|seen| seen.group == php.pid()) {
        group.add(member.pid)?;
    }
    let scene = Scene::of(&php.fastcgi_location("/php/"), 3)?;
    ensure!(scene.cause("/php/eats.php")? == "backend_crash");
    let exit = scene.exit("oom_kill")?;
    ensure!(
        exit["signal"] == "SIGKILL" && exit["sender"].is_null(),
        "{exit}"
    );
    ensure!(exit["memory"]["scope"] == "cgroup", "{exit}");
    ensure!(exit["memory"]["limit_bytes"] == group.limit(), "{exit}");
    let rss = exit["memory"]["rss_bytes"].as_u64().context("no size")?;
    ensure!(rss > LIMIT / 2, "{exit}");
    scene.evidence(
        "backend_crash",
        &[
            "php-fpm8.2",
            "was ended by the OOM killer",
            "control group's limit is 64.0 MiB",
        ],
    )?;
    scene.stop()
}

#[test]
fn a_uwsgi_worker_that_crashes_is_the_reason_of_its_502() -> Result<()> {
    let app = Application::uwsgi(PYTHON)?;
    let scene = Scene::of(&app.uwsgi_location("/app/"), 3)?;
    ensure!(scene.get("/app/fine")? == 200);
    ensure!(scene.cause("/app/segv")? == "backend_crash");
    let crash = scene.exit("crash")?;
    ensure!(
        crash["signal"] == "SIGSEGV" && crash["sender"].is_null(),
        "{crash}"
    );
    ensure!(crash["backend"] == "uwsgi-core", "{crash}");
    ensure!(
        crash["crash"]["stack"]
            .as_array()
            .is_some_and(|stack| !stack.is_empty()),
        "no stack: {crash}"
    );
    ensure!(scene.cause("/app/kill")? == "backend_crash");
    let kill = scene.exit("killed")?;
    ensure!(kill["sender"]["pid"] == kill["pid"], "{kill}");
    ensure!(scene.cause("/app/exit")? == "backend_crash");
    let exit = scene.exit("error_exit")?;
    ensure!(exit["exit_code"] == 3 && exit["signal"].is_null(), "{exit}");
    scene.stop()
}

#[test]
fn a_single_process_on_a_port_fails_its_request_and_those_that_follow() -> Result<()> {
    let port = ports::free()?;
    let app = Application::uwsgi_at(PYTHON, port)?;
    let scene = Scene::of(
        &format!("location /app/ {{ proxy_pass http://127.0.0.1:{port}; }}"),
        1,
    )?;
    ensure!(scene.get("/app/fine")? == 200);
    ensure!(scene.cause("/app/abort")? == "backend_crash");
    let exit = scene.exit("crash")?;
    ensure!(exit["signal"] == "SIGABRT", "{exit}");
    ensure!(exit["address"] == format!("127.0.0.1:{port}"), "{exit}");
    scene.wait_processes(0)?;
    // Nobody listens there now, and everybody knows why.
    ensure!(scene.cause("/app/later")? == "backend_crash");
    drop(app);
    let app = Application::uwsgi_at(PYTHON, port)?;
    scene.wait_processes(1)?;
    ensure!(scene.get("/app/fine")? == 200);
    // It ends as it was told to: nothing crashed this time.
    signal(app.pid(), Signal::INT)?;
    processes::wait_gone(app.pid(), DEADLINE)?;
    let cause = scene.cause("/app/stopped")?;
    let told = || format!("{cause}: {}", scene.agent.told());
    ensure!(cause == "upstream_refused", told());
    scene.stop()
}

#[test]
fn children_that_are_replaced_and_helpers_that_fail_are_no_incident() -> Result<()> {
    let php = Application::php_with(PHP, "pm.max_requests = 1")?;
    let scene = Scene::of(&php.fastcgi_location("/php/"), 3)?;
    let before: Vec<u32> = children(php.pid()).iter().map(|one| one.pid).collect();
    for number in 0..20 {
        ensure!(scene.get(&format!("/php/fine.php?{number}"))? == 200);
        ensure!(scene.get(&format!("/php/helpers.php?{number}"))? == 200);
    }
    until_true("other children", DEADLINE, || {
        let now = children(php.pid());
        Ok(!now.is_empty() && now.iter().all(|one| !before.contains(&one.pid)))
    })?;
    let records = scene.all()?;
    let bad = |r: &&Value| is(r, "backend_exit") || opens(r, "backend_crash");
    ensure!(records.iter().find(bad).is_none(), "{records:?}");
    scene.stop()
}

#[test]
fn uwsgi_workers_that_are_replaced_are_no_incident() -> Result<()> {
    let app = Application::uwsgi_with(PYTHON, &["--max-requests", "1"])?;
    let scene = Scene::of(&app.uwsgi_location("/app/"), 3)?;
    let before: Vec<u32> = children(app.pid()).iter().map(|one| one.pid).collect();
    until_true("other workers", DEADLINE, || {
        ensure!(scene.get("/app/fine")? == 200);
        let now = children(app.pid());
        Ok(now.len() == 2 && now.iter().all(|one| !before.contains(&one.pid)))
    })?;
    // This one fails by itself, not by them.
    let cause = scene.cause("/app/raises")?;
    ensure!(cause == "upstream_closed", "{cause}");
    let records = scene.all()?;
    ensure!(
        !records.iter().any(|r| is(r, "backend_exit")),
        "{records:?}"
    );
    scene.stop()
}

#[test]
fn a_death_that_fails_nothing_is_a_record_and_no_incident() -> Result<()> {
    let php = Application::php(PHP)?;
    let scene = Scene::of(&php.fastcgi_location("/php/"), 3)?;
    let child = children(php.pid()).first().context("no child")?.pid;
    signal(child, Signal::KILL)?;
    let exit = scene.exit("killed")?;
    ensure!(pid(&exit) == Some(child), "{exit}");
    ensure!(exit["sender"]["pid"] == std::process::id(), "{exit}");
    // A graceful end of the first process is told of; those of its children are not.
    signal(php.pid(), Signal::QUIT)?;
    let end = scene.exit("graceful")?;
    ensure!(pid(&end) == Some(php.pid()), "{end}");
    let records = scene.all()?;
    let bad = records.iter().find(|r| opens(r, "backend_crash"));
    ensure!(bad.is_none(), "{records:?}");
    let cause = scene.cause("/php/fine.php")?;
    ensure!(cause == "upstream_refused", "{cause}");
    scene.stop()
}

#[test]
fn an_upstream_that_closes_and_lives_has_not_crashed() -> Result<()> {
    let app = Application::uwsgi(PYTHON)?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut line = String::new();
            let _ = BufReader::new(stream).read_line(&mut line);
        }
    });
    let closes = format!("location /closes {{ proxy_pass http://127.0.0.1:{port}; }}");
    let scene = Scene::of(&(app.uwsgi_location("/app/") + &closes), 3)?;
    for path in ["/app/raises", "/closes"] {
        let cause = scene.cause(path)?;
        ensure!(cause == "upstream_closed", "{path}: {cause}");
    }
    ensure!(scene.all()?.iter().all(|r| !is(r, "backend_exit")));
    scene.stop()
}

#[test]
fn what_only_an_answer_names_is_found_too() -> Result<()> {
    let php = Application::php(PHP)?;
    let locations = php
        .fastcgi_location("/php/")
        .replace("fastcgi_pass unix:", "set $at unix:; fastcgi_pass $at");
    let scene = Scene::of(&locations, 0)?;
    // The first failure tells where it is.
    scene.cause("/php/killed.php")?;
    scene.wait_processes(3)?;
    ensure!(scene.cause("/php/again.php")? == "backend_crash");
    scene.stop()
}

#[test]
fn the_source_says_whether_it_runs() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let labels = [("source", "backends")];
    agent.wait_count("nginx_probe_source_up", &labels, 1)?;
    agent.stop()?;
    let agent = Agent::start([
        "--no-kernel".as_ref(),
        "--pid-file".as_ref(),
        nginx.pid_file().as_os_str(),
    ])?;
    agent.wait_count("nginx_probe_source_up", &labels, 0)?;
    agent.stop().map(drop)
}
