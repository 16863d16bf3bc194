//! Modules that make or change answers: films, pictures, XML, packed answers, included parts.
//!
//! nginx 1.22.1 with Debian's modules was seen to answer so. What a class of these is called begins
//! with its module's name.

use crate::correlator::Cause::ModuleError;

super::table! {
    mp4_failed: Some(ModuleError), Status(500), [Error], Foreign, "ngx_http_mp4_process",
        "a film cannot be cut as a client asked: it is broken, or mp4_max_buffer_size is too small",
        [start("\"").has(&["\" mp4 "]).at(Level::Error), start("no mp4 "), start("duplicate mp4 "),
         start("start time is out mp4 "), start("end time is out mp4 "), start("unordered mp4 "),
         start("too large mp4 "), start("too large chunk offset in \""), start("zero number of "),
         start("zero chunk in \"")];
    xslt_parse_error: Some(ModuleError), Status(500), [Error], Quoted, "ngx_http_xslt_sax_error",
        "an answer that a stylesheet is for is no well formed XML", [start("libxml2 error: \"")];
    xslt_failed: Some(ModuleError), Status(500), [Error], Foreign,
        "ngx_http_xslt_apply_stylesheet, ngx_http_xslt_add_chunk, ngx_http_xslt_params",
        "a stylesheet could not be applied to an answer",
        [start("xmlParseChunk() failed"), start("xmlCreatePushParserCtxt() failed"),
         start("xmlCtxtParse"), start("xmlCopyDtd() failed"), start("xsltApplyStylesheet() failed"),
         start("xsltSaveResultToString() "), start("xsltQuoteOneUserParam("),
         start("invalid libxslt parameter \""), start("not well formed XML document"),
         start("xslt")];
    image_filter_refused: None, Status(415), [Error], Own,
        "ngx_http_image_header_filter, ngx_http_image_process",
        "a picture is broken, of no known kind, or larger than image_filter_buffer",
        [start("image filter: "), start("gdImage"), start("gd image")];
    gunzip_failed: Some(ModuleError), Fails, [Error, Alert], Own, "ngx_http_gunzip_filter_inflate",
        "a packed answer cannot be unpacked: the client got a part",
        [start("inflate() "), start("inflateInit2() failed"), start("inflateReset() failed"),
         start("inflateEnd() failed")];
    gzip_memory: None, Unharmed, [Alert], Own, "ngx_http_gzip_filter_alloc",
        "the zlib in use wants more memory than nginx had foreseen, and gets it",
        [start("gzip filter failed to use preallocated memory")];
    gzip_failed: Some(ModuleError), Fails, [Alert, Error], Own, "ngx_http_gzip_filter_deflate",
        "an answer could not be packed: the client got a part",
        [start("deflate() failed"), start("deflateInit2() failed"), start("deflateEnd() failed"),
         start("deflate(Z_FINISH) failed")];
    brotli_failed: Some(ModuleError), Fails, [Error, Alert], Own, "ngx_http_brotli_body_filter",
        "an answer could not be packed: the client got a part",
        [start("BrotliEncoder"), start("brotli "), start("brotli: ")];
    zstd_failed: Some(ModuleError), Fails, [Error, Alert], Own, "ngx_http_zstd_body_filter",
        "an answer could not be packed: the client got a part",
        [start("ZSTD_"), start("zstd ").at(Level::Error), start("zstd ").at(Level::Alert)];
    subs_filter_failed: Some(ModuleError), Fails, [Error, Alert], Own, "ngx_http_subs_body_filter",
        "the text of an answer could not be changed: the client got a part", [start("[subs_filter] ")];
    ssi_error: None, Unharmed, [Error], Foreign, "ngx_http_ssi_body_filter",
        "a page's SSI command is wrong: the client reads so in its place",
        [start("invalid SSI command"), start("invalid context of SSI command"),
         start("invalid parameter name: \""), start("invalid expression in \""),
         start("invalid variable name in \""), start("invalid value \"").has(&["\"wait\" parameter"]),
         start("mandatory \""), start("duplicate \"").has(&[" SSI command"]),
         start("unexpected \"").has(&[" SSI command"]), start("too long \""),
         start("too long SSI command"), start("too many SSI command"),
         start("the \"").has(&[" SSI command is too long"]), start("the \"if\" command inside"),
         start("no parameter in \"include\" SSI"), start("inclusion may be either "),
         start("\"set\" and \"stub\" cannot be used"), start("\"stub\"=\""),
         start("\"wait\" cannot be used with"), start("can only wait for one subrequest"),
         start("unknown encoding \""), start("using regex \""), start("the closing bracket in \"")];
    memcached_missed: None, Status(404), [Error, Info], Foreign, "ngx_http_memcached_process_header",
        "memcached has no such key", [start("key: \"").has(&["\" was not found by memcached"])];
    geoip_failed: None, Unharmed, [Error, Warn, Info], Foreign, "ngx_http_geoip2_init",
        "a database of places cannot be read: its variables are empty, or as before",
        [start("geoip").at(Level::Error), start("geoip").at(Level::Warn), start("GeoIP").at(Level::Error),
         start("MMDB_open(\"").at(Level::Error), start("MMDB_open(\"").at(Level::Warn)];
    upload_failed: Some(ModuleError), Status(503), [Error, Crit], Foreign, "ngx_http_upload_start_handler",
        "the upload module cannot keep what a client sent",
        [start("failed to create output file \""), start("failed to open output file \""),
         start("failed to write output file \""), start("write to file \"")];
    mail_failed: None, Unharmed, [Error, Info], Foreign, "ngx_mail_auth_http_*",
        "the server that lets the users of mail in does not answer, or not rightly",
        [start("auth http server "), start("no password available")];
}
