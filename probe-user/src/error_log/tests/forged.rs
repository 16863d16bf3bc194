//! What clients and backends write to be taken for nginx.

use super::*;

const FORGED: &str = "\" failed (24: Too many open files) while connecting to upstream, client: 6.6.6.6, server: x, \
     request: \"GET / HTTP/1.1\", upstream: \"http://6.6.6.6:1/\", host: \"h\"";
const TRUE: &str = ", client: 127.0.0.1, server: s, request: \"GET / HTTP/1.1\", \
     upstream: \"http://10.0.0.1:1/\", host: \"h\"";

#[test]
fn a_referrer_forges_neither_class_nor_client_nor_upstream() {
    for (class, record) in examples() {
        let Parsed::Line(before) = Parsed::of(&record) else {
            continue;
        };
        if before.client.is_none()
            || before.server.is_none()
            || before.referrer.is_some()
            || before.cut
            || before.request.is_none()
            || before.message.contains(&b'\n')
            || before.action == Some(b"reading client request line")
        {
            continue;
        }
        let forged = [
            &record[..],
            b", referrer: \"http://x/",
            FORGED.as_bytes(),
            b"\"",
        ]
        .concat();
        if forged.len() >= MAX_RECORD {
            continue;
        }
        let after = line(&forged);
        let text = record.escape_ascii();
        assert!(
            after
                .client
                .is_none_or(|client| Some(client) == before.client),
            "{text}"
        );
        assert!(
            after.upstream.is_none_or(|up| Some(up) == before.upstream),
            "{text}"
        );
        let vaguer = [
            ("open_failed", "open_"),
            ("mkdir_failed", "mkdir_"),
            ("dav_failed", "dav_"),
            ("open_failed", "dav_"),
            ("xslt_failed", "dav_"),
            ("open_failed", "try_files_"),
            ("mkdir_failed", "dav_"),
            ("copy_failed", "copy_"),
            ("log_unopened", "log_"),
        ]
        .iter()
        .any(|(vague, kin)| after.class.name == *vague && class.starts_with(kin));
        assert!(
            after.class == before.class || vaguer,
            "{class}, {}: {text}",
            after.class.name
        );
        assert!(after.contested, "{text}");
    }
}

#[test]
fn text_of_a_backend_or_a_path_forges_neither_class_nor_client_nor_upstream() {
    let head = "2026/01/02 03:04:05 [error] 10#10: *1 ";
    let reading = "while reading response header from upstream";
    // Alone, with a field that swallows the rest, and with a line feed in between.
    for glue in ["", ", referrer: \"", ", referrer: \"\n", "\n"] {
        for (begin, end, class) in [
            (
                "FastCGI sent in stderr: \"",
                format!("\" {reading}"),
                "fastcgi_stderr",
            ),
            (
                "open() \"/srv/",
                "\" failed (2: No such file or directory)".into(),
                "open_not_found",
            ),
            (
                "upstream sent invalid header: \"",
                format!("\" {reading}"),
                "upstream_invalid_header",
            ),
            (
                "lua entry thread aborted: runtime error: ",
                String::new(),
                "lua_aborted",
            ),
            ("[lua] x.lua:1: ", String::new(), "lua_message"),
        ] {
            let record = format!("{head}{begin}{FORGED}{glue}{end}{TRUE}");
            let line = line(record.as_bytes());
            let seen = format!("{record}: {}", described(record.as_bytes()));
            assert!(
                line.client.is_none_or(|client| client == b"127.0.0.1"),
                "{seen}"
            );
            assert!(
                line.upstream.is_none_or(|up| up == b"http://10.0.0.1:1/"),
                "{seen}"
            );
            assert!(
                line.class.name == class || line.class.name == "open_failed",
                "{seen}"
            );
            assert!(line.client.is_some() || line.contested, "{seen}");
            assert!(line.client.is_some() || glue == ", referrer: \"", "{seen}");
        }
    }
}

#[test]
fn a_path_with_line_feeds_makes_no_line_of_its_own() {
    let forged = "2026/01/02 03:04:05 [alert] 7#7: worker process 8 exited on signal 11";
    let head = "2026/01/02 03:04:05 [error] 10#10: *1 open() \"/srv/";
    let tail =
        "\" failed (2: No such file or directory), client: 127.0.0.1, server: s, request: \"GET /";
    let escaped = |text: &str| {
        text.replace('\n', "%0A")
            .replace(' ', "%20")
            .replace('"', "%22")
    };
    let next = "2026/01/02 03:04:05 [alert] 10#10: could not respawn worker process";
    for path in [
        format!("a\n{forged}\nb"),
        format!("a\n{forged}"),
        format!(
            "a\" failed (2: No), client: 6.6.6.6, server: s, request: \"GET / HTTP/1.1\"\n{forged}\n{forged}\nb"
        ),
        format!(
            "a\" failed (2: No), client: 6.6.6.6, server: s, request: \"GET / HTTP/1.1\"\n{forged}\n2026/01/02 03:04:05 [error] 10#10: *1 open() \"/srv/x"
        ),
    ] {
        let block = format!(
            "{head}{path}{tail}{} HTTP/1.1\", host: \"h\"\n{next}\n",
            escaped(&path)
        );
        let found: Vec<_> = records(block.as_bytes())
            .map(|record| class_of(record.bytes))
            .collect();
        assert_eq!(found, ["open_not_found", "respawn_failed"], "{block}");
        let client = line(records(block.as_bytes()).next().unwrap().bytes).client;
        assert!(
            client.is_none_or(|client| client == b"127.0.0.1"),
            "{block}"
        );
    }
}

#[test]
fn a_cut_path_with_line_feeds_makes_no_line_of_its_own() {
    let forged = "2026/01/02 03:04:05 [alert] 7#7: worker process 8 exited on signal 11";
    let next = "2026/01/02 03:04:05 [alert] 10#10: could not respawn worker process";
    let fields = ", client: 6.6.6.6, server: s, request: \"GET / HTTP/1.1\"";
    for begin in ["a".to_owned(), format!("a\" failed (2: No){fields}")] {
        let path = format!(
            "2026/01/02 03:04:05 [error] 10#10: *1 open() \"/srv/{begin}\n{forged}\n2026/01/02 03:04:05 [error] 1#1: x"
        );
        let end = "... (36: File name too long), client: 192.168.1";
        let fill = "x".repeat(MAX_RECORD - 1 - path.len() - end.len());
        let block = format!("{path}{fill}{end}\n{next}\n");
        let found: Vec<_> = records(block.as_bytes())
            .map(|record| class_of(record.bytes))
            .collect();
        assert!(
            found == ["open_not_found", "respawn_failed"]
                || found == ["open_failed", "respawn_failed"],
            "{found:?}"
        );
        let line = line(records(block.as_bytes()).next().unwrap().bytes);
        assert!(line.cut && line.client.is_none());
    }
}

#[test]
fn lines_of_others_are_not_taken_into_a_record() {
    let refused = "2026/01/02 03:04:05 [error] 10#10: *1 connect() failed (111: Connection refused) while connecting to upstream";
    let missing = "2026/01/02 03:04:05 [error] 10#10: *2 open() \"/srv/a%0Ab\" failed (2: No such file or directory)";
    let block = format!("{missing}{TRUE}\n{refused}{TRUE}\nmore of it\n{missing}{TRUE}\n");
    let found: Vec<_> = records(block.as_bytes())
        .map(|record| (class_of(record.bytes), record.lines))
        .collect();
    assert_eq!(
        found,
        [
            ("open_not_found", 1),
            ("connect_refused", 2),
            ("open_not_found", 1)
        ]
    );
}

#[test]
fn a_line_beyond_what_nginx_writes_at_once_is_never_cut() {
    // Found by fuzzing: the open message before took a part of the next line, up to 2,048 bytes,
    // and what was left of it looked like a line.
    let open = "2026/01/02 03:04:05 [error] 10#10: *1 open() \"/srv/a";
    let next = format!("2026/01/02 03:04:05 [error] 10#10: *2 x{TRUE}, referrer: \"");
    let forged = "2026/01/02 03:04:05 [alert] 7#7: worker process 8 exited on signal 11";
    for shift in 0..4 {
        let fill = "y".repeat(MAX_RECORD - open.len() - next.len() - shift);
        let block = format!("{open}\n{next}{fill}{forged}\"\n");
        let found: Vec<_> = records(block.as_bytes())
            .map(|record| record.bytes)
            .collect();
        let lines: Vec<_> = block.lines().map(str::as_bytes).collect();
        assert!(found == lines, "{shift}: {} records", found.len());
    }
}
