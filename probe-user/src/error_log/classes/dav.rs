//! The module for web folders, DAV (and `nginx-dav-ext-module` 3.0.0). nginx 1.22.1 was seen to answer so.
//!
//! Its files are named by clients. It makes folders at `crit` where a needed one could not be made
//! (as for temporary files), and at `error` where a client asked for what cannot be.

use crate::correlator::Cause::{DiskFull, ModuleError, PermissionDenied};

super::table! {
    dav_disk_full: Some(DiskFull), Fails, [Crit], BeforeErrno, "ngx_http_dav_error, ngx_ext_rename_file",
        "no space for what a client sent: 507 for a folder, 500 for a file",
        [start("mkdir() \"").errno(&[28]).at(Level::Crit).asked("MKCOL "),
         start("rename() \"").errno(&[28, 122, 30]).at(Level::Crit).bare()];
    dav_denied: Some(PermissionDenied), Status(500), [Crit], BeforeErrno,
        "ngx_ext_rename_file, ngx_walk_tree",
        "a worker may not put, move or remove a file in a folder",
        [start("rename() \"").errno(&[13, 1]).at(Level::Crit).bare(),
         start("opendir() \"").errno(&[13, 1]).at(Level::Crit).bare()];
    dav_failed: Some(ModuleError), Status(500), [Crit, Error], BeforeErrno,
        "ngx_ext_rename_file, ngx_http_dav_put_handler, ngx_http_dav_ext_propfind_handler",
        "what a client sent could not be put into its place",
        [start("rename() \"").at(Level::Crit).bare(), start("unlink() \"").at(Level::Crit).bare(),
         start("rmdir() \"").at(Level::Crit).bare()];
    dav_body: Some(ModuleError), Status(500), [Error], Own,
        "ngx_http_dav_put_handler, ngx_http_dav_ext_propfind_handler",
        "the body of a request is not where the module wants it",
        [start("PUT request body is unavailable"), start("PUT request body must be in a file"),
         start("PROPFIND client body is in file")];
    dav_unsupported: Some(ModuleError), Status(501), [Error], Own, "ngx_http_dav_handler",
        "the module cannot write a part of a file",
        [start("PUT with range is unsupported")];
    dav_path_refused: None, Status(403), [Error], BeforeErrno, "ngx_http_dav_error",
        "a client may not make, move or remove that, or it is not there",
        [start("mkdir() \"").at(Level::Error), start("unlink() \"").at(Level::Error),
         start("rmdir() \"").at(Level::Error), start("DELETE \""), start("rename() \"").at(Level::Error)];
    dav_refused: None, Status(409), [Error], Foreign,
        "ngx_http_dav_handler, ngx_http_dav_copy_move_handler, ngx_http_dav_ext_propfind_handler",
        "a client asked for what WebDAV has not, or in a wrong way",
        [start("MKCOL "), start("cannot PUT to a collection"), start("DELETE with body"),
         start("COPY and MOVE with body"), start("insufficient URI depth"), start("both URI \""),
         start("\"Depth\" header must be "), start("\"Destination\" URI \""),
         start("\"").has(&["\" could not be created"]).at(Level::Error),
         start("\"").has(&["\" is collection"]).at(Level::Error),
         start("\"").has(&["\" could not be ", "ed to collection \""]).at(Level::Error),
         start("dav_ext "), start("xmlParseChunk() failed").asked("PROPFIND "),
         start("xmlParseChunk() failed").asked("LOCK ")];
}
