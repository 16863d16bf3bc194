//! No connection to an upstream, or none in time.

use crate::correlator::Cause::{
    ConfigError, PermissionDenied, UpstreamClosed, UpstreamRefused, UpstreamTimeout,
};

const CONNECTING: &str = "connecting to upstream";
const UPGRADED: &str = "proxying upgraded connection";

super::table! {
    upgraded_ended: None, Unharmed, [Error, Info, Crit], Own, "ngx_http_upstream_process_upgraded",
        "an upgraded connection (WebSocket) ended, or was idle for too long; its 101 was sent long before",
        [start("upstream timed out").during(UPGRADED), start("client timed out").during(UPGRADED),
         start("upstream prematurely closed").during(UPGRADED), start("recv() failed").during(UPGRADED),
         start("send() failed").during(UPGRADED), start("readv() failed").during(UPGRADED),
         start("writev() failed").during(UPGRADED), start("SSL_read() failed").during(UPGRADED),
         start("SSL_write() failed").during(UPGRADED), start("SSL_shutdown() failed").during(UPGRADED),
         start("WSARecv() ").during(UPGRADED), start("WSASend() ").during(UPGRADED),
         start("kevent() reported ").during(UPGRADED)];
    side_connect_failed: None, Unharmed, [Error, Crit, Alert], Own,
        "ngx_tcp_connect, ngx_udp_connect, ngx_http_upstream_check_connect_handler",
        "a connection of nginx's own (resolver, log, health check) failed; no client waits for it",
        [start("connect() failed").during("resolving"), start("connect() to ").during("resolving"),
         start("connect() failed").alone(), start("connect() to ").alone()];
    health_check: None, Unharmed, [Error, Warn, Crit, Notice, Info], Own,
        "ngx_http_upstream_check_clean_event, ngx_http_upstream_check_status_update",
        "a health check of an upstream failed, or changed its state",
        [start("check protocol "), start("check time out with peer"), start("check pool event"),
         start("disable check peer"), start("enable check peer"), start("check connect error"),
         start("check send error"), start("check recv error"), start("peer is unhealthy while "),
         start("peer is healthy while "), start("health check ")];
    lua_socket_failed: None, Unharmed, [Error, Crit], Own, "ngx_http_lua_socket_test_connect",
        "a connection made by Lua failed; what the script makes of it is its own affair",
        [start("connect() failed").bare(), start("connect() to ").bare()];
    connect_refused: Some(UpstreamRefused), Status(502), [Error], Own,
        "ngx_http_upstream_test_connect, ngx_event_connect_peer",
        "nothing listens at the upstream's address",
        [start("connect() failed").errno(&[111]).during(CONNECTING), start("connect() to ").errno(&[111]).during(CONNECTING),
         start("kevent() reported that connect() failed").errno(&[111]).during(CONNECTING)];
    connect_unreachable: Some(UpstreamRefused), Status(502), [Error, Crit], Own,
        "ngx_http_upstream_test_connect, ngx_event_connect_peer", "no route to the upstream",
        [start("connect() failed").errno(&[100, 101, 112, 113]).during(CONNECTING),
         start("connect() to ").errno(&[100, 101, 112, 113]).during(CONNECTING)];
    connect_timed_out: Some(UpstreamTimeout), Status(504), [Error], Own,
        "ngx_http_upstream_test_connect", "the kernel gave up connecting to the upstream",
        [start("connect() failed").errno(&[110]).during(CONNECTING), start("connect() to ").errno(&[110]).during(CONNECTING)];
    connect_no_ports: Some(UpstreamRefused), Status(502), [Crit], Own, "ngx_event_connect_peer",
        "no local port left: use keepalive, or more addresses",
        [start("connect() to ").errno(&[99]).during(CONNECTING), start("connect() failed").errno(&[99]).during(CONNECTING)];
    connect_denied: Some(PermissionDenied), Status(502), [Crit], Own, "ngx_event_connect_peer",
        "a worker may not connect: a unix socket's mode, SELinux, or a packet filter",
        [start("connect() to ").errno(&[13, 1]).during(CONNECTING), start("connect() failed").errno(&[13, 1]).during(CONNECTING)];
    connect_no_socket: Some(UpstreamRefused), Status(502), [Crit], Own, "ngx_event_connect_peer",
        "the upstream's unix socket does not exist",
        [start("connect() to ").errno(&[2]).during(CONNECTING), start("connect() failed").errno(&[2]).during(CONNECTING)];
    connect_backlog_full: Some(UpstreamRefused), Status(502), [Error], Own,
        "ngx_event_connect_peer", "the upstream's unix socket has no room in its listen queue",
        [start("connect() to ").errno(&[11]).during(CONNECTING), start("connect() failed").errno(&[11]).during(CONNECTING)];
    connect_reset: Some(UpstreamClosed), Status(502), [Error], Own,
        "ngx_http_upstream_test_connect", "the upstream reset the connection at once",
        [start("connect() failed").errno(&[104]).during(CONNECTING), start("connect() to ").errno(&[104]).during(CONNECTING)];
    connect_failed: Some(UpstreamRefused), Status(502), [Error, Crit, Alert], Own,
        "ngx_event_connect_peer", "no connection to the upstream",
        [start("connect() failed"), start("connect() to "),
         start("kevent() reported that connect() failed")];
    upstream_bind_failed: Some(ConfigError), Status(502), [Crit], Own, "ngx_event_connect_peer",
        "the address of proxy_bind cannot be used", [start("bind(").during("connecting to upstream")];
    upstream_timed_out_connecting: Some(UpstreamTimeout), Status(504), [Error], Own,
        "ngx_http_upstream_next", "the upstream did not accept in time",
        [start("upstream timed out").during("connecting to upstream")];
    upstream_timed_out_handshake: Some(UpstreamTimeout), Status(504), [Error], Own,
        "ngx_http_upstream_next", "the upstream did not finish the TLS handshake in time",
        [start("upstream timed out").during("SSL handshaking to upstream")];
    upstream_timed_out_sending: Some(UpstreamTimeout), Status(504), [Error], Own,
        "ngx_http_upstream_next", "the upstream did not take the request in time",
        [start("upstream timed out").during("sending request to upstream")];
    upstream_timed_out_header: Some(UpstreamTimeout), Status(504), [Error], Own,
        "ngx_http_upstream_next", "the upstream did not begin its answer in time",
        [start("upstream timed out").during("reading response header from upstream")];
    upstream_timed_out_body: Some(UpstreamTimeout), Fails, [Error], Own,
        "ngx_http_upstream_process_non_buffered_upstream, ngx_http_upstream_process_upstream",
        "the upstream fell silent in the middle of its answer: the client got a part",
        [start("upstream timed out").during("reading upstream"),
         start("upstream timed out").during("sending to client")];
    upstream_timed_out: Some(UpstreamTimeout), Status(504), [Error, Info], Own,
        "ngx_http_upstream_next, ngx_stream_proxy_connect_handler",
        "the upstream was too slow", [start("upstream timed out")];
    no_live_upstreams: Some(UpstreamRefused), Status(502), [Error], Own, "ngx_http_upstream_next",
        "every server of the upstream is taken for down", [start("no live upstreams")];
    upstream_disabled: None, Unharmed, [Warn], Own, "ngx_http_upstream_free_round_robin_peer",
        "a server of the upstream failed max_fails times and is left out for fail_timeout",
        [start("upstream server temporarily disabled")];
    upstream_name_unresolved: None, Unharmed, [Error, Warn], Own, "ngx_http_upstream_zone_resolve_handler",
        "a name was looked up for nobody's request (server … resolve), and has no address",
        [start("@ could not be resolved").alone().with_code(),
         start("@ could not be resolved").during("in resolving client").with_code()];
    resolver_missing: Some(ConfigError), Status(502), [Error], Own,
        "ngx_http_upstream_init_request", "an upstream by variable name needs a resolver directive",
        [start("no resolver defined to resolve ")];
    resolver_refused: None, Unharmed, [Error, Warn, Crit, Alert, Info], Own,
        "ngx_resolver_process_response", "a name server does not answer, or answers nonsense",
        [start("send() failed").during("resolving"), start("recv() failed").during("resolving"),
         start("DNS error"), start("unexpected DNS response"), start("wrong ident"),
         start("invalid UDP DNS response"), start("invalid TCP DNS response"),
         start("no A or CNAME types in DNS response"), start("no PTR type in DNS response"),
         start("no SRV type in DNS response"), start("unexpected RR "), start("unknown query "),
         start("invalid in-addr.arpa or ip6.arpa name"), start("could not cancel "),
         start("send() incomplete").during("resolving")];
    upstream_not_configured: Some(ConfigError), Status(500), [Error], Own,
        "ngx_http_upstream_create_round_robin_peer, ngx_http_proxy_eval",
        "the address that a variable holds cannot be used",
        [start("invalid URL prefix in"), start("no host in upstream"), start("no port in upstream"),
         start("invalid port in upstream"), start("no upstream configuration"),
         start("host not found in upstream").at(Level::Error), start("zero length URI to proxy"),
         start("https protocol requires SSL support"), start("grpcs protocol requires SSL support"),
         start("suwsgi protocol requires SSL support"), start("the \"$memcached_key\" variable is not set"),
         start("cache \"").at(Level::Error).ends("\" not found"),
         start("proxy_buffer_size % is not enough for cache key"),
         start("fastcgi_buffer_size % is not enough for cache key"),
         start("uwsgi_buffer_size % is not enough for cache key"),
         start("scgi_buffer_size % is not enough for cache key"), start("memc: upstream \"")];
    upstream_tls_verify: Some(UpstreamRefused), Status(502), [Error], Own,
        "ngx_http_upstream_ssl_handshake", "the upstream's certificate is not trusted",
        [start("upstream SSL certificate")];
    upstream_tls_handshake: Some(UpstreamClosed), Status(502), [Error, Crit, Info], Own,
        "ngx_ssl_handshake", "no TLS with the upstream",
        [start("SSL_do_handshake() failed").during("SSL handshaking to upstream"),
         start("peer closed connection in SSL handshake").during("SSL handshaking to upstream")];
}
