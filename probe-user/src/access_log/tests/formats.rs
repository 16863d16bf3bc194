//! Formats of every kind.

use super::*;

const UPSTREAMINFO: &str = r#"192.0.2.1 - - [22/Nov/2026:16:01:50 +0000] "GET / HTTP/1.1" 502 150 "-" "curl/8" 78 0.004 [default-web-80] [] 10.0.0.7:8080, [2001:db8::1]:80 : unix:/run/a.sock 0, 0 : 150 0.001, 0.002 : 0.001 502, 504 : 502 2dd1c8c2a7f0e1d64a3f0aa5ad4ea6b1"#;

#[test]
fn upstreaminfo() {
    let format = Format::known("upstreaminfo").unwrap();
    let mut entry = Entry::default();
    assert!(format.parse(UPSTREAMINFO.as_bytes(), &mut entry));
    let list = |field| {
        let attempts = entry.attempts(field);
        attempts
            .map(|a| (String::from_utf8_lossy(a.value), a.redirected))
            .collect::<Vec<_>>()
    };
    let of = |values: [&'static str; 3]| {
        let redirected = [false, false, true];
        values
            .map(Into::into)
            .into_iter()
            .zip(redirected)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        list(Field::UpstreamAddr),
        of(["10.0.0.7:8080", "[2001:db8::1]:80", "unix:/run/a.sock"])
    );
    assert_eq!(list(Field::UpstreamStatus), of(["502", "504", "502"]));
    assert_eq!(
        list(Field::UpstreamResponseTime),
        of(["0.001", "0.002", "0.001"])
    );
    assert_eq!(entry.request_time(), Some(4000));
    assert_eq!(entry.get(Field::RequestId).map(<[u8]>::len), Some(32));
    let addresses = |line: &str| value(&format, line, Field::UpstreamAddr).map(str::to_owned);
    let upstreams = "10.0.0.7:8080, [2001:db8::1]:80 : unix:/run/a.sock 0, 0 : 150 \
                     0.001, 0.002 : 0.001 502, 504 : 502";
    for (other, expected) in [
        ("- - - -", "-"),
        (" - 0.000 -", ""),
        ("default-web-80 0 0.000 502", "default-web-80"),
        // A redirect that went to no upstream.
        ("10.0.0.7:80 :  5 :  0.001 :  404 : ", "10.0.0.7:80 : "),
        (", 10.0.0.7:80 -, 5 0.001, 0.002 -, 200", ", 10.0.0.7:80"),
    ] {
        let line = UPSTREAMINFO.replace(upstreams, other);
        assert_ne!(line, UPSTREAMINFO);
        assert_eq!(addresses(&line).as_deref(), Some(expected), "{line}");
    }
    assert_eq!(
        addresses(&UPSTREAMINFO.replace(" 502, 504", " 502; 504")),
        None
    );
}

#[test]
fn an_address_may_be_followed_by_what_addresses_hold() {
    let text = "$remote_addr:$remote_port [$time_local] $status";
    for escape in [Escape::Default, Escape::Json, Escape::None] {
        let format = compile(text, escape);
        assert!(format.is_unambiguous());
        for (address, port) in [
            ("192.0.2.1", "4711"),
            ("::1", "80"),
            ("2001:db8::1:2", "65535"),
            ("2001:db8:0:1:2:3:4:5", "8"),
            ("::ffff:192.0.2.1", "80"),
            ("unix:", ""),
        ] {
            let line = format!("{address}:{port} [22/Nov/2026:16:01:50 +0000] 500");
            assert_eq!(value(&format, &line, Field::RemoteAddr), Some(address));
            assert_eq!(value(&format, &line, Field::RemotePort), Some(port));
        }
        for address in ["", "1.2.3", "x", "::1::1", &":".repeat(100)] {
            let line = format!("{address}:80 [22/Nov/2026:16:01:50 +0000] 500");
            assert_eq!(value(&format, &line, Field::RemotePort), None, "{line}");
        }
    }
    for (text, line, address, unambiguous) in [
        ("$remote_addr:$http_x 1", "::1:a.b 1", "::1", false),
        ("$remote_addr:", "1.2.3.4:", "1.2.3.4", true),
        ("${remote_addr}a$pid", "1.2.3.4a7", "1.2.3.4", true),
        ("$remote_addr:$remote_port:$host", "::1:8:x", "::1", false),
        ("$uri $remote_addr:$pid", "/ ::1:8", "::1", false),
    ] {
        let format = compile(text, Escape::Default);
        assert_eq!(value(&format, line, Field::RemoteAddr), Some(address));
        assert_eq!(format.is_unambiguous(), unambiguous, "{text}");
    }
}

#[test]
fn json_with_numbers_that_may_be_empty() {
    let text = r#"{"t":"$time_iso8601","s":$status,"us":$upstream_status,"port":$remote_port,"u":"$upstream_addr","r":"$request","c":$connection}"#;
    let format = compile(text, Escape::Json);
    assert!(format.is_unambiguous());
    let line = r#"{"t":"2026-11-22T16:01:50+01:00","s":009,"us":,"port":,"u":"","r":"GET /\"\\\",\"s\":500 \u0001\n","c":7}"#;
    let mut entry = Entry::default();
    assert!(format.parse(line.as_bytes(), &mut entry));
    assert_eq!(entry.status(), Some(9));
    assert_eq!(entry.upstream_status().count(), 0);
    assert_eq!(entry.remote_port(), None);
    assert_eq!(entry.connection(), Some(7));
    assert_eq!(entry.time(), Some(1_795_359_710_000_000));
    let request = entry.get(Field::Request).unwrap();
    assert_eq!(
        &*Escape::Json.unescape(request),
        b"GET /\"\\\",\"s\":500 \x01\n"
    );
    for (from, to) in [("\"us\":,", "\"us\":502 : 200,"), ("\"us\":,", "\"us\":-,")] {
        assert!(values(&format, line.replace(from, to).as_bytes()).is_some());
    }
    assert!(values(&format, line.replace("009", "").as_bytes()).is_none());
}

#[test]
fn key_value_tabs_and_others() {
    for (text, escape, line, field, expected) in [
        (
            "s=$status m=$request_method u=$uri rt=$request_time",
            Escape::Default,
            "s=500 m=GET u=/a rt=b rt=0.001",
            Field::Uri,
            Some("/a rt=b"),
        ),
        (
            "$status\t$uri\t$host\t",
            Escape::Default,
            "200\t/ a\t-\t",
            Field::Uri,
            Some("/ a"),
        ),
        (
            "$status\t$uri\t$host",
            Escape::Default,
            "200\t/\tb\tc",
            Field::Host,
            Some("b\tc"),
        ),
        (
            "up=$upstream_addr, us=$upstream_status",
            Escape::Default,
            "up=a:1, b:2, us=502, 200",
            Field::UpstreamAddr,
            Some("a:1, b:2"),
        ),
        (
            "$upstream_addr, $upstream_status",
            Escape::Default,
            "a:1, b:2, 502, 200",
            Field::UpstreamStatus,
            Some("502, 200"),
        ),
        (
            "$upstream_addr;$upstream_status",
            Escape::None,
            "a:1, b:2;502, 200",
            Field::UpstreamAddr,
            Some("a:1, b:2"),
        ),
        (
            "[$upstream_addr] $pid",
            Escape::Default,
            "[[::1]:80, [::2]:80] 5",
            Field::UpstreamAddr,
            Some("[::1]:80, [::2]:80"),
        ),
        (
            "$status${time_local}$msec$pid",
            Escape::Default,
            "20022/Nov/2026:16:01:50 +00001795363310.12334",
            Field::Pid,
            Some("34"),
        ),
        (
            "$host:$server_port",
            Escape::Default,
            "[::1]:8080:",
            Field::Host,
            Some("[::1]:8080"),
        ),
        (
            "$host:$server_port",
            Escape::Default,
            "[::1]:8080",
            Field::Host,
            Some("[::1]"),
        ),
        (
            "\"$request\" $status",
            Escape::None,
            "\"a\" 20 b\" 200",
            Field::Request,
            Some("a\" 20 b"),
        ),
        ("$uri>", Escape::Default, ">>", Field::Uri, Some(">")),
        ("$uri", Escape::Default, "", Field::Uri, Some("")),
        ("$remote_addr$uri", Escape::None, "x", Field::Uri, None),
    ] {
        let format = compile(text, escape);
        let mut entry = Entry::default();
        assert!(format.parse(line.as_bytes(), &mut entry), "{text} {line}");
        let read = entry
            .get(field)
            .map(|value| std::str::from_utf8(value).unwrap());
        assert_eq!(read, expected, "{text} {line}");
    }
}

#[test]
fn variables_that_cannot_be_told_apart_are_named() {
    let format = compile("$uri$host $status $bytes_sent$pid", Escape::Default);
    assert!(!format.gives(Field::Uri) && !format.gives(Field::Host) && !format.gives(Field::Pid));
    assert!(format.unreadable()[0].starts_with("$uri $host (no text"));
    assert!(format.unreadable()[1].starts_with("$bytes_sent $pid (no text"));
    assert_eq!(value(&format, "/a b 20 404 12", Field::Status), Some("404"));
    let format = compile("$upstream_status, $upstream_status $pid", Escape::Default);
    assert!(!format.gives(Field::UpstreamStatus));
    assert_eq!(
        value(&format, "502, 200, 502, 200 1", Field::Pid),
        Some("1")
    );
}

#[test]
fn only_literals_or_nothing() {
    for text in ["", "x", "a longer literal"] {
        let format = compile(text, Escape::Default);
        assert!(values(&format, text.as_bytes()).is_some());
        assert!(values(&format, b"other").is_none());
    }
}

#[test]
fn the_text_at_the_end_is_not_the_text_before() {
    // Found by fuzzing: a value between them that ends before it begins.
    let format = compile("$status \"$request\"", Escape::None);
    assert_eq!(value(&format, "500 \"", Field::Request), None);
    assert_eq!(value(&format, "500 \"\"", Field::Request), Some(""));
    let format = compile("$status $uri [ $request [ ", Escape::None);
    assert_eq!(value(&format, "500 / [ ", Field::Request), None);
}

#[test]
fn who_may_forge_is_known() {
    for (text, escape, expected) in [
        ("$status \"$request\"", Escape::Default, true),
        ("$uri $status \"$request\"", Escape::Default, true),
        ("$uri $host \"$request\"", Escape::Default, false),
        ("$uri $pid", Escape::Default, false),
        ("\"$request\" $status", Escape::None, false),
        ("$status $request", Escape::None, true),
    ] {
        assert_eq!(compile(text, escape).is_unambiguous(), expected, "{text}");
    }
}

#[test]
fn well_known_formats_are_detected() {
    let combined = r#"192.0.2.1 - - [22/Nov/2026:16:01:50 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#;
    for (line, name) in [
        (combined.to_owned(), "combined"),
        (format!("{combined} \"-\""), "main"),
        (
            format!("{combined} 0.001 -"),
            "combined with more behind it",
        ),
        (UPSTREAMINFO.to_owned(), "upstreaminfo"),
        (format!("www.example.com:443 {combined}"), "vhost_combined"),
        (
            format!("[::1]:443 {combined} x"),
            "vhost_combined with more behind it",
        ),
        (combined.replace(" \"-\" \"x\"", ""), "common"),
    ] {
        let lines = ["", &line, "garbage"].map(str::as_bytes);
        let (found, format) = detect(lines).unwrap();
        assert_eq!(found, name, "{line}");
        assert!(values(&format, line.as_bytes()).is_some());
    }
    assert!(detect([&b"garbage"[..], b"{\"status\":500}"]).is_none());
    assert!(detect([combined.as_bytes(), b"a", b"b"]).is_none());
    assert!(detect([]).is_none());
    for known in KNOWN {
        let format = Format::known(known.name).unwrap();
        assert!(format.gives(Field::Status) && format.unreadable().is_empty());
    }
}
