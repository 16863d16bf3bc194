//! What the agent reads out of a configuration, against what a real nginx does with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nginx_probe::config::listen::ListenAddress;
use nginx_probe::config::location::Level;
use nginx_probe::config::{LogTarget, Settings};
use nginx_probe_tests::wait::{DEADLINE, until_true};

#[path = "config/answers.rs"]
mod answers;
#[path = "config/listens.rs"]
mod listens;
#[path = "config/raw.rs"]
mod raw;
use raw::{Raw, Start};

/// The level whose locations have these patterns, in the first server.
fn level<'a>(settings: &'a Settings, patterns: &[&str]) -> Result<&'a Level> {
    let mut level = &settings.servers.first().context("no server")?.level;
    for pattern in patterns {
        let inner = level.locations.iter().find(|l| &*l.pattern == *pattern);
        level = &inner
            .with_context(|| format!("no location {pattern}"))?
            .level;
    }
    Ok(level)
}

#[test]
fn requests_are_logged_where_the_model_says() -> Result<()> {
    let text = r"events {}
    http {
        FOLDERS
        log_format Uri '$request_uri';
        server {
            listen 127.0.0.1:PORT0;
            location /inherits { return 200; }
            location /own {
                access_log logs/own uri;
                location /own/nested { return 200; }
                location /own/off { access_log off; return 200; }
                return 200;
            }
            location /two { access_log logs/two uri; access_log logs/three uri; return 200; }
            location /dead { access_log logs/dead uri; access_log off; return 200; }
            location /if { if ($arg_x) { access_log logs/if uri; return 200; } return 200; }
            location /plain { if ($arg_x) { return 200; } return 200; }
            location /except {
                limit_except GET { access_log logs/except uri; }
                proxy_pass http://127.0.0.1:PORT1;
            }
            location /variable { access_log logs/v$arg_x uri; return 200; }
            # Counts for the locations before it.
            access_log logs/server uri;
            location /last { return 200; }
        }
        server { listen 127.0.0.1:PORT1; access_log off; location / { return 200; } }
        server { listen 127.0.0.1:PORT2; location / { return 200; } }
        access_log logs/http uri;
    }";
    let nginx = Raw::start(&[("conf/nginx.conf", text)], Start::Plain)?;
    let settings = nginx.model()?;
    let mut expected: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for (method, path, patterns) in [
        ("GET", "/", &[][..]),
        ("GET", "/inherits", &["/inherits"]),
        ("GET", "/own", &["/own"]),
        ("GET", "/own/nested", &["/own", "/own/nested"]),
        ("GET", "/own/off", &["/own", "/own/off"]),
        ("GET", "/two", &["/two"]),
        ("GET", "/dead", &["/dead"]),
        ("GET", "/if?x=1", &["/if", "($arg_x)"]),
        ("GET", "/if", &["/if"]),
        ("GET", "/plain?x=1", &["/plain", "($arg_x)"]),
        ("GET", "/except", &["/except"]),
        ("POST", "/except?p", &["/except", "GET"]),
        ("GET", "/variable", &["/variable"]),
        ("GET", "/last", &["/last"]),
    ] {
        nginx.ask(0, method, path)?;
        for log in &*level(&settings, patterns)?.effective.access_logs {
            if let LogTarget::File(file) = &log.target {
                expected
                    .entry(file.clone())
                    .or_default()
                    .insert(path.into());
            }
        }
    }
    nginx.ask(2, "GET", "/http")?;
    for log in &*settings.servers[2].level.effective.access_logs {
        if let LogTarget::File(file) = &log.target {
            expected
                .entry(file.clone())
                .or_default()
                .insert("/http".into());
        }
    }
    assert_eq!(expected.len(), 7, "{expected:?}");
    let readable: BTreeSet<_> = settings
        .readable_logs()
        .into_iter()
        .map(|l| l.path)
        .collect();
    let seen = || -> Result<BTreeMap<PathBuf, BTreeSet<String>>> {
        let mut seen = BTreeMap::new();
        for path in &readable {
            let text = fs::read_to_string(path)?;
            if !text.is_empty() {
                seen.insert(path.clone(), text.lines().map(str::to_owned).collect());
            }
        }
        Ok(seen)
    };
    // One worker logs one request after the other: once the last is there, all are.
    until_true("the last request's line", DEADLINE, || {
        Ok(seen()?.values().any(|lines| lines.contains("/http")))
    })?;
    assert_eq!(seen()?, expected);
    Ok(())
}

#[test]
fn lines_have_the_format_of_the_model() -> Result<()> {
    let text = r#"events {}
    http {
        FOLDERS
        log_format json escape=json '{"status": $status, '   "\"to\": \"$arg_x\"" '}'   "\t\\ \d";
        log_format plain '$status ' "$arg_x" $request_method;
        log_format raw escape=none "$arg_x;$arg_none;";
        server {
            listen 127.0.0.1:PORT0;
            access_log logs/json JSON;
            access_log logs/plain plain;
            access_log logs/raw raw;
            access_log logs/mixed raw;
            access_log logs/mixed combined;
            access_log logs/late plain buffer=64k flush=1h if=$arg_x;
            location / { return 200; }
        }
    }"#;
    let nginx = Raw::start(&[("conf/nginx.conf", text)], Start::Plain)?;
    let settings = nginx.model()?;
    nginx.ask(0, "GET", "/?x=a")?;
    let logs = settings.readable_logs();
    let mixed = logs.iter().find(|log| log.path.ends_with("mixed"));
    let mixed = mixed.context("no mixed log")?;
    assert!(mixed.is_mixed() && mixed.formats.len() == 2, "{mixed:?}");
    let late = logs.iter().find(|log| log.path.ends_with("late"));
    let late = late.context("no late log")?;
    assert!(late.conditional);
    assert_eq!(late.buffer.map(|buffer| buffer.bytes), Some(64 << 10));
    until_true("the line of the raw log", DEADLINE, || {
        Ok(!fs::read_to_string(nginx.path("logs/mixed"))?.is_empty())
    })?;
    assert_eq!(fs::read_to_string(&late.path)?, "");
    for name in ["json", "plain", "raw"] {
        let log = logs.iter().find(|log| log.path.ends_with(name));
        let format = &log.context(name)?.formats[0];
        let expected = String::from_utf8_lossy(&format.text)
            .replace("$status", "200")
            .replace("$request_method", "GET")
            .replace("$arg_none", "")
            .replace("$arg_x", "a");
        assert_eq!(
            fs::read_to_string(nginx.path("logs").join(name))?,
            expected + "\n",
            "{name}"
        );
    }
    Ok(())
}

#[test]
fn the_files_are_those_that_nginx_reads() -> Result<()> {
    let files = [
        (
            "conf/nginx.conf",
            "worker_rlimit_nofile 2048; worker_shutdown_timeout 1m;
             error_log logs/main warn; error_log stderr;
             events { include events.inc; } include top/*.conf;
             http { FOLDERS include sites/[ab]*/*.conf; include sites/none*; }",
        ),
        (
            "conf/events.inc",
            "worker_connections 100; multi_accept on;",
        ),
        ("conf/top/a.conf", "worker_processes 1;"),
        ("conf/top/.hidden.conf", "nonsense;"),
        (
            "conf/sites/b/x.conf",
            "server { listen 127.0.0.1:PORT0; include snippets/log.inc; }",
        ),
        (
            "conf/sites/a1/y.conf",
            "server { listen 127.0.0.1:PORT1; include snippets/log.inc; error_log logs/a info; }",
        ),
        ("conf/sites/c/z.conf", "nonsense;"),
        (
            "conf/snippets/log.inc",
            "access_log PREFIX/./logs//snippet;",
        ),
    ];
    let nginx = Raw::start(&files, Start::Plain)?;
    let settings = nginx.model()?;
    let dump = nginx.dump()?;
    let named: Vec<PathBuf> = dump
        .lines()
        .filter_map(|line| {
            line.strip_prefix("# configuration file ")?
                .strip_suffix(':')
        })
        .map(|path| Path::new(path).components().collect())
        .collect();
    assert_eq!(settings.files, named);
    let ports: Vec<_> = settings
        .servers
        .iter()
        .map(|server| match &server.listens[0].address {
            ListenAddress::Tcp(address) => address.port(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ports, [nginx.ports[1], nginx.ports[0]]);
    assert_eq!(settings.worker_connections, 100);
    assert_eq!(settings.process.rlimit_nofile, Some(2048));
    Ok(())
}
