//! Messages of scripts, modules and firewalls.

use super::kinds::{FIELDS, check};
use super::*;
use Answer::{Fails, Status, Unharmed};

#[test]
fn scripts_and_modules_are_told_by_name() {
    let failed = Some(Cause::ModuleError);
    for (text, name, answer, module) in [
        (
            "error js exception: ReferenceError: \"a\" is not defined\n    at main (http.js:4)\n…",
            "njs_failed",
            Fails,
            "njs",
        ),
        (
            "error js function \"main\" not found…",
            "njs_failed",
            Fails,
            "njs",
        ),
        (
            "error call_sv(\"main::go\") failed: \"no such thing at line 3.\"…",
            "perl_failed",
            Status(500),
            "perl",
        ),
        (
            "error xsltApplyStylesheet() failed…",
            "xslt_failed",
            Status(500),
            "xslt",
        ),
        (
            "error libxml2 error: \"Start tag expected, '<' not found\"…",
            "xslt_parse_error",
            Status(500),
            "xslt",
        ),
        (
            "error \"/srv/a.mp4\" mp4 file truncated…",
            "mp4_failed",
            Status(500),
            "mp4",
        ),
        (
            "error no mp4 mdat atom was found in \"/srv/a.mp4\"…",
            "mp4_failed",
            Status(500),
            "mp4",
        ),
        (
            "crit rename() \"/tmp/1\" to \"/srv/a\" failed (39: Directory not empty)…",
            "dav_failed",
            Status(500),
            "dav",
        ),
        (
            "error inflate() failed: 0, -3 while sending to client…",
            "gunzip_failed",
            Fails,
            "gunzip",
        ),
        (
            "error PUT with range is unsupported…",
            "dav_unsupported",
            Status(501),
            "dav",
        ),
    ] {
        check(&[(text, name, failed, answer)]);
        assert_eq!(named(name).unwrap().module(), Some(module));
    }
}

#[test]
fn what_a_client_asked_wrongly_of_a_module_is_no_failure() {
    check(&[
        (
            "error image filter: too big response: 9000000…",
            "image_filter_refused",
            None,
            Status(415),
        ),
        (
            "error key: \"/a\" was not found by memcached while reading response header from upstream…",
            "memcached_missed",
            None,
            Status(404),
        ),
        (
            "error unexpected \"=\" symbol in \"set\" SSI command while sending response to client…",
            "ssi_error",
            None,
            Unharmed,
        ),
        (
            "crit rename() \"/tmp/1\" to \"/srv/a\" failed (13: Permission denied)…",
            "dav_denied",
            Some(Cause::PermissionDenied),
            Status(500),
        ),
        (
            "crit rename() \"/cache/1.2\" to \"/cache/1\" failed (13: Permission denied) while reading upstream…",
            "rename_failed",
            None,
            Unharmed,
        ),
        (
            "crit mkdir() \"/srv/a\" failed (28: No space left on device), client: 198.51.100.4, server: , request: \"MKCOL /a/ HTTP/1.1\"",
            "dav_disk_full",
            Some(Cause::DiskFull),
            Fails,
        ),
        (
            "crit mkdir() \"/tmp/1\" failed (28: No space left on device)…",
            "mkdir_disk_full",
            Some(Cause::DiskFull),
            Status(500),
        ),
        (
            "error mkdir() \"/srv/a\" failed (17: File exists)…",
            "dav_path_refused",
            None,
            Status(403),
        ),
    ]);
}

#[test]
fn every_class_of_a_failed_module_names_it() {
    for class in classes().filter(|class| class.cause == Some(Cause::ModuleError)) {
        assert!(class.module().is_some(), "{}", class.name);
    }
    let used: BTreeSet<_> = classes().filter_map(Class::module).collect();
    assert_eq!(used, BTreeSet::from(MODULES));
}

#[test]
fn lua_that_no_client_waits_for_fails_no_response() {
    check(&[
        (
            "error lua entry thread aborted: runtime error: a.lua:1: x\nstack traceback:\n\t[C]: ?, context: ngx.timer, client: 198.51.100.4, server: 0.0.0.0:80",
            "lua_timer_aborted",
            None,
            Unharmed,
        ),
        (
            "error lua entry thread aborted: runtime error: a.lua:1: x, context: ngx.timer",
            "lua_timer_aborted",
            None,
            Unharmed,
        ),
        (
            "error lua entry thread aborted: runtime error: a.lua:1: x\nstack traceback:\n\t[C]: ?…",
            "lua_aborted",
            Some(Cause::LuaError),
            Status(500),
        ),
        (
            "error failed to run balancer_by_lua*: a.lua:1: x while connecting to upstream…",
            "lua_aborted",
            Some(Cause::LuaError),
            Status(500),
        ),
        (
            "error attempt to set ngx.header.HEADER after sending out response headers…",
            "lua_misused",
            None,
            Unharmed,
        ),
        (
            "error lua tcp socket read timed out…",
            "lua_socket_error",
            None,
            Unharmed,
        ),
    ]);
}

#[test]
fn rules_of_firewalls_are_told_where_they_can_be_read_in_one_way() {
    let denied = Some(Cause::DeniedByRule);
    let rule = "[file \"/etc/rules/a.conf\"] [line \"8\"] [id \"920100\"] [rev \"\"] [msg \"x\"]";
    let forged = "(Value: `x [id \"1\"]' )";
    for (level, text, name, cause, answer, id) in [
        ("error", format!("[client 198.51.100.4] ModSecurity: Access denied with code 503 (phase 1). Matched \"x\" {rule}…"), "rule_denied", denied, Fails, Some("920100")),
        ("error", format!("[client 198.51.100.4] ModSecurity: Access denied with code 403 (phase 2). {rule}…"), "rule_forbidden", None, Status(403), Some("920100")),
        ("error", format!("ModSecurity: Access denied with code 403 (phase 2). {forged} {rule}…"), "rule_forbidden", None, Status(403), None),
        ("error", "(no log message was specified)…".to_owned(), "rule_denied", denied, Fails, None),
        ("info", format!("[client 198.51.100.4] ModSecurity: Warning. {rule}…"), "rule_noted", None, Unharmed, Some("920100")),
        ("error", format!("[client \"198.51.100.4\"] Coraza: Access denied (phase 2). {rule}…"), "rule_denied", denied, Fails, Some("920100")),
        ("error", "NAXSI_FMT: ip=198.51.100.4&uri=/&config=block&score0=8&zone0=ARGS&id0=1302&var_name0=a…".to_owned(), "rule_denied", denied, Fails, Some("1302")),
        ("error", "NAXSI_FMT: ip=198.51.100.4&uri=/&learning=0&vers=0.5&block=1&zone0=ARGS&id0=1302…".to_owned(), "rule_denied", denied, Fails, Some("1302")),
        ("error", "NAXSI_FMT: ip=198.51.100.4&uri=/&config=learning&zone0=ARGS&id0=1302&var_name0=a…".to_owned(), "rule_noted", None, Unharmed, Some("1302")),
        ("error", "NAXSI_FMT: ip=198.51.100.4&uri=/&id0=9&config=block&zone0=ARGS&id0=1302&var_name0=a…".to_owned(), "rule_denied", denied, Fails, None),
        ("alert", "ngx_waf: [BLACK-URL][/\\.env]…".to_owned(), "rule_denied", denied, Fails, Some("BLACK-URL")),
    ] {
        check(&[(&format!("{level} {text}"), name, cause, answer)]);
        let record = format!("2026/05/06 07:08:09 [{level}] 3#3: *7 {text}").replace('…', FIELDS);
        let found = line(record.as_bytes()).rule();
        assert_eq!(found, id.map(str::as_bytes), "{record}");
    }
}

#[test]
fn a_message_of_njs_does_not_take_in_what_follows() {
    let log = format!(
        "2026/05/06 07:08:09 [error] 3#3: *7 js: lost\n2026/05/06 07:08:09 [error] 3#3: *8 js exception: Error: x\n    at a (b.js:1)\n{FIELDS}\n"
    );
    let found: Vec<_> = records(log.as_bytes())
        .map(|record| class_of(record.bytes))
        .collect();
    assert_eq!(found, ["njs_message", "njs_failed"]);
}
