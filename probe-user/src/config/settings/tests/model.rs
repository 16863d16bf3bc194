//! The whole model: what hangs together, what it costs, and that nothing breaks it.

use std::fmt::Write;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::super::location::{Handler, LocationKind};
use super::*;

fn read(text: &str) -> Settings {
    settings(text, &Invocation::default())
}

#[test]
fn a_site_comes_out_whole() {
    let settings = read(
        "user www-data www; daemon off; master_process off; worker_rlimit_nofile 4096;
         worker_shutdown_timeout 90s; events { accept_mutex on; }
         http {
            upstream PHP { least_conn; server unix:/run/php; }
            limit_req_status 429;
            server {
                listen 8080; server_name Example.COM *.b;
                if ($bad) { return 444; }
                location ~ \\.php$ { limit_req zone=one burst=5; auth_request /auth; access_by_lua_block { x = '}' }
                    fastcgi_intercept_errors on; fastcgi_pass php;
                    if ($a) { set $b c; } limit_except GET { deny all; } }
                location = /lua { auth_request off; content_by_lua_file x.lua; }
                location /open { location /open/inner { empty_gif; } }
                auth_request /all;
            }
         }",
    );
    assert_eq!(settings.warnings, [""; 0]);
    let process = &settings.process;
    assert_eq!(process.user.as_deref(), Some("www-data"));
    assert!(!process.daemon && !process.master_process && process.accept_mutex);
    assert_eq!(process.rlimit_nofile, Some(4096));
    assert_eq!(process.shutdown_timeout, Some(Duration::from_secs(90)));
    let server = &settings.servers[0];
    assert_eq!(
        server.names.iter().map(|n| &**n).collect::<Vec<_>>(),
        ["example.com", "*.b"]
    );
    let [bad, php, lua, open] = &server.level.locations[..] else {
        panic!("{:?}", server.level.locations)
    };
    assert_eq!(bad.kind, LocationKind::If);
    assert_eq!(bad.level.returns.as_ref().unwrap().code, 444);
    let Some(Handler::Pass(pass)) = &php.level.handler else {
        panic!("{php:?}")
    };
    assert_eq!(&*settings.upstream(pass).unwrap().balancing, "least_conn");
    assert!(php.level.effective.intercepts(pass.protocol));
    assert_eq!(php.level.effective.auth_request.as_deref(), Some("/auth"));
    assert_eq!(&*php.level.effective.limit_req.zones[0], "one");
    assert_eq!(php.level.effective.limit_req.status, 429);
    assert_eq!(php.level.effective.limit_conn.status, 503);
    let phases: Vec<_> = php.level.effective.lua.names().collect();
    assert_eq!(phases, ["access_by_lua"]);
    for inner in &php.level.locations {
        assert_eq!(inner.level.handler, php.level.handler, "{:?}", inner.kind);
        assert_eq!(inner.level.effective, php.level.effective);
    }
    assert_eq!(lua.level.handler, Some(Handler::Lua));
    assert_eq!(lua.level.effective.auth_request, None);
    assert_eq!(open.level.handler, None);
    let inner = &open.level.locations[0].level;
    assert_eq!(inner.handler, Some(Handler::Module("empty_gif")));
    assert_eq!(inner.effective.auth_request.as_deref(), Some("/all"));
    assert!(Arc::ptr_eq(&inner.effective, &server.level.effective));
    let asking = settings.places(|effective| effective.auth_request.as_deref() == Some("/auth"));
    assert_eq!(asking.len(), 3);
    assert_eq!(asking[1].locations.len(), 2);
}

#[test]
fn what_makes_no_sense_is_a_warning() {
    let settings = read(
        "http { access_log a none; access_log syslog:server=h none; access_log off none;
            log_format x escape=xml $uri; log_format combined y;
            error_page 200 /x; limit_req_status x; limit_req burst=3;
            proxy_intercept_errors maybe;
            server { listen 1.2.3.4:x; return 1000; }
            upstream u { server h max_fails=x; keepalive x; } }",
    );
    assert_eq!(
        settings.warnings,
        [
            "log_format has the odd value \"xml\" on line 2",
            "log_format has the odd value \"combined\" on line 2",
            "error_page has the odd value \"200\" on line 3",
            "limit_req_status has the odd value \"x\" on line 3",
            "limit_req has the odd value \"burst=3\" on line 3",
            "proxy_intercept_errors has the odd value \"maybe\" on line 4",
            "listen has the odd value \"1.2.3.4:x\" on line 5",
            "return has the odd value \"1000\" on line 5",
            "server has the odd value \"max_fails=x\" on line 6",
            "keepalive has the odd value \"x\" on line 6",
            "the log /a has the format \"none\", which no log_format defines",
            "the log to syslog (server=h) has the format \"none\", which no log_format defines",
        ]
    );
}

#[test]
fn a_file_with_several_formats_is_one_log() {
    let settings = read(
        "http { log_format late $uri; access_log a; access_log a late if=$x;
            access_log /./a none buffer=1k; access_log b late; access_log off; server {} }",
    );
    let logs = settings.readable_logs();
    assert_eq!(logs.len(), 2);
    assert!(logs[0].is_mixed() && logs[0].unknown_format && logs[0].conditional);
    let names: Vec<_> = logs[0].formats.iter().map(|format| &*format.name).collect();
    assert_eq!(names, ["combined", "late"]);
    assert_eq!(logs[0].buffer.unwrap().bytes, 1024);
    assert!(!logs[1].is_mixed() && logs[1].buffer.is_none());
    // Switched off at the same level.
    assert!(settings.servers[0].level.effective.access_logs.is_empty());
}

fn many(servers: usize, locations: usize) -> String {
    let mut text =
        "http { error_page 500 502 503 504 /50x.html; log_format m '$status';".to_owned();
    for server in 0..servers {
        write!(
            text,
            "server {{ listen 80; listen 443 ssl; server_name s{server}.example.com \
             www.s{server}.example.com; access_log /var/log/nginx/s{server}.log m;"
        )
        .unwrap();
        for location in 0..locations {
            write!(
                text,
                "location /l{location} {{ proxy_pass http://s{server}; error_page 404 /404; }}"
            )
            .unwrap();
        }
        text.push_str("}\n");
    }
    text + "}"
}

/// In each file a tenth of it: one file may have 4 MiB.
fn read_many(servers: usize, locations: usize) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("conf")).unwrap();
    let text = many(servers, locations);
    let mut lines: Vec<&str> = text.lines().collect();
    let (first, rest) = lines[0].split_once(";server").unwrap();
    let first_server = format!("server{rest}");
    lines[0] = &first_server;
    let last = lines.pop().unwrap();
    for (number, part) in lines.chunks(servers.div_ceil(10)).enumerate() {
        let name = folder.path().join(format!("conf/{number}.part"));
        std::fs::write(name, part.join("\n")).unwrap();
    }
    let main = format!("{first};include *.part; {last}");
    std::fs::write(folder.path().join("conf/nginx.conf"), main).unwrap();
    let root = Root::at(folder.path()).unwrap();
    let build = Build {
        prefix: "/".into(),
        ..Build::default()
    };
    let started = Instant::now();
    let settings = Settings::read(&root, &build, &Invocation::default(), Path::new("/"));
    println!("{servers} × {locations}: {:?}", started.elapsed());
    settings
}

#[test]
fn many_servers_are_read_whole() {
    let started = Instant::now();
    let settings = read_many(10_000, 10);
    assert_eq!(settings.warnings, [""; 0]);
    assert_eq!(settings.servers.len(), 10_000);
    assert_eq!(settings.servers[9_999].level.locations.len(), 10);
    assert_eq!(settings.readable_logs().len(), 10_000);
    assert_eq!(settings.sockets().len(), 2);
    // Locations with the same settings share them.
    let [one, .., other] = &settings.servers[7].level.locations[..] else {
        panic!()
    };
    assert!(Arc::ptr_eq(&one.level.effective, &other.level.effective));
    assert!(settings == settings.clone());
    // Quadratic behaviour would take minutes.
    assert!(started.elapsed().as_secs() < 60);
}

#[test]
fn hostile_models_are_bounded() {
    for unit in [
        "server{}",
        "server{listen 1-65535;stub_status;}",
        "server{location #{return #;}}",
        "server{location #{error_page 300 #;}}",
        "server{listen #;location /{stub_status;}}",
        "access_log # #;",
        "access_log a #;log_format # #;",
        "upstream #{server #;}",
        "error_log #;",
        "error_page 300 400 500 /#;",
    ] {
        let started = Instant::now();
        let mut text = "http {".to_owned();
        for number in 0..2_000_000 / unit.len() {
            text.push_str(&unit.replace('#', &number.to_string()));
        }
        text.push('}');
        let settings = read(&text);
        let _ = (settings.stub_statuses(), settings.readable_logs());
        // Quadratic behaviour would take minutes.
        assert!(started.elapsed().as_secs() < 20, "{unit}");
    }
}

#[test]
fn what_has_no_room_is_left_out_and_said() {
    let text = format!("http {{ {} }}", "server{listen 1-65535;}".repeat(30));
    let settings = read(&text);
    assert!(settings.warnings[0].contains("left out"));
    let kept: usize = settings.servers.iter().map(|s| s.listens.len()).sum();
    // With all that comes of a port, not only with its `Listen`.
    assert!(kept * 512 <= 64 << 20);
    assert!(kept > 100_000);
    assert!(settings.sockets().len() < kept);
}

/// Words that lead somewhere, and arbitrary bytes.
fn word() -> impl Strategy<Value = Vec<u8>> {
    let known = "http server location if limit_except upstream events map types stream \
        access_log error_log log_format listen server_name return error_page proxy_pass \
        fastcgi_pass stub_status auth_request limit_req limit_conn_status worker_processes \
        proxy_intercept_errors keepalive content_by_lua_block include nginx.conf off = =200 @x \
        ~ ^~/a ~*^\\. [::] [::1]:80 *:80 80-90 unix: unix:/x 127.0.0.1 ~^/s$ zone=a $x http://$a \
        http://[::1 https://a:1/x 404 500 buffer=1k flush=1s if=$x gzip escape=json ssl quic \
        '' \"a b\" ' \" \\ # { { { } } } ; ; ; ; ;";
    let known: Vec<&str> = known.split(' ').filter(|word| !word.is_empty()).collect();
    prop_oneof![
        20 => prop::sample::select(known).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn nothing_breaks_it(words in prop::collection::vec(word(), 0..120), in_http in any::<bool>()) {
        let mut text = if in_http { b"http { server {".to_vec() } else { Vec::new() };
        for word in words {
            text.extend_from_slice(&word);
            text.push(b' ');
        }
        let settings = settings_of(&text, &Invocation::default());
        prop_assert!(settings.warnings.len() <= 2 * read::MAX_WARNINGS + 1);
        let _ = (settings.stub_statuses(), settings.sockets());
        let _ = (settings.readable_logs(), settings.places(|_| true));
        prop_assert_eq!(&settings, &settings_of(&text, &Invocation::default()));
    }
}
