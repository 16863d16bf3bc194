//! Files that nginx wants to read or make.

use crate::correlator::Cause::{ConfigError, DiskFull, FdExhaustion, PermissionDenied};

super::table! {
    open_no_fds: Some(FdExhaustion), Status(500), [Crit, Emerg], BeforeErrno,
        "ngx_http_static_handler, ngx_open_tempfile", "no descriptor left for a file",
        [start("open() \"").errno(&[23, 24]), start("openat() \"").errno(&[23, 24]),
         start("opendir() \"").errno(&[23, 24])];
    open_disk_full: Some(DiskFull), Status(500), [Crit], BeforeErrno, "ngx_create_temp_file",
        "no space for a temporary file",
        [start("open() \"").errno(&[28, 122, 30]).at(Level::Crit)];
    open_denied_needed: Some(PermissionDenied), Status(500), [Crit], BeforeErrno,
        "ngx_create_temp_file, ngx_http_auth_basic_handler, ngx_http_log_script_write",
        "a worker may not open a file that it needs (temporary, password)",
        [start("open() \"").errno(&[13, 1]).at(Level::Crit)];
    open_denied: None, Status(403), [Error], BeforeErrno, "ngx_http_static_handler",
        "a worker may not read a static file",
        [start("open() \"").errno(&[13, 1]), start("openat() \"").errno(&[13, 1]),
         start("opendir() \"").errno(&[13, 1]), start("stat() \"").errno(&[13, 1])];
    open_not_found: None, Status(404), [Error], BeforeErrno,
        "ngx_http_static_handler, ngx_http_try_files_handler", "no such static file",
        [start("open() \"").errno(&[2, 20, 36]), start("openat() \"").errno(&[2, 20, 36, 40]),
         start("opendir() \"").errno(&[2, 20, 36]), start("stat() \"").errno(&[2, 20, 36])];
    open_failed: None, Fails, [Crit, Error], BeforeErrno, "ngx_http_static_handler",
        "a file cannot be opened",
        [start("open() \""), start("openat() \""), start("opendir() \""), start("stat() \""),
         start("lstat() \""), start("realpath() \"")];
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
        [start("cache file \""), start("ignore long locked inactive cache entry"),
         start("stalled cache updating")];
    rename_failed: None, Unharmed, [Crit, Alert], Own, "ngx_ext_rename_file",
        "an answer could not be put into the cache or the store", [start("rename() \"")];
    unlink_failed: None, Unharmed, [Crit, Alert], Own, "ngx_pool_delete_file, ngx_delete_file",
        "a temporary or cached file could not be removed", [start("unlink() ")];
    read_failed: None, Fails, [Crit, Alert], Own, "ngx_read_file, ngx_linux_sendfile",
        "a file could not be read, or became shorter while it was sent",
        [start("pread() "), start("read() "), start("sendfile() reported that"),
         start("SSL_sendfile() reported")];
    password_file_broken: Some(ConfigError), Status(500), [Error], Own,
        "ngx_http_auth_basic_crypt_handler", "a password's hash cannot be used",
        [start("crypt_r() failed"), start("invalid salt")];
    auth_basic_refused: None, Status(401), [Error, Info], Foreign,
        "ngx_http_auth_basic_handler", "no such user, or a wrong password",
        [start("user \""), start("no user/password was provided for basic authentication")];
}
