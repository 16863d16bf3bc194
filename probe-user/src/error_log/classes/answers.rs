//! Answers that nginx makes up because of its configuration.

use crate::correlator::Cause::{AuthRequest, ConfigError, RedirectCycle};

super::table! {
    rewrite_cycle: Some(RedirectCycle), Status(500), [Error], Quoted,
        "ngx_http_core_post_rewrite_phase", "rewrite rules lead to themselves",
        [start("rewrite or internal redirection cycle while processing \"")];
    redirect_cycle: Some(RedirectCycle), Status(500), [Error], Quoted,
        "ngx_http_internal_redirect",
        "error_page, try_files or index lead to themselves",
        [start("rewrite or internal redirection cycle while internally redirecting to \"")];
    named_redirect_cycle: Some(RedirectCycle), Status(500), [Error], Own,
        "ngx_http_named_location", "named locations lead to each other",
        [start("rewrite or internal redirection cycle while redirect to named location \"")];
    subrequest_cycle: Some(RedirectCycle), Status(500), [Error], Quoted,
        "ngx_http_subrequest, ngx_http_lua_ngx_location_capture_multi",
        "a subrequest (SSI, add_before_body, Lua capture) asks for itself",
        [start("subrequests cycle while processing \""),
         start("lua subrequests cycle while processing \""),
         start("request reference counter overflow while processing \"")];
    named_location_missing: Some(ConfigError), Status(500), [Error], Own,
        "ngx_http_named_location", "the configuration names a location that does not exist",
        [start("could not find named location \""), start("no named location: \"")];
    named_location_empty: Some(ConfigError), Status(500), [Error], Own, "ngx_http_named_location",
        "a redirect to a named location with an empty URI",
        [start("empty URI in redirect to named location \"")];
    alias_rewritten: Some(ConfigError), Status(500), [Alert], Own, "ngx_http_map_uri_to_path",
        "alias in a location whose URI was rewritten",
        [start("\"alias\" cannot be used in location \"")];
    empty_rewrite: Some(ConfigError), Status(500), [Error], Own, "ngx_http_script_regex_end_code",
        "a rewrite leaves an empty URI", [start("the rewritten URI has a zero length")];
    variable_cycle: Some(ConfigError), Status(500), [Error], Own, "ngx_http_get_indexed_variable",
        "a variable is defined by itself", [start("cycle while evaluating variable \"")];
    variable_unset: None, Unharmed, [Warn], Own, "ngx_http_rewrite_var",
        "a variable is used that nothing has set", [start("using uninitialized \"")];
    auth_request_status: Some(AuthRequest), Status(500), [Error], Own,
        "ngx_http_auth_request_handler",
        "the auth subrequest answered neither 2xx nor 401 or 403",
        [start("auth request unexpected status: ")];
    regex_failed: Some(ConfigError), Status(500), [Alert], Foreign,
        "ngx_http_regex_exec", "a regular expression gave up",
        [start("pcre_exec() failed"), start("pcre2_match() failed"), start("ngx_regex_exec() failed")];
    rewrite_log: None, Unharmed, [Notice], Foreign, "ngx_http_script_regex_start_code",
        "rewrite_log is on",
        [start("rewritten data: \"").at(Level::Notice),
         start("rewritten redirect: \"").at(Level::Notice), start("\"").at(Level::Notice)];
    subrequest_unsafe: None, Fails, [Error], Foreign, "ngx_http_parse_unsafe_uri",
        "a path that leads out of the root was refused", [start("unsafe URI \"")];
    nginx_bug: None, Fails, [Alert], Own,
        "ngx_output_chain, ngx_http_send_header, ngx_http_write_filter",
        "nginx, or a module of it, contradicts itself",
        [start("zero size buf"), start("negative size buf"), start("bad buf in output chain"),
         start("file buf in "), start("header already sent"), start("the http output chain is empty"),
         start("subrequest: \"").at(Level::Alert), start("the same buf was used in "),
         start("recycled buffer in pipe"), start("http request "), start("http finalize non-active"),
         start("http postpone filter NULL"), start("connection already closed"),
         start("negative request body rest"), start("busy buffers after request body flush"),
         start("body already in file"), start("duplicate last buf"), start("unknown variable index"),
         start("http2 negative window update"), start("http2 preread buffer overflow"),
         start("no space in http2 body buffer"), start("receive buffer overrun"),
         start("state buffer overflow"), start("range in overlapped buffers"),
         start("too large header to copy"), start("too large pipelined header"),
         start("second aio post"), start("shared connection is busy"), start("output on closed stream"),
         start("no connection data found for keepalive http2"), start("http lua fake request ")];
    subrequest_too_big: Some(ConfigError), Fails, [Error], Own, "ngx_http_postpone_filter_in_memory",
        "the answer to a subrequest does not fit subrequest_output_buffer_size",
        [start("too big subrequest response")];
}
