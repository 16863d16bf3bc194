//! The Lua module (`ngx_http_lua_module` 0.10.23 looked at).

use crate::correlator::Cause::LuaError;

super::table! {
    lua_timer_aborted: None, Unharmed, [Error], Foreign, "ngx_http_lua_run_thread",
        "a Lua timer raised an error; no client waits for it",
        [start("lua entry thread aborted: ").in_phase("ngx.timer"),
         start("lua handler aborted: ").in_phase("ngx.timer"),
         start("lua entry thread aborted: ").in_phase("init_worker_by_lua"),
         start("stream lua entry thread aborted: ").in_phase("ngx.timer")];
    lua_tls_aborted: None, NoAnswer, [Error], Foreign, "ngx_http_lua_ssl_cert_aborted",
        "a Lua hook of the TLS handshake failed",
        [start("lua entry thread aborted: ").in_phase("ssl_"),
         start("lua handler aborted: ").in_phase("ssl_"),
         start("lua_certificate_by_lua"), start("lua_client_hello_by_lua")];
    lua_aborted: Some(LuaError), Status(500), [Error], Foreign, "ngx_http_lua_run_thread",
        "a Lua handler raised an error",
        [start("lua entry thread aborted: "), start("lua handler aborted: "),
         start("failed to run balancer_by_lua*: "), start("failed to run access_by_lua*: "),
         start("failed to run rewrite_by_lua*: "), start("failed to run content_by_lua*: "),
         start("lua: failed to create new coroutine"), start("failed to initialize Lua VM"),
         start("stream lua entry thread aborted: "), start("failed to run preread_by_lua*: ")];
    lua_light_thread: None, Unharmed, [Error], Foreign, "ngx_http_lua_run_thread",
        "a light thread of Lua raised an error", [start("lua user thread aborted: ")];
    lua_load_failed: Some(LuaError), Status(500), [Error], Foreign,
        "ngx_http_lua_cache_loadbuffer, ngx_http_lua_cache_loadfile",
        "Lua code does not compile, or its file cannot be read",
        [start("failed to load inlined Lua code: "), start("failed to load external Lua file \""),
         start("failed to load Lua code")];
    lua_filter_failed: Some(LuaError), Fails, [Error], Foreign,
        "ngx_http_lua_header_filter_by_chunk, ngx_http_lua_body_filter, ngx_http_lua_set_by_chunk",
        "a Lua filter or set_by_lua failed; a body filter cuts the answer",
        [start("failed to run set_by_lua*: "), start("failed to run header_filter_by_lua*: "),
         start("failed to run body_filter_by_lua*: ")];
    lua_log_failed: None, Unharmed, [Error], Foreign, "ngx_http_lua_log_by_chunk",
        "log_by_lua failed, after the answer was sent",
        [start("failed to run log_by_lua*: "), start("failed to run session_store_by_lua*: "),
         start("failed to run ssl_session_store_by_lua*: ")];
    lua_init_failed: Some(LuaError), Fails, [Error], Foreign, "ngx_http_lua_report",
        "init_by_lua or init_worker_by_lua failed",
        [start("init_by_lua error: "), start("init_worker_by_lua error: "),
         start("init_by_lua_file error: "), start("init_worker_by_lua_file error: "),
         start("exit_worker_by_lua error: ")];
    lua_message: None, Unharmed, [Emerg, Alert, Crit, Error, Warn, Notice, Info], Foreign, "ngx_http_lua_log_wrapper",
        "a Lua script wrote to the log (ngx.log, print)", [start("[lua] "), start("stream [lua] ")];
    lua_timer: None, Unharmed, [Error, Alert], Foreign, "ngx_http_lua_timer_handler",
        "a Lua timer failed or could not start",
        [start("lua failed to run timer"), start("% lua_max_running_timers are not enough"),
         start("lua found "), start("failed to create the next timer")];
    lua_socket_error: None, Unharmed, [Error], Own, "ngx_http_lua_socket_tcp_handler",
        "a connection made by Lua was too slow, or not trusted; what follows is the script's affair",
        [start("lua tcp socket "), start("lua udp socket "), start("lua ssl ")];
    lua_misused: None, Unharmed, [Error, Alert, Crit, Emerg], Foreign,
        "ngx_http_lua_socket_tcp_send, ngx_http_lua_ngx_exit, ngx_http_lua_ffi_set_resp_header",
        "a Lua script used its interface at the wrong time; what follows is the script's affair",
        [start("attempt to send data on a closed socket"), start("attempt to receive data on a closed socket"),
         start("attempt to set ngx."), start("attempt to set status "), start("attempt to use "),
         start("attempt to call "), start("lua pipe "), start("lua pipe: "), start("lua coroutine: "),
         start("lua sema"), start("in lua semaphore"), start("failed to close the ").has(&[" pipe fd"])];
}
