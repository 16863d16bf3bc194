//! What is given: rotated, compressed, piped, damaged, hostile, huge, and no log at all.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use nginx_probe_tests::command::{binary, command, finish, isolated};
use procfs::process::Process;
use serde_json::Value;

use crate::reports::{LIMIT, logs, report, report_of_stdin};

/// Far more than what is read at once, with failures of several kinds.
fn text() -> String {
    let mut text = String::new();
    for n in 0..20_000_u32 {
        let status = [200, 200, 200, 304, 404, 500, 502][n as usize % 7];
        let (minute, second) = (n / 1000, n % 1000 * 60 / 1000);
        let line = format!(
            "192.0.2.{} - - [22/Nov/2026:16:{minute:02}:{second:02} +0000] \"GET /a/{n}?q=secret \
             HTTP/1.1\" {status} {n} \"-\" \"a client of some length {}\"\n",
            n % 256,
            "x".repeat((n * 31 % 97) as usize)
        );
        text.push_str(&line);
    }
    text
}

fn gzip(text: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text)?;
    Ok(encoder.finish()?)
}

#[test]
fn plain_compressed_rotated_and_piped_logs_give_the_same() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let text = text();
    let half = text.len() / 2 + text[text.len() / 2..].find('\n').context("a line")? + 1;
    let at = |name: &str| folder.path().join(name);
    fs::write(at("access.log"), &text)?;
    fs::write(at("access.log.1"), &text[half..])?;
    fs::write(at("access.log.2.gz"), gzip(&text.as_bytes()[..half])?)?;
    // Two members, as `cat a.gz b.gz` makes.
    let members = [
        gzip(&text.as_bytes()[..half])?,
        gzip(&text.as_bytes()[half..])?,
    ]
    .concat();
    fs::write(at("access.log.3.gz"), &members)?;

    let plain = report(&[at("access.log")])?;
    assert_eq!(plain["access"]["lines"], 20_000);
    assert_eq!(plain["access"]["failed"], 5714, "{}", plain["access"]);
    assert_eq!(plain["access"]["unparsed"], 0);
    let one_thread = report(&["--threads".into(), "1".into(), at("access.log")])?;
    let others = [
        one_thread,
        report(&[at("access.log.1"), at("access.log.2.gz")])?,
        report(&[
            at("access.log.2.gz"),
            at("access.log.1"),
            at("access.log.1"),
        ])?,
        report(&[at("access.log.3.gz")])?,
        report_of_stdin(&[], text.as_bytes())?,
        report_of_stdin(&["-"], &members)?,
    ];
    for other in others {
        assert_eq!(other["access"], plain["access"]);
    }
    Ok(())
}

#[test]
fn what_cannot_be_read_is_said_once_and_the_rest_is_read() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let text = text();
    let whole = gzip(text.as_bytes())?;
    fs::create_dir(at("folder"))?;
    fs::write(at("empty"), "")?;
    fs::write(at("cut.gz"), &whole[..whole.len() / 2])?;
    fs::write(at("odd"), "what is this\nand that\n")?;
    fs::write(at("good"), &text)?;
    fs::copy(binary()?, at("binary"))?;
    let bad = [
        ("folder", "is a folder; name the log files in it"),
        ("empty", "is empty"),
        ("binary", "is not a log"),
        (
            "missing",
            "No such file or directory (os error 2); check the path",
        ),
        ("odd", "give its log_format from nginx.conf"),
    ];
    for (name, said) in bad {
        let finished = logs(&[at(name)])?;
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert_eq!(finished.stdout, "");
        let path = at(name).display().to_string();
        let lines = finished.stderr.lines().filter(|line| line.contains(&path));
        assert_eq!(lines.count(), 1, "{finished:?}");
        assert!(finished.stderr.contains(said), "{finished:?}");
        assert!(
            finished.stderr.contains("nothing could be read"),
            "{finished:?}"
        );
    }
    let mut all: Vec<_> = bad.iter().map(|(name, _)| at(name)).collect();
    all.extend([at("cut.gz"), at("good")]);
    let mut with_json = command()?;
    with_json.args(["logs", "--output", "json"]).args(&all);
    let finished = finish(&mut with_json, LIMIT)?;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 6, "{finished:?}");
    assert!(finished.stderr.contains("ends too early"), "{finished:?}");
    let found: Value = serde_json::from_str(&finished.stdout)?;
    assert_eq!(found["problems"].as_array().map(Vec::len), Some(6));
    // Of the damaged one, what came before.
    let lines = |at: usize| found["inputs"][at]["lines"].as_u64();
    assert!(
        lines(0).is_some_and(|lines| (5000..20_000).contains(&lines)),
        "{found}"
    );
    assert_eq!(
        (lines(1), &found["access"]["unparsed"]),
        (Some(20_000), &0.into())
    );
    Ok(())
}

#[test]
fn a_format_that_is_not_right_is_refused_with_the_reason() -> Result<()> {
    for (format, said) in [
        ("nonsense", "is not known"),
        ("$request", "no $status"),
        ("$status ${open", "closing bracket"),
    ] {
        let finished = logs(&["--format", format, "/dev/null"])?;
        assert_eq!(finished.code, Some(2));
        assert!(finished.stderr.contains(said), "{finished:?}");
    }
    Ok(())
}

#[test]
fn nobody_may_use_it_and_is_told_what_he_may_not_read() -> Result<()> {
    let folder = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o755))
        .tempdir()?;
    let at = |name: &str| folder.path().join(name);
    fs::copy(binary()?, at("nginx-probe"))?;
    fs::set_permissions(at("nginx-probe"), Permissions::from_mode(0o755))?;
    fs::write(at("mine"), text())?;
    fs::set_permissions(at("mine"), Permissions::from_mode(0o644))?;
    fs::write(at("secret"), text())?;
    fs::set_permissions(at("secret"), Permissions::from_mode(0o600))?;
    let nobody = || {
        let mut command = isolated(Command::new(at("nginx-probe")));
        command.uid(65534).gid(65534).current_dir("/");
        command
    };
    let finished = finish(nobody().arg("logs").arg(at("mine")), LIMIT)?;
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""));
    assert!(finished.stdout.contains("20,000 lines"), "{finished:?}");
    let finished = finish(nobody().arg("logs").arg(at("secret")), LIMIT)?;
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("Permission denied"),
        "{finished:?}"
    );
    assert!(
        finished.stderr.contains("run this as a user who may"),
        "{finished:?}"
    );
    Ok(())
}

#[test]
fn hostile_lines_neither_steer_the_terminal_nor_show_queries() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("access\u{1b}[31m.log");
    let mut text = text().into_bytes();
    for path in [
        &b"/\x1b]0,owned\x07"[..],
        b"/\xff\xfe\x9b2J",
        "/\u{202e}gnp".as_bytes(),
    ] {
        for _ in 0..4000 {
            text.extend_from_slice(b"192.0.2.1 - - [22/Nov/2026:16:01:01 +0000] \"GET ");
            text.extend_from_slice(path);
            text.extend_from_slice(b"?token=secret HTTP/1.1\" 500 1 \"-\" \"-\"\n");
        }
    }
    text.extend_from_slice(b"\x1b[2J GET /x?token=secret \x00\x00\r\n");
    text.extend_from_slice(&vec![b'x'; 100_000]);
    fs::write(&log, &text)?;
    let finished = logs(&[&log])?;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let steers = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    let shown = finished.stdout.clone() + &finished.stderr;
    assert!(!shown.contains(steers), "{shown:?}");
    assert!(
        shown.contains("owned") && shown.contains("\\u{1b}[2J GET /x?…"),
        "{shown}"
    );
    assert!(!shown.contains("secret"), "{shown}");
    let found = report(&[&log])?;
    assert_eq!(found["access"]["unparsed"], 2);
    assert!(!found.to_string().contains("secret"));
    Ok(())
}

#[test]
fn memory_stays_below_32_mib_whatever_the_size() -> Result<()> {
    const REPEATS: u32 = 75;
    const ROUTES: u32 = 300_000;
    let text = text().into_bytes();
    let mut child = command()?
        .args(["logs", "--output", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut pipe = child.stdin.take().context("no standard input")?;
    for _ in 0..REPEATS {
        pipe.write_all(&text)?;
    }
    // Routes are kept apart, each longer than what is kept of it.
    let long = "y".repeat(300);
    for n in 0..ROUTES {
        let line = format!(
            "192.0.2.1 - - [22/Nov/2026:16:01:01 +0000] \"GET /{n}-z/{long} HTTP/1.1\" 500 1 \"-\" \"-\"\n"
        );
        pipe.write_all(line.as_bytes())?;
    }
    let status = Process::new(i32::try_from(child.id())?)?.status()?;
    let peak = status.vmhwm.context("no VmHWM")? / 1024;
    drop(pipe);
    let output = child.wait_with_output()?;
    let found: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(
        found["access"]["lines"],
        20_000 * u64::from(REPEATS) + u64::from(ROUTES)
    );
    let bytes = found["inputs"][0]["bytes"].as_u64().context("bytes")?;
    ensure!(bytes > 300_000_000, "only {bytes} bytes");
    ensure!(peak < 32, "{peak} MiB");
    Ok(())
}
