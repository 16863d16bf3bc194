//! Scripts inside nginx other than Lua: njs (0.7.9 looked at) and perl.

use crate::correlator::Cause::ModuleError;

super::table! {
    njs_message: None, Unharmed, [Error, Warn, Info], Alone, "ngx_http_js_ext_error, ngx_js_ext_log",
        "a script of njs wrote to the log (r.error, ngx.log, console)",
        [start("js: "), start("js console: ")];
    njs_fetch_failed: None, Unharmed, [Error, Info, Crit], Own, "ngx_js_http_*",
        "a request that a script of njs made failed; what follows is the script's affair",
        [start("js http "), start("js fetch ")];
    njs_failed: Some(ModuleError), Fails, [Error, Alert], Foreign,
        "ngx_http_js_content_handler, ngx_http_js_variable, ngx_js_call",
        "a script of njs raised an error: its client gets 500 or nothing, a variable stays empty",
        [start("js exception"), start("js function \""), start("js call "), start("js job "),
         start("js unhandled "), start("js subrequest"), start("js handler "), start("js promise "),
         start("js body filter "), start("js header filter "), start("js content "),
         start("failed to create js VM"), start("js init ")];
    perl_message: None, Unharmed, [Error], Foreign, "XS_nginx_log_error",
        "a script of perl wrote to the log", [start("perl: ")];
    perl_failed: Some(ModuleError), Status(500), [Error, Alert], Quoted, "ngx_http_perl_call_handler",
        "a script of perl died; a variable stays empty",
        [start("call_sv(\""), start("eval_pv(\"")];
}
