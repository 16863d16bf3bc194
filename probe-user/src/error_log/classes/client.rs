//! What clients did. Most of it nginx writes at `info`, which the default level hides.

super::table! {
    client_timed_out: None, Status(408), [Info], Own,
        "ngx_http_process_request_headers, ngx_http_writer",
        "the client was too slow", [start("client timed out")];
    client_closed: None, Unharmed, [Info], Own,
        "ngx_http_upstream_check_broken_connection, ngx_http_read_request_header",
        "the client went away",
        [start("client prematurely closed"), start("client closed connection"),
         start("epoll_wait() reported that client prematurely closed connection"),
         start("kevent() reported that client prematurely closed connection"),
         start("client canceled stream"), start("client terminated stream")];
    client_body_too_large: None, Status(413), [Error], Own,
        "ngx_http_core_find_config_phase, ngx_http_request_body_chunked_filter",
        "the body is larger than client_max_body_size",
        [start("client intended to send too large ")];
    client_request_too_large: None, Status(400), [Info], Own,
        "ngx_http_process_request_line, ngx_http_process_request_headers",
        "the request line or a header does not fit large_client_header_buffers",
        [start("client sent too long URI"), start("client sent too large request"),
         start("client sent too large header"), start("client sent too many header lines")];
    client_plain_http: None, Status(400), [Info], Own, "ngx_http_process_request",
        "plain HTTP was sent to a TLS port", [start("client sent plain HTTP request to HTTPS port")];
    client_certificate: None, Status(400), [Info], Own, "ngx_http_process_request",
        "the client's certificate is missing or not trusted",
        [start("client SSL certificate verify error"),
         start("client sent no required SSL certificate")];
    client_long_header: None, Status(400), [Info], Foreign, "ngx_http_process_request_headers",
        "a header does not fit large_client_header_buffers",
        [start("client sent too long header line: \"")];
    client_invalid_header: None, Status(400), [Info, Error], Foreign,
        "ngx_http_process_request_headers, ngx_http_process_host, ngx_http_v2_state_process_header",
        "the client sent a header that nginx refuses or ignores",
        [start("client sent invalid header"), start("client sent duplicate "),
         start("client sent header \""), start("client sent unknown "),
         start("client sent invalid :path"), start("client sent invalid method: \"")];
    client_http2: None, Fails, [Info], Own, "ngx_http_v2_state_*",
        "the client breaks HTTP/2, or takes too much of it",
        [start("http2 flood detected"), start("client violated "), start("http3 flood detected"), start("concurrent streams exceeded"),
         start("client sent too many streams at once"), start("client refused stream"),
         start("client sent stream with data before settings")];
    client_invalid_request: None, Status(400), [Info], Own,
        "ngx_http_process_request_line, ngx_http_process_request_header",
        "the client sent what is no request",
        [start("client sent "), start("client attempted to request the server name")];
    client_proxy_protocol: None, NoAnswer, [Error], Foreign, "ngx_proxy_protocol_read",
        "a PROXY protocol header was expected and something else came", [start("broken header: \""), start("broken PROXY protocol"),
         start("unknown PROXY protocol version"), start("invalid PROXY protocol "),
         start("header is too large")];
    client_tls_handshake: None, NoAnswer, [Info, Crit, Error], Own, "ngx_ssl_handshake",
        "no TLS with a client",
        [start("SSL_do_handshake() failed").during("SSL handshaking"),
         start("peer closed connection in SSL handshake").during("SSL handshaking"),
         start("handshake rejected")];
    tls_failed: None, Fails, [Crit, Info, Error], Own, "ngx_ssl_error",
        "TLS with a client or an upstream broke",
        [start("SSL_do_handshake() failed"), start("peer closed connection in SSL handshake"),
         start("SSL_read() failed"), start("SSL_write() failed"), start("SSL_shutdown() failed"),
         start("ignoring stale global SSL error"), start("SSL_new() failed"),
         start("SSL_set_fd() failed"), start("SSL_set_tlsext_host_name(\"")];
    client_reset: None, NoAnswer, [Info, Error], Own, "ngx_connection_error",
        "the client's connection broke",
        [start("recv() failed"), start("send() failed"), start("writev() failed"),
         start("readv() failed"), start("sendfile() failed"), start("sendmsg() failed"),
         start("WSARecv() "), start("WSASend() "), start("sendfilev() failed"),
         start("kevent() reported about an closed connection")];
    client_closed_keepalive: None, Unharmed, [Info], Own, "ngx_http_keepalive_handler",
        "an idle connection ended", [start("client ").ends(" closed keepalive connection")];
    stream_session: None, Unharmed, [Info], Own,
        "ngx_stream_proxy_finalize, ngx_stream_init_connection",
        "a session of the stream or mail module began or ended",
        [start("client disconnected, bytes"), start("upstream disconnected, bytes"),
         start("udp client disconnected"), start("udp timed out, packets"),
         start("proxy ").at(Level::Info), start("client ").at(Level::Info)];
}
