//! An upstream answered wrongly, not to the end, or with words of its own.

use crate::correlator::Cause::UpstreamClosed;

const HEADER: &str = "reading response header from upstream";
const SENDING: &str = "sending request to upstream";

super::table! {
    upstream_closed_header: Some(UpstreamClosed), Status(502), [Error], Own,
        "ngx_http_upstream_process_header", "the upstream closed without an answer",
        [start("upstream prematurely closed connection").during("reading response header from upstream"),
         start("upstream prematurely closed connection").during("sending request to upstream"),
         start("upstream prematurely closed FastCGI stdout").during("reading response header from upstream")];
    upstream_closed_body: Some(UpstreamClosed), Fails, [Error], Own,
        "ngx_http_upstream_process_upstream, ngx_http_upstream_process_non_buffered_upstream",
        "the upstream closed in the middle of its answer: the client got a part",
        [start("upstream prematurely closed connection").during("reading upstream"),
         start("upstream prematurely closed FastCGI request"),
         start("upstream prematurely closed FastCGI stdout").during("reading upstream")];
    upstream_closed: Some(UpstreamClosed), Fails, [Error], Own,
        "ngx_http_upstream_process_header, ngx_http_fastcgi_process_header",
        "the upstream closed too early",
        [start("upstream prematurely closed")];
    upstream_reset: Some(UpstreamClosed), Status(502), [Error], Own,
        "ngx_unix_recv, ngx_writev_chain", "the upstream reset the connection",
        [start("recv() failed").during("reading response header from upstream"),
         start("recv() failed").during("sending request to upstream"),
         start("send() failed").during("sending request to upstream"),
         start("writev() failed").during("sending request to upstream"),
         start("writev() failed").during("reading response header from upstream"),
         start("sendfile() failed").during("sending request to upstream"),
         start("SSL_read() failed").during("reading response header from upstream"),
         start("SSL_write() failed").during("sending request to upstream"),
         start("WSARecv() ").during(HEADER), start("WSASend() ").during(SENDING),
         start("kevent() reported about an closed connection").during(HEADER),
         start("kevent() reported about an closed connection").during(SENDING),
         start("kevent() reported that upstream closed connection").during(HEADER)];
    upstream_reset_body: Some(UpstreamClosed), Fails, [Error], Own,
        "ngx_readv_chain, ngx_unix_recv", "the upstream reset in the middle of its answer",
        [start("recv() failed").during("reading upstream"),
         start("readv() failed").during("reading upstream"),
         start("SSL_read() failed").during("reading upstream"),
         // What breaks on the client's side is said at `info`.
         start("recv() failed").at(Level::Error).during("sending to client"),
         start("readv() failed").at(Level::Error).during("sending to client"),
         start("WSARecv() ").during("reading upstream"),
         start("kevent() reported about an closed connection").during("reading upstream"),
         start("kevent() reported that upstream closed connection")];
    upstream_big_header: Some(UpstreamClosed), Status(502), [Error], Own,
        "ngx_http_upstream_process_header",
        "the answer's header does not fit: raise proxy_buffer_size (or fastcgi_…)",
        [start("upstream sent too big header")];
    upstream_no_header: Some(UpstreamClosed), Status(502), [Error], Own,
        "ngx_http_proxy_process_status_line",
        "the upstream does not speak HTTP (TLS port, or another protocol)",
        [start("upstream sent no valid HTTP/")];
    upstream_invalid_header: Some(UpstreamClosed), Status(502), [Error], Quoted,
        "ngx_http_proxy_process_header, ngx_http_fastcgi_process_header, ngx_http_upstream_process_headers",
        "the upstream sent a header that nginx refuses",
        [start("upstream sent invalid header"), start("upstream sent invalid status \""),
         start("upstream sent invalid :status \""), start("upstream sent duplicate header"),
         start("upstream sent \"Content-Length\" and"), start("upstream sent unknown \"Transfer-Encoding\""),
         start("upstream sent unexpected :status \"")];
    upstream_excess_data: None, Unharmed, [Warn, Error], Own,
        "ngx_http_proxy_copy_filter, ngx_event_pipe_read_upstream",
        "the upstream sent more than it had announced: the rest is dropped",
        [start("upstream sent more data than specified"), start("upstream sent data after final chunk")];
    upstream_invalid_response: Some(UpstreamClosed), Status(502), [Error], Own,
        "ngx_http_fastcgi_process_record, ngx_http_grpc_process_header, ngx_http_proxy_chunked_filter",
        "the upstream breaks its protocol",
        [start("upstream sent "), start("upstream rejected request"), start("upstream violated "),
         start("upstream split a header line"), start("invalid header after joining FastCGI records"),
         start("memcached sent invalid"), start("unexpected status code "),
         start("unexpected range in slice response"), start("missing slice response"),
         start("invalid range in slice response"), start("no complete length in slice response"),
         start("etag mismatch in slice response")];
    response_buffered: None, Unharmed, [Warn], Own, "ngx_event_pipe_write_chain_to_temp_file",
        "an answer does not fit the buffers and goes through a temporary file",
        [start("an upstream response is buffered to a temporary file")];
    body_buffered: None, Unharmed, [Warn], Own, "ngx_http_write_request_body",
        "a request's body does not fit the buffer and goes through a temporary file",
        [start("a client request body is buffered to a temporary file")];
    fastcgi_stderr: None, Unharmed, [Error], Quoted, "ngx_http_fastcgi_process_header",
        "the FastCGI application wrote to its standard error; its answer may have any status",
        [start("FastCGI sent in stderr: \"")];
    resolve_failed: Some(crate::correlator::Cause::UpstreamRefused), Status(502), [Error], Own,
        "ngx_http_upstream_resolve_handler", "the upstream's name has no address",
        [start("@ could not be resolved").with_code()];
}
