//! `nginx-probe diagnose`: one page about an nginx that is well, and about one that is not.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::command::{Finished, command, finish};
use nginx_probe_tests::http::{Answer, get};
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::{Signal, require_root, signal};
use serde_json::Value;

const LIMIT: Duration = Duration::from_mins(1);

/// A `diagnose` that has attached.
struct Diagnosis {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Diagnosis {
    fn start(nginx: &Nginx, arguments: &[&str]) -> Result<Self> {
        require_root()?;
        let mut child = command()?
            .args(["diagnose", "--duration", "1m", "--pid-file"])
            .arg(nginx.pid_file())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().context("no standard error")?;
        let mut stderr = BufReader::new(stderr);
        let mut line = String::new();
        while !line.contains("watching for 1m") {
            line.clear();
            ensure!(stderr.read_line(&mut line)? > 0, "it ended before it began");
        }
        Ok(Self { child, stderr })
    }

    /// Ends it early, with its report: the exit status and standard output.
    fn end(mut self) -> Result<(Option<i32>, String)> {
        signal(self.child.id(), Signal::INT)?;
        let mut report = String::new();
        let mut stdout = self.child.stdout.take().context("no standard output")?;
        stdout.read_to_string(&mut report)?;
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest)?;
        Ok((self.child.wait()?.code(), report))
    }
}

fn nginx() -> Result<(Nginx, Nginx)> {
    let upstream = Nginx::builder()
        .location("location /bad { return 500 'x'; } location /good { return 200 'y'; }")
        .start()?;
    let nginx = Nginx::builder()
        .location(&format!(
            "location /good {{ proxy_pass http://127.0.0.1:{0}; }}
             location /bad {{ proxy_pass http://127.0.0.1:{0}; }}
             location /cycle {{ rewrite ^ /cycle; }}
             location /closed {{ return 503; }}",
            upstream.port()
        ))
        .start()?;
    Ok((nginx, upstream))
}

#[test]
fn what_is_wrong_is_told_with_its_numbers() -> Result<()> {
    let (nginx, _upstream) = nginx()?;
    let diagnosis = Diagnosis::start(&nginx, &["--output", "json"])?;
    for (path, status) in [
        ("/good", 200),
        ("/bad", 500),
        ("/bad", 500),
        ("/cycle", 500),
        ("/closed", 503),
    ] {
        ensure!(get(nginx.port(), path) == Answer::Status(status), "{path}");
    }
    let (code, report) = diagnosis.end()?;
    let report: Value = serde_json::from_str(&report)?;
    ensure!(code == Some(1), "status {code:?}");
    ensure!(report["healthy"] == false, "{report}");
    let of_nginx = &report["nginx"][0];
    ensure!(of_nginx["responses"] == 5, "{of_nginx}");
    ensure!(of_nginx["failed_total"] == 4, "{of_nginx}");
    let mut causes: Vec<_> = report["incidents"]
        .as_array()
        .context("incidents")?
        .iter()
        .filter_map(|incident| incident["cause"].as_str())
        .collect();
    causes.sort_unstable();
    assert_eq!(
        causes,
        ["config_response", "redirect_cycle", "upstream_response"]
    );
    let ways: Vec<_> = of_nginx["ways"]
        .as_array()
        .context("ways")?
        .iter()
        .collect();
    let counts: Vec<_> = ways
        .iter()
        .filter_map(|way| way["responses"].as_u64())
        .collect();
    assert_eq!(counts, [2, 0, 0, 0, 1, 1, 0], "{of_nginx}");
    Ok(())
}

#[test]
fn the_page_is_for_a_person() -> Result<()> {
    let (nginx, upstream) = nginx()?;
    let diagnosis = Diagnosis::start(&nginx, &[])?;
    ensure!(
        get(nginx.port(), "/bad") == Answer::Status(500),
        "an upstream's failure"
    );
    let (code, page) = diagnosis.end()?;
    ensure!(code == Some(1), "status {code:?}");
    for line in page.lines() {
        ensure!(line.chars().count() <= 80, "too long: {line}");
        ensure!(!line.contains('\x1b'), "a colour: {line}");
    }
    let address = format!("127.0.0.1:{}", upstream.port());
    for wanted in [
        "1 of 1 responses failed",
        "upstream_response",
        &address,
        "Vital signs",
    ] {
        ensure!(page.contains(wanted), "no {wanted} in:\n{page}");
    }
    Ok(())
}

#[test]
fn an_nginx_that_is_well_has_a_short_page() -> Result<()> {
    let (nginx, _upstream) = nginx()?;
    let diagnosis = Diagnosis::start(&nginx, &[])?;
    for _ in 0..20 {
        ensure!(
            get(nginx.port(), "/good") == Answer::Status(200),
            "a good answer"
        );
    }
    let (code, page) = diagnosis.end()?;
    ensure!(code == Some(0), "status {code:?}:\n{page}");
    ensure!(
        page.starts_with("Healthy: none of 20 responses failed"),
        "{page}"
    );
    ensure!(page.lines().count() <= 20, "{page}");
    Ok(())
}

#[test]
fn without_an_nginx_it_says_that_it_could_not_look() -> Result<()> {
    require_root()?;
    let mut diagnose = command()?;
    diagnose.args([
        "diagnose",
        "--duration",
        "1s",
        "--pid-file",
        "/nonexistent/nginx.pid",
    ]);
    let Finished {
        code,
        stdout,
        stderr,
    } = finish(&mut diagnose, LIMIT)?;
    ensure!(
        code == Some(2) && stdout.is_empty(),
        "status {code:?}: {stdout}"
    );
    let named = "/nonexistent/nginx.pid named no running nginx";
    ensure!(stderr.contains(named), "{stderr}");
    Ok(())
}

#[test]
fn what_sees_no_response_does_not_call_it_healthy() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let mut diagnose = command()?;
    diagnose
        .args(["diagnose", "--duration=1s", "--no-kernel"])
        .arg("--access-log=/nonexistent/access.log")
        .arg("--pid-file")
        .arg(nginx.pid_file());
    let ended = finish(&mut diagnose, LIMIT)?;
    ensure!(ended.code == Some(2), "{ended:?}");
    let why = "no response could be seen";
    ensure!(ended.stderr.contains(why), "{ended:?}");
    Ok(())
}
