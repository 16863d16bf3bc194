//! Files that nginx wants to read or make.

use crate::correlator::Cause::{ConfigError, DiskFull, FdExhaustion, PermissionDenied};

const LOGGING: &str = "logging request";

super::table! {
    log_denied: Some(PermissionDenied), Unharmed, [Crit], BeforeErrno, "ngx_http_log_script_write",
        "a worker may not open an access log that a variable names: lines are lost, answers are not",
        [start("open() \"").errno(&[13, 1]).at(Level::Crit).during(LOGGING)];
    log_no_fds: Some(FdExhaustion), Unharmed, [Crit], BeforeErrno, "ngx_http_log_script_write",
        "no descriptor left for an access log that a variable names: lines are lost, answers are not",
        [start("open() \"").errno(&[23, 24]).during(LOGGING)];
    log_unopened: None, Unharmed, [Crit, Error], BeforeErrno, "ngx_http_log_script_write",
        "an access log that a variable names cannot be opened: lines are lost, answers are not",
        [start("open() \"").during(LOGGING), start("testing \"")];
    open_no_fds: Some(FdExhaustion), Status(500), [Crit, Emerg], BeforeErrno,
        "ngx_http_static_handler, ngx_open_tempfile", "no descriptor left for a file",
        [start("open() \"").errno(&[23, 24]), start("openat() \"").errno(&[23, 24]),
         start("opendir() \"").errno(&[23, 24]), start("CreateFile() \"").errno(&[24])];
    open_disk_full: Some(DiskFull), Status(500), [Crit], BeforeErrno, "ngx_create_temp_file",
        "no space for a temporary file",
        [start("open() \"").errno(&[28, 122, 30]).at(Level::Crit)];
    open_denied_needed: Some(PermissionDenied), Status(500), [Crit], BeforeErrno,
        "ngx_create_temp_file, ngx_http_auth_basic_handler, ngx_http_log_script_write",
        "a worker may not open a file that it needs (temporary, password)",
        [start("open() \"").errno(&[13, 1]).at(Level::Crit)];
    open_needed_missing: Some(ConfigError), Status(500), [Crit], BeforeErrno,
        "ngx_create_temp_file, ngx_copy_file",
        "a file that nginx needs cannot be made, because its folder is missing (temporary, WebDAV)",
        [start("open() \"").errno(&[2, 20]).at(Level::Crit)];
    try_files_denied: None, Unharmed, [Crit], BeforeErrno, "ngx_http_try_files_handler",
        "a worker may not look at a file of try_files: the next one is tried, as if it were missing",
        [start("stat() \"").errno(&[13, 1]).at(Level::Crit)];
    open_denied: None, Status(403), [Error], BeforeErrno, "ngx_http_static_handler",
        "a worker may not read a static file",
        [start("open() \"").errno(&[13, 1]), start("openat() \"").errno(&[13, 1]),
         start("opendir() \"").errno(&[13, 1]).at(Level::Error), start("stat() \"").errno(&[13, 1]),
         start("lstat() \"").errno(&[13, 1]), start("CreateFile() \"").errno(&[13, 1])];
    open_not_found: None, Status(404), [Error], BeforeErrno,
        "ngx_http_static_handler, ngx_http_try_files_handler", "no such static file",
        [start("open() \"").errno(&[2, 20, 36]), start("openat() \"").errno(&[2, 20, 36, 40]),
         start("opendir() \"").errno(&[2, 20, 36]), start("stat() \"").errno(&[2, 20, 36]),
         start("lstat() \"").errno(&[2, 20, 36]), start("CreateFile() \"").errno(&[2, 20, 36]),
         start("GetFileAttributesEx() \"").errno(&[2, 20, 36])];
    open_failed: None, Fails, [Crit, Error], BeforeErrno, "ngx_http_static_handler",
        "a file cannot be opened",
        [start("open() \""), start("openat() \""), start("opendir() \""), start("stat() \""),
         start("lstat() \""), start("realpath() \""), start("CreateFile() \""),
         start("GetFileAttributesEx() \"")];
    index_forbidden: None, Status(403), [Error], Foreign, "ngx_http_index_handler",
        "a folder was asked for, and there is no index file", [start("directory index of \"")];
    access_forbidden: None, Status(403), [Error], Own,
        "ngx_http_access_found, ngx_http_core_post_access_phase", "a deny rule refused the client",
        [start("access forbidden by rule")];
    index_not_found: None, Status(404), [Error], BeforeErrno, "ngx_http_index_error",
        "no such folder", [start("\"").ends("\" is not found").at(Level::Error), start("\"").ends("\" is not a directory").at(Level::Error)];
    index_denied: None, Status(403), [Error], BeforeErrno, "ngx_http_index_error",
        "a worker may not look into a folder", [start("\"").ends("\" is forbidden").errno(&[13, 1]).at(Level::Error)];
    not_a_file: None, Status(404), [Crit], Foreign, "ngx_http_static_handler",
        "the path is neither a file nor a folder", [start("\"").ends("\" is not a regular file").at(Level::Crit)];
    cache_file_invalid: None, Unharmed, [Crit, Alert], Own, "ngx_http_file_cache_read",
        "a cached answer is damaged and is fetched anew",
        [start("cache file \"")];
    cache_entry_locked: None, Unharmed, [Alert], Own, "ngx_http_file_cache_expire",
        "an entry of the cache is long unused, but still held by a request or by a worker that died",
        [start("ignore long locked inactive cache entry")];
    cache_update_stalled: None, Unharmed, [Alert], Own, "ngx_http_file_cache_free",
        "a refresh of a cached answer ended without one; the old one was sent",
        [start("stalled cache updating")];
    rename_failed: None, Unharmed, [Crit, Alert], BeforeErrno, "ngx_ext_rename_file",
        "an answer could not be put into the cache or the store", [start("rename() \""), start("MoveFile() \"")];
    unlink_failed: None, Unharmed, [Crit, Alert], BeforeErrno, "ngx_pool_delete_file, ngx_delete_file",
        "a temporary or cached file could not be removed", [start("unlink() "), start("DeleteFile() ")];
    read_failed: None, Fails, [Crit, Alert], Foreign, "ngx_read_file, ngx_linux_sendfile",
        "a file could not be read, or became shorter while it was sent",
        [start("pread() "), start("read() "), start("sendfile() reported that"),
         start("SSL_sendfile() reported"), start("sendfilev() reported that"), start("ReadFile() "),
         start("aio read \""), start("io_submit(\""), start("lseek() \"")];
    read_slow: None, Unharmed, [Alert], Own, "ngx_http_copy_thread_event_handler",
        "the disk took longer to read a file than a minute",
        [start("aio operation took too long"), start("thread operation took too long")];
    password_file_broken: Some(ConfigError), Status(500), [Error, Crit], Own,
        "ngx_http_auth_basic_crypt_handler", "a password's hash cannot be used",
        [start("crypt_r() failed"), start("crypt() failed"), start("invalid salt")];
    auth_basic_refused: None, Status(401), [Error, Info], Foreign,
        "ngx_http_auth_basic_handler", "no such user, or a wrong password",
        [start("user \""), start("PAM: user '"), start("no user/password was provided for basic authentication")];
}
