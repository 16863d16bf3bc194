//! Something has run out: connections, descriptors, memory, space, or a configured limit.

use crate::correlator::Cause::{
    ConfigError, DiskFull, FdExhaustion, Limited, MemoryExhaustion, PermissionDenied,
    WorkerConnections,
};

super::table! {
    debug: None, Unharmed, [Debug], Foreign, "ngx_log_debug",
        "a build with debugging talks", [start("").at(Level::Debug)];
    worker_connections_low: None, Unharmed, [Warn], Own, "ngx_drain_connections",
        "slots run out: idle connections are closed",
        [start("% worker_connections are not enough, reusing connections")];
    worker_connections_startup: None, Unharmed, [Emerg], Own, "ngx_event_init_process",
        "fewer connection slots than listeners",
        [start("% worker_connections are not enough for")];
    worker_connections_over_limit: None, Unharmed, [Warn], Own, "ngx_event_module_init",
        "more connection slots than descriptors: these run out first",
        [start("% worker_connections exceed open file resource limit")];
    worker_connections_upstream: Some(WorkerConnections), Status(500), [Alert], Own,
        "ngx_get_connection (ngx_event_connect_peer)",
        "no slot left to reach the upstream",
        [start("% worker_connections are not enough").at(Level::Alert).during("connecting to upstream"),
         start("% worker_connections are not enough").at(Level::Alert).during("sending request to upstream"),
         start("% worker_connections are not enough").at(Level::Alert).during("reading ")];
    worker_connections_accept: Some(WorkerConnections), NoAnswer, [Alert], Own,
        "ngx_get_connection (ngx_event_accept)",
        "no slot left: new clients are reset",
        [start("% worker_connections are not enough").at(Level::Alert).during("accepting new connection"),
         start("% worker_connections are not enough").at(Level::Alert).alone()];
    worker_connections: Some(WorkerConnections), Fails, [Alert], Own, "ngx_get_connection",
        "no slot left",
        [start("% worker_connections are not enough").at(Level::Alert)];
    accept_no_fds: Some(FdExhaustion), NoAnswer, [Crit], Own, "ngx_event_accept",
        "no descriptor left: new clients wait in the backlog",
        [start("accept4() failed").errno(&[23, 24]), start("accept() failed").errno(&[23, 24])];
    accept_failed: None, Unharmed, [Alert, Error, Info], Own, "ngx_event_accept",
        "a connection was gone before it was accepted",
        [start("accept4() failed"), start("accept() failed")];
    socket_no_fds: Some(FdExhaustion), Status(500), [Alert], Own,
        "ngx_event_connect_peer, ngx_udp_connect",
        "no descriptor left to reach the upstream",
        [start("socket() failed").errno(&[23, 24])];
    socket_failed: None, Status(500), [Alert], Own, "ngx_event_connect_peer",
        "no socket could be made", [start("socket() failed")];
    malloc_failed: Some(MemoryExhaustion), Status(500), [Emerg], Own,
        "ngx_alloc, ngx_memalign", "an allocation failed",
        [start("malloc("), start("posix_memalign("), start("memalign("), start("mmap(")];
    slab_full: Some(MemoryExhaustion), Fails, [Crit], Own, "ngx_slab_alloc",
        "a shared zone is full: make it larger", [start("ngx_slab_alloc() failed: no memory")];
    zone_full: Some(MemoryExhaustion), Fails, [Alert], Own,
        "ngx_http_limit_req_lookup, ngx_http_file_cache_exists",
        "a shared zone is full: make it larger", [start("could not allocate node")];
    tls_sessions_full: None, Unharmed, [Alert], Own, "ngx_ssl_new_session",
        "the TLS session cache is full: handshakes cost more",
        [start("could not allocate new session")];
    ocsp_cache_full: None, Unharmed, [Alert], Own, "ngx_ssl_ocsp_cache_store",
        "the OCSP cache is full", [start("could not allocate new entry")];
    log_disk_full: Some(DiskFull), Unharmed, [Alert], Own, "ngx_http_log_write, ngx_conf_flush_files",
        "no space for an access log: lines are lost, answers are not",
        [start("write() to \"").at(Level::Alert).errno(&[28, 122, 30]),
         start("write() to \"").at(Level::Alert).has(&["\" was incomplete: "]),
         start("WriteFile() to \"").at(Level::Alert).errno(&[28])];
    log_write_failed: None, Unharmed, [Alert], Own, "ngx_http_log_write, ngx_conf_flush_files",
        "an access log cannot be written: lines are lost",
        [start("write() to \"").at(Level::Alert), start("WriteFile() to \"").at(Level::Alert),
         start("send() to syslog"), start("send() failed").during("logging to syslog"),
         start("connect() failed").during("logging to syslog"),
         start("socket() failed").during("logging to syslog")];
    write_disk_full: Some(DiskFull), Fails, [Crit], Own,
        "ngx_write_file, ngx_write_chain_to_file",
        "no space for a temporary or cached file",
        [start("pwrite() \"").errno(&[28, 122, 30]), start("pwritev() \"").errno(&[28, 122, 30]),
         start("writev() \"").errno(&[28, 122, 30]), start("WriteFile() \"").errno(&[28]),
         // Less was written than should be: the next write would tell why.
         start("pwrite() \"").has(&["\" has written only "]),
         start("pwritev() \"").has(&["\" has written only "]),
         start("writev() \"").has(&["\" has written only "]),
         start("WriteFile() \"").has(&["\" has written only "])];
    write_failed: None, Fails, [Crit], Own, "ngx_write_file",
        "a temporary or cached file cannot be written",
        [start("pwrite() \""), start("pwritev() \""), start("writev() \""), start("WriteFile() \"")];
    copy_disk_full: Some(DiskFull), Fails, [Alert, Crit], BeforeErrno, "ngx_copy_file",
        "no space to copy a file, for WebDAV or from one disk to another",
        [start("write() \"").errno(&[28, 122, 30]), start("write() has written only ")];
    copy_failed: None, Fails, [Alert, Crit], BeforeErrno, "ngx_copy_file",
        "a file could not be copied, for WebDAV or from one disk to another",
        [start("write() \""), start("read() has read only ")];
    mkdir_disk_full: Some(DiskFull), Status(500), [Crit], BeforeErrno, "ngx_create_path",
        "no space for a folder of temporary files",
        [start("mkdir() \"").errno(&[28, 122, 30]).at(Level::Crit)];
    mkdir_denied: Some(PermissionDenied), Status(500), [Crit], BeforeErrno, "ngx_create_path",
        "a worker may not make a folder of temporary files",
        [start("mkdir() \"").errno(&[13, 1]).at(Level::Crit)];
    mkdir_missing: Some(ConfigError), Status(500), [Crit], BeforeErrno, "ngx_create_path",
        "a folder of temporary files cannot be made, because the one above it is missing",
        [start("mkdir() \"").errno(&[2, 20]).at(Level::Crit),
         start("CreateDirectory() \"").errno(&[2, 20]).at(Level::Crit)];
    mkdir_failed: None, Status(500), [Crit], BeforeErrno, "ngx_create_path",
        "a folder of temporary files cannot be made",
        [start("mkdir() \"").at(Level::Crit), start("CreateDirectory() \"").at(Level::Crit)];
    thread_pool_full: None, Fails, [Error], Own, "ngx_thread_task_post",
        "too many file reads wait for threads", [start("thread pool \"")];
    limit_dry_run: None, Unharmed, [Error, Warn, Notice, Info], Own,
        "ngx_http_limit_req_handler, ngx_http_limit_conn_handler",
        "a limit would have refused or delayed it",
        [start("limiting requests, dry run"), start("limiting connections, dry run"),
         start("delaying request, dry run"), start("delaying requests, dry run")];
    limit_req_refused: Some(Limited), Status(503), [Error, Warn, Notice, Info], Own,
        "ngx_http_limit_req_handler", "limit_req refused a request",
        [start("limiting requests, excess")];
    limit_conn_refused: Some(Limited), Status(503), [Error, Warn, Notice, Info], Own,
        "ngx_http_limit_conn_handler, ngx_stream_limit_conn_handler", "limit_conn refused a request",
        [start("limiting connections by zone")];
    limit_req_delayed: None, Unharmed, [Warn, Notice, Info], Own, "ngx_http_limit_req_handler",
        "limit_req made a request wait",
        [start("delaying request, excess"), start("delaying requests, excess")];
    limit_key_too_long: None, Unharmed, [Error], Quoted,
        "ngx_http_limit_req_handler, ngx_http_limit_conn_handler",
        "a limit was not applied: its key is too long", [start("the value of the \"")];
}
