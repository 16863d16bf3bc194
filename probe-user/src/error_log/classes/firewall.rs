//! Modules that look for attacks: `ModSecurity` 2 and 3, Coraza, NAXSI, `ngx_waf`.
//!
//! What they quote is a client's. A refusal below 500 is none of the server's failures; where the
//! message does not tell the status, the configuration decides it.

use crate::correlator::Cause::DeniedByRule;

super::table! {
    rule_denied: Some(DeniedByRule), Fails, [Error, Alert, Warn], Foreign,
        "ngx_http_modsecurity_process_intervention, ngx_http_naxsi_data_parse, ngx_http_waf_*",
        "a rule of a firewall refused a request",
        [start("[client @ ModSecurity: Access denied with code 5"),
         start("ModSecurity: Access denied with code 5"),
         start("[client @ Coraza: Access denied with code 5"), start("[client @ Coraza: Access denied (phase"),
         start("Coraza: Access denied with code 5"), start("Coraza: Access denied (phase"),
         // A rule of ModSecurity that says `nolog`.
         start("(no log message was specified)"),
         start("NAXSI_FMT: ").has(&["&config=block"]), start("NAXSI_FMT: ").has(&["&config=drop"]),
         start("NAXSI_FMT: ").has(&["&config=learning-drop"]),
         start("NAXSI_FMT: ").has(&["&learning=0&", "&block=1"]),
         start("{\"").has(&["\"naxsi_sig\"", "\"block\":\"1\""]), start("ngx_waf: [")];
    rule_forbidden: None, Status(403), [Error, Alert], Foreign,
        "ngx_http_modsecurity_process_intervention",
        "a rule of a firewall refused a request, with a status below 500",
        [start("[client @ ModSecurity: Access denied"), start("ModSecurity: Access denied"),
         start("[client @ Coraza: Access d"), start("Coraza: Access d"),
         start("[client @ Coraza: Access redirected"), start("Coraza: Access redirected")];
    rule_noted: None, Unharmed, [Error, Warn, Notice, Info], Foreign,
        "ngx_http_modsecurity_log, ngx_http_naxsi_data_parse",
        "a rule of a firewall would have refused a request, or only says what it saw",
        [start("[client @ ModSecurity: "), start("ModSecurity: "), start("ModSecurity-nginx "),
         start("[client @ Coraza: "), start("Coraza: "), start("NAXSI_"), start("naxsi "),
         start("ngx_waf: ")];
}
