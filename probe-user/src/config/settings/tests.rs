mod model;

use super::*;

pub(super) fn settings(text: &str, invocation: &Invocation) -> Settings {
    settings_of(text.as_bytes(), invocation)
}

pub(super) fn settings_of(text: &[u8], invocation: &Invocation) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("conf")).unwrap();
    std::fs::write(folder.path().join("conf/nginx.conf"), text).unwrap();
    let root = Root::at(folder.path()).unwrap();
    let build = Build {
        prefix: "/".into(),
        ..Build::default()
    };
    Settings::read(&root, &build, invocation, Path::new("/"))
}

fn access_logs(text: &str) -> Vec<String> {
    let settings = settings(text, &Invocation::default());
    settings
        .access_logs
        .iter()
        .map(|log| match &log.target {
            LogTarget::File(path) => format!("{} {}", path.display(), log.format),
            other => format!("{other:?}"),
        })
        .collect()
}

#[test]
fn what_is_not_set_has_nginxs_defaults() {
    let settings = settings("events {} http { server {} }", &Invocation::default());
    let access_log = Arc::new(AccessLog {
        log_format: Some(Arc::new(LogFormat::combined())),
        ..AccessLog::combined(LogTarget::File("/logs/access.log".into()))
    });
    let error_log = Arc::new(ErrorLog {
        target: LogTarget::File("/logs/error.log".into()),
        level: "error".into(),
    });
    assert_eq!(settings.servers.len(), 1);
    let effective = &settings.servers[0].level.effective;
    assert_eq!(effective.access_logs[..], [Arc::clone(&access_log)]);
    assert_eq!(effective.error_logs[..], [Arc::clone(&error_log)]);
    assert_eq!(
        settings,
        Settings {
            conf_file: "/conf/nginx.conf".into(),
            pid_path: "/logs/nginx.pid".into(),
            log_formats: vec![Arc::new(LogFormat::combined())],
            access_logs: vec![Arc::clone(&access_log)],
            error_logs: vec![Arc::clone(&error_log)],
            main_error_logs: [Arc::clone(&error_log)].into(),
            worker_processes: WorkerProcesses::Count(1),
            worker_connections: 512,
            process: Process {
                user: None,
                daemon: true,
                master_process: true,
                rlimit_nofile: None,
                shutdown_timeout: None,
                multi_accept: false,
                accept_mutex: false,
            },
            servers: settings.servers.clone(),
            upstreams: vec![],
            upstream_places: HashMap::new(),
            mirrors: BTreeSet::new(),
            files: vec!["/conf/nginx.conf".into()],
            warnings: vec![],
            unread: 0,
        }
    );
}

#[test]
fn the_command_line_counts() {
    let invocation = Invocation {
        prefix: Some("srv".into()),
        conf_file: Some("/conf/nginx.conf".into()),
        directives: Some(b"pid run/a.pid; worker_processes 4;".to_vec()),
        error_log: Some("e.log".into()),
        uid: 0,
    };
    let settings = settings(
        "events { worker_connections 7; } http { server {} }",
        &invocation,
    );
    assert_eq!(settings.pid_path, Path::new("/srv/run/a.pid"));
    assert_eq!(settings.worker_processes, WorkerProcesses::Count(4));
    assert_eq!(settings.worker_connections, 7);
    assert_eq!(
        settings.error_logs[0].target,
        LogTarget::File("/srv/e.log".into())
    );
    assert_eq!(
        settings.access_logs[0].target,
        LogTarget::File("/srv/logs/access.log".into())
    );
}

#[test]
fn the_default_access_log_serves_whoever_names_none() {
    for (text, expected) in [
        ("http { access_log a; server {} }", vec!["/a combined"]),
        ("http { access_log off; server {} }", vec!["Off"]),
        ("http { server { access_log a main; } }", vec!["/a main"]),
        (
            "http { server { access_log /a; } server { location / { access_log /b; } } }",
            vec!["/a combined", "/b combined", "/logs/access.log combined"],
        ),
        ("http { }", vec![]),
        (
            "stream { access_log s x; server { access_log t x; } }",
            vec![],
        ),
        (
            "http { map $a $b { access_log /no; } access_log .//y; access_log y; }",
            vec!["/y combined"],
        ),
    ] {
        assert_eq!(access_logs(text), expected, "{text}");
    }
}

#[test]
fn error_logs_of_every_level_are_found() {
    let text = "error_log syslog:server=unix:/log; stream { error_log s warn; }
        http { error_log h; server { error_log h; error_log stderr; } types { error_log no; } }";
    let settings = settings(text, &Invocation::default());
    let targets: Vec<_> = settings.error_logs.iter().map(|log| &log.target).collect();
    assert_eq!(
        targets,
        [
            &LogTarget::Syslog("server=unix:/log".into()),
            &LogTarget::File("/s".into()),
            &LogTarget::File("/h".into()),
            &LogTarget::Unreadable {
                why: "it goes to standard error".into()
            },
            &LogTarget::File("/logs/error.log".into()),
        ]
    );
    assert_eq!(settings.error_logs[1].level, "warn");
}

#[test]
fn odd_values_are_warnings() {
    let text = "worker_processes -3; events { worker_connections 9999999999; } \
        http { pid /no; access_log; }";
    let settings = settings(text, &Invocation::default());
    assert_eq!(
        settings.warnings,
        [
            "worker_processes has the odd value \"-3\" on line 1; 1 is assumed",
            "worker_connections has the odd value \"9999999999\" on line 1"
        ]
    );
    assert_eq!(settings.pid_path, Path::new("/logs/nginx.pid"));
    let auto = self::settings("worker_processes auto;", &Invocation::default());
    assert_eq!(auto.worker_processes, WorkerProcesses::Auto);
}

#[test]
fn an_upstream_is_found_by_its_name_among_many() {
    let http: Vec<String> = (0..500)
        .map(|n| {
            format!(
                "upstream u{n} {{ server 127.0.0.1:{}; }} \
                 server {{ location / {{ proxy_pass http://u{n}; }} }}",
                1000 + n
            )
        })
        .collect();
    let http = http.join(" ");
    let text = format!(
        "events {{}} http {{ {http} server {{ location / {{ proxy_pass http://none; }} }} }}"
    );
    let settings = settings(&text, &Invocation::default());
    let found: Vec<_> = settings
        .servers
        .iter()
        .map(|server| match &server.level.locations[0].level.handler {
            Some(crate::config::location::Handler::Pass(pass)) => settings
                .upstream(pass)
                .map(|upstream| upstream.name.to_string()),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: Vec<_> = (0..500).map(|number| Some(format!("u{number}"))).collect();
    assert_eq!(found[..500], expected);
    assert_eq!(found[500..], [None]);
}
