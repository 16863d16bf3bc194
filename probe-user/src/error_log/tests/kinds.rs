//! Kinds of messages: what each stands for, whoever wrote it.

use super::*;
use Answer::{Fails, NoAnswer, Status, Unharmed};

pub(super) const FIELDS: &str =
    ", client: 198.51.100.4, server: shop.test, request: \"GET /x HTTP/1.1\", host: \"shop.test\"";

/// Level and message, its class, cause and answer; `…` stands for a client's fields.
pub(super) fn check(cases: &[(&str, &str, Option<Cause>, Answer)]) {
    for (text, name, cause, answer) in cases {
        let (level, message) = text.split_once(' ').unwrap();
        let connection = if message.contains(", client: ") || message.contains('…') {
            "*7 "
        } else {
            ""
        };
        let message = message.replace('…', FIELDS);
        let record = format!("2026/05/06 07:08:09 [{level}] 3#3: {connection}{message}");
        let line = line(record.as_bytes());
        assert_eq!(line.class.name, *name, "{record}");
        assert_eq!(line.class.cause, *cause, "{record}");
        assert_eq!(line.class.answer, *answer, "{record}");
        if message.contains(", client: 198.51.100.4") {
            assert_eq!(line.client, Some(&b"198.51.100.4"[..]), "{record}");
        }
    }
}

#[test]
fn what_the_system_lacks_refuses_no_configuration() {
    check(&[
        (
            "emerg io_setup() failed (11: Resource temporarily unavailable)",
            "feature_unavailable",
            None,
            Unharmed,
        ),
        (
            "emerg eventfd() failed (38: Function not implemented)",
            "feature_unavailable",
            None,
            Unharmed,
        ),
        (
            "emerg setsockopt(IPV6_V6ONLY) [::]:80 failed, ignored (92: Protocol not available)",
            "feature_unavailable",
            None,
            Unharmed,
        ),
        (
            "emerg setsockopt(SO_REUSEPORT) 0.0.0.0:80 failed (92: Protocol not available)",
            "config_refused",
            Some(Cause::ReloadFailed),
            Unharmed,
        ),
        (
            "emerg cannot load certificate \"/etc/x.pem\": BIO_new_file() failed (SSL: error:80000002)",
            "config_refused",
            Some(Cause::ReloadFailed),
            Unharmed,
        ),
    ]);
}

#[test]
fn certificates_and_their_state_are_no_configuration_and_no_upstream() {
    check(&[
        (
            "error cannot load certificate key \"/etc/a.key\": BIO_new_file() failed (SSL: error:8000000D) while SSL handshaking, client: 198.51.100.4, server: 0.0.0.0:443",
            "certificate_not_loaded",
            None,
            NoAnswer,
        ),
        (
            "error cannot load certificate \"/etc/a.pem\": PEM_read_bio_X509_AUX() failed (SSL: error:0480006C) while SSL handshaking to upstream…",
            "upstream_certificate",
            Some(Cause::ConfigError),
            Status(500),
        ),
        (
            "warn no resolver defined to resolve status.test while requesting certificate status, responder: status.test",
            "ocsp_failed",
            None,
            Unharmed,
        ),
        (
            "error status.test could not be resolved (2: Server failure) while requesting certificate status, responder: status.test",
            "ocsp_failed",
            None,
            Unharmed,
        ),
        (
            "error connect() failed (111: Connection refused) while requesting certificate status, responder: status.test, peer: 203.0.113.1:80",
            "ocsp_failed",
            None,
            Unharmed,
        ),
        (
            "error handshake rejected while SSL handshaking, client: 198.51.100.4, server: 0.0.0.0:443",
            "client_tls_handshake",
            None,
            NoAnswer,
        ),
    ]);
}

#[test]
fn an_upgraded_connection_that_ends_is_no_failed_response() {
    for message in [
        "error upstream timed out (110: Connection timed out)",
        "error recv() failed (104: Connection reset by peer)",
        "error upstream timed out (60: Operation timed out)",
        "info client timed out (110: Connection timed out)",
        "crit SSL_write() failed (SSL: error:80000020)",
        "error readv() failed (104: Connection reset by peer)",
    ] {
        let text = format!("{message} while proxying upgraded connection…");
        check(&[(&text, "upgraded_ended", None, Unharmed)]);
    }
    check(&[(
        "error upstream timed out (110: Connection timed out) while connecting to upstream…",
        "upstream_timed_out_connecting",
        Some(Cause::UpstreamTimeout),
        Status(504),
    )]);
}

#[test]
fn a_process_that_ends_is_told_by_its_signal_or_code() {
    let crash = Some(Cause::WorkerCrash);
    for (text, name, cause, answer) in [
        (
            "worker process 12 exited on signal 11",
            "worker_crashed",
            crash,
            NoAnswer,
        ),
        (
            "worker process 12 exited on signal 6",
            "worker_crashed",
            crash,
            NoAnswer,
        ),
        (
            "worker process 12 exited on signal 7 (core dumped)",
            "worker_crashed",
            crash,
            NoAnswer,
        ),
        (
            "worker process 12 exited on signal 10 (core dumped)",
            "worker_crashed",
            crash,
            NoAnswer,
        ),
        (
            "worker process 12 exited on signal 9",
            "worker_signal",
            None,
            NoAnswer,
        ),
        (
            "worker process 12 exited on signal 15",
            "worker_signal",
            None,
            NoAnswer,
        ),
        (
            "worker process 12 exited on signal 64",
            "worker_signal",
            None,
            NoAnswer,
        ),
        (
            "worker process 12 exited with code 0",
            "worker_exit",
            None,
            Unharmed,
        ),
        (
            "worker process 12 exited with code 1",
            "worker_exit_code",
            crash,
            NoAnswer,
        ),
        (
            "worker process 12 exited with code 137",
            "worker_exit_code",
            crash,
            NoAnswer,
        ),
        (
            "worker process 12 exited with code C0000005",
            "worker_exit_code",
            crash,
            NoAnswer,
        ),
        (
            "worker process 12 exited with fatal code 2 and cannot be respawned",
            "worker_fatal",
            crash,
            NoAnswer,
        ),
        (
            "cache manager process 12 exited on signal 11",
            "cache_process_ended",
            None,
            Unharmed,
        ),
        (
            "cache loader process 12 exited with code 0",
            "worker_exit",
            None,
            Unharmed,
        ),
        (
            "new binary process 12 exited with code 1",
            "upgrade_failed",
            None,
            Unharmed,
        ),
    ] {
        let text = format!("alert {text}");
        check(&[(&text, name, cause, answer)]);
    }
}

#[test]
fn logs_and_pid_files_are_no_answers() {
    check(&[
        (
            "alert write() to \"/var/log/a.log\" was incomplete: 10 of 90 while logging request…",
            "log_disk_full",
            Some(Cause::DiskFull),
            Unharmed,
        ),
        (
            "alert write() to \"/var/log/a.log\" failed (122: Disk quota exceeded) while logging request…",
            "log_disk_full",
            Some(Cause::DiskFull),
            Unharmed,
        ),
        (
            "alert write() to \"/var/log/a.log\" failed (5: Input/output error) while logging request…",
            "log_write_failed",
            None,
            Unharmed,
        ),
        (
            "alert send() failed (111: Connection refused) while logging to syslog, server: 203.0.113.1:514",
            "log_write_failed",
            None,
            Unharmed,
        ),
        (
            "crit open() \"/var/log/b/a.log\" failed (13: Permission denied) while logging request…",
            "log_denied",
            Some(Cause::PermissionDenied),
            Unharmed,
        ),
        (
            "crit pwrite() \"/tmp/a\" has written only 0 of 16384…",
            "write_disk_full",
            Some(Cause::DiskFull),
            Fails,
        ),
        (
            "error open() \"/var/run/nginx.pid\" failed (2: No such file or directory)",
            "signal_failed",
            None,
            Unharmed,
        ),
        (
            "error invalid PID number \"\" in \"/run/nginx.pid\"",
            "signal_failed",
            None,
            Unharmed,
        ),
        (
            "error open() \"/srv/nginx.pid\" failed (2: No such file or directory)…",
            "open_not_found",
            None,
            Status(404),
        ),
        (
            "crit open() \"/tmp/none/0000000001\" failed (2: No such file or directory)…",
            "open_needed_missing",
            Some(Cause::ConfigError),
            Status(500),
        ),
    ]);
}

#[test]
fn numbers_of_other_systems_are_known_by_their_text() {
    let at = " while connecting to upstream…";
    for (text, name) in [
        (
            "connect() failed (61: Connection refused)",
            "connect_refused",
        ),
        (
            "kevent() reported that connect() failed (61: Connection refused)",
            "connect_refused",
        ),
        (
            "connect() failed (10061: ein anderer Text)",
            "connect_refused",
        ),
        (
            "connect() to 203.0.113.1:80 failed (65: No route to host)",
            "connect_unreachable",
        ),
        (
            "connect() failed (60: Operation timed out)",
            "connect_timed_out",
        ),
        (
            "connect() failed (10060: A connection attempt failed)",
            "connect_timed_out",
        ),
        (
            "connect() to 203.0.113.1:80 failed (49: Can't assign requested address)",
            "connect_no_ports",
        ),
    ] {
        let record = format!("2026/05/06 07:08:09 [error] 3#3: *7 {text}{at}").replace('…', FIELDS);
        assert_eq!(class_of(record.as_bytes()), name, "{record}");
    }
    let record = format!(
        "2026/05/06 07:08:09 [error] 3#3: *7 connect() failed (61: Connection refused) while connecting to upstream{FIELDS}"
    );
    assert_eq!(
        line(record.as_bytes()).errno,
        Some((111, &b"Connection refused"[..]))
    );
    check(&[
        (
            "error CreateFile() \"C:\\a\" failed (2: The system cannot find the file specified)…",
            "open_not_found",
            None,
            Status(404),
        ),
        (
            "error WSARecv() failed (10054: An existing connection was forcibly closed) while reading response header from upstream…",
            "upstream_reset",
            Some(Cause::UpstreamClosed),
            Status(502),
        ),
        (
            "crit accept() failed (24: Too many open files)",
            "accept_no_fds",
            Some(Cause::FdExhaustion),
            NoAnswer,
        ),
    ]);
}

#[test]
fn what_nothing_is_known_of_keeps_its_words() {
    let record = format!(
        "2026/05/06 07:08:09 [crit] 3#3: *7 my own module: lost its mind (71: Protocol error){FIELDS}"
    );
    let line = line(record.as_bytes());
    assert_eq!(line.class.name, "other");
    assert_eq!(line.message, b"my own module: lost its mind");
    assert_eq!(line.errno, Some((71, &b"Protocol error"[..])));
    assert_eq!(line.client, Some(&b"198.51.100.4"[..]));
}

#[test]
fn what_others_write_behind_the_fields_is_in_none_of_them() {
    let up = ", upstream: \"http://203.0.113.1:80/x\", host: \"shop.test\"";
    for more in [
        ", request_id: \"0123abcd\"",
        ", upstream_connection: \"12\", upstream_bytes_sent: 3",
        ", bytes from/to client:0/0, bytes from/to upstream:0/0",
    ] {
        let record = format!(
            "2026/05/06 07:08:09 [error] 3#3: *7 [lua] a.lua:1: x, client: 198.51.100.4, server: s, request: \"GET / HTTP/1.1\"{up}{more}"
        );
        let line = line(record.as_bytes());
        assert_eq!(line.host, Some(&b"shop.test"[..]), "{record}");
        assert_eq!(
            line.upstream,
            Some(&b"http://203.0.113.1:80/x"[..]),
            "{record}"
        );
        assert!(!line.contested, "{record}");
    }
    let record = format!(
        "2026/05/06 07:08:09 [error] 3#3: *7 [lua] a.lua:1: x{FIELDS}, referrer: \"http://a/\", request_id: \"0123abcd\""
    );
    assert_eq!(line(record.as_bytes()).referrer, Some(&b"http://a/"[..]));
}
