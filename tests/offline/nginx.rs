//! Logs of a real nginx: what was sent is what is counted.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nginx_probe_tests::http::{Answer, get};
use nginx_probe_tests::nginx::{Builder, Nginx};
use nginx_probe_tests::ports;
use nginx_probe_tests::wait::{DEADLINE, until_true};
use serde_json::{Value, json};

use crate::reports::{kinds, logs, report};

/// Each way to a failed response, how often it is requested here, and what comes of it.
const WAYS: [(&str, u64, u16, &str, &str); 9] = [
    ("/own", 2, 500, "nginx", "unknown"),
    (
        "/fail?token=secret",
        3,
        500,
        "upstream",
        "upstream_response",
    ),
    ("/refused/17", 4, 502, "no_connection", "upstream_refused"),
    ("/refused/18", 1, 502, "no_connection", "upstream_refused"),
    ("/closed", 5, 502, "closed", "upstream_closed"),
    ("/slow", 1, 504, "timed_out", "upstream_timeout"),
    (
        "/intercepted",
        6,
        500,
        "intercepted",
        "upstream_intercepted",
    ),
    ("/masked", 7, 200, "masked", "upstream_masked"),
    ("/ok", 8, 200, "", ""),
];

/// An nginx that has them all, and the upstream that never answers.
fn nginx(builder: Builder) -> Result<(Nginx, TcpListener)> {
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let slow = silent.local_addr()?;
    let closed = upstream(b"")?;
    let missing = upstream(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
    let refused = ports::free()?;
    let locations = format!(
        "location = /own {{ return 500; }}
         location /refused/ {{ proxy_pass http://127.0.0.1:{refused}; }}
         location = /closed {{ proxy_pass http://{closed}; }}
         location = /slow {{ proxy_pass http://{slow}; proxy_read_timeout 1s; }}
         location = /intercepted {{
             proxy_pass http://{missing}; proxy_intercept_errors on; error_page 404 =500 /gone;
         }}
         location = /gone {{ internal; return 500; }}
         location = /masked {{
             proxy_pass http://failing; proxy_intercept_errors on; error_page 500 =200 /index.html;
         }}"
    );
    let nginx = builder.workers(1).location(&locations).start()?;
    Ok((nginx, silent))
}

/// An upstream that reads a request, answers so, and hangs up.
fn upstream(answer: &'static [u8]) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            // To close before nginx has sent its request would reset the connection.
            let _ = client.set_read_timeout(Some(Duration::from_secs(5)));
            let _ = client.read(&mut [0; 4096]);
            let _ = client.write_all(answer);
        }
    });
    Ok(address)
}

/// Sends every request, and waits until each is in the log; how many lines that has.
fn send(nginx: &Nginx) -> Result<u64> {
    let mut sent = 0;
    for (path, count, status, ..) in WAYS {
        for _ in 0..count {
            assert_eq!(get(nginx.port(), path), Answer::Status(status), "{path}");
        }
        sent += count;
    }
    let log = || fs::read_to_string(nginx.access_log());
    until_true("every request in the log", DEADLINE, || {
        // The fixture asks for `/` until it is answered.
        let ours = log()?
            .lines()
            .filter(|line| !line.contains("GET / "))
            .count();
        Ok(u64::try_from(ours)? == sent)
    })?;
    Ok(u64::try_from(log()?.lines().count())?)
}

fn expected_kinds() -> Vec<(String, String, u64)> {
    let mut kinds: Vec<(String, String, u64)> = Vec::new();
    for (_, count, _, how, cause) in WAYS.into_iter().filter(|way| !way.3.is_empty()) {
        match kinds.iter_mut().find(|kind| kind.0 == how) {
            Some(kind) => kind.2 += count,
            None => kinds.push((how.into(), cause.into(), count)),
        }
    }
    kinds.sort();
    kinds
}

fn check_counts(report: &Value, lines: u64) {
    let access = &report["access"];
    assert_eq!(access["lines"], lines, "{access}");
    assert_eq!(access["unparsed"], 0, "{access}");
    // Of all others the fixture asks for `/` until it is answered.
    let others = lines - WAYS.iter().map(|way| way.1).sum::<u64>();
    let mut expected = serde_json::Map::new();
    for (status, count) in [("200", 15 + others), ("500", 11), ("502", 10), ("504", 1)] {
        expected.insert(status.into(), count.into());
    }
    assert_eq!(access["responses"], Value::Object(expected));
    assert_eq!(access["failed"], 22);
    let minutes = access["minutes"].as_array().map_or(&[][..], Vec::as_slice);
    let failures = minutes
        .iter()
        .filter_map(|minute| minute["failures"].as_u64());
    assert_eq!(failures.sum::<u64>(), 22, "{access}");
}

#[test]
fn combined_says_how_far_it_goes_and_the_line_it_suggests_goes_further() -> Result<()> {
    let (nginx, _silent) = nginx(Nginx::builder())?;
    let sent = send(&nginx)?;
    let found = report(&[nginx.access_log()])?;
    check_counts(&found, sent);
    let all_unknown = [("untold".to_owned(), "unknown".to_owned(), 22)];
    assert_eq!(kinds(&found), all_unknown);
    let routes = &found["access"]["routes"];
    assert_eq!(routes[0]["name"], "GET /intercepted", "{routes}");
    let refused = json!({"name": "GET /refused/:id", "failures": 5, "statuses": {"502": 5}});
    assert!(
        routes.as_array().is_some_and(|all| all.contains(&refused)),
        "{routes}"
    );
    let text = logs(&[nginx.access_log()])?.stdout;
    assert!(
        !text.contains("secret") && !found.to_string().contains("secret"),
        "{text}"
    );

    let line = found["access"]["log_format"].as_str().context("a line")?;
    assert!(text.contains(line), "{text}");
    let format = line.split_once('\'').context("a quote")?.1;
    let format = format.strip_suffix("';").context("its end")?;
    let (longer, _silent) = self::nginx(Nginx::builder().log_format(format))?;
    let sent = send(&longer)?;
    let option = format!("--format={line}");
    let found = report(&[option.as_ref(), longer.access_log().as_os_str()])?;
    check_counts(&found, sent);
    assert_eq!(kinds(&found), expected_kinds());
    assert_eq!(found["access"]["masked"], 7);
    assert_eq!(found["access"]["log_format"], Value::Null);
    let slowest = found["access"]["upstream_seconds"]["max"].as_f64();
    assert!(
        slowest.is_some_and(|slowest| (1.0..2.0).contains(&slowest)),
        "{found}"
    );
    Ok(())
}

#[test]
fn upstreaminfo_and_json_are_detected() -> Result<()> {
    let upstreaminfo = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id"#;
    let json = r#"{"@timestamp":"$time_iso8601","request":"$request","status":$status,"upstream_addr":"$upstream_addr","upstream_status":"$upstream_status","upstream_header_time":"$upstream_header_time","upstream_connect_time":"$upstream_connect_time","agent":"$http_user_agent"}"#;
    for (name, format) in [("upstreaminfo", upstreaminfo), ("JSON", json)] {
        let names = "set $proxy_upstream_name web; set $proxy_alternative_upstream_name '';
                     set $req_id $request_id;";
        let builder = Nginx::builder().log_format(format).location(names);
        let (nginx, _silent) = nginx(builder)?;
        let sent = send(&nginx)?;
        let found = report(&[nginx.access_log()])?;
        check_counts(&found, sent);
        assert_eq!(found["access"]["formats"], json!([[name, "detected"]]));
        let kinds = kinds(&found);
        let count = |how: &str| kinds.iter().find(|kind| kind.0 == how).map(|kind| kind.2);
        assert_eq!(
            (count("nginx"), count("intercepted"), count("masked")),
            (Some(2), Some(6), Some(7))
        );
        if name == "JSON" {
            assert_eq!(kinds, expected_kinds());
        } else {
            // Whose a 502 or 504 is, it does not tell.
            assert_eq!(
                (count("upstream"), count("upstream_or_nginx")),
                (Some(3), Some(11))
            );
        }
    }
    Ok(())
}

#[test]
fn an_error_log_beside_it_or_named_as_one_is_counted_by_class() -> Result<()> {
    let (nginx, _silent) = nginx(Nginx::builder())?;
    send(&nginx)?;
    let errors = nginx.folder().join("error.log");
    let by_name = [nginx.access_log(), "--error-log".into(), errors.clone()];
    let beside = report(&[nginx.access_log(), errors])?;
    let named = report(&by_name)?;
    for report in [&beside, &named] {
        let messages = report["errors"]["messages"]
            .as_array()
            .context("messages")?;
        let count = |class: &str| {
            let message = messages.iter().find(|message| message["class"] == class);
            message.map(|message| (message["count"].clone(), message["cause"].clone()))
        };
        assert_eq!(
            count("connect_refused"),
            Some((5.into(), "upstream_refused".into()))
        );
        assert_eq!(
            count("upstream_closed_header"),
            Some((5.into(), "upstream_closed".into()))
        );
        assert_eq!(
            count("upstream_timed_out_header"),
            Some((1.into(), "upstream_timeout".into()))
        );
        assert_eq!(report["errors"]["strays"], 0, "{report}");
    }
    assert_eq!(beside["access"], named["access"]);
    Ok(())
}
