//! Certificates: those that a variable names, and what is known of their state. Handshakes stand
//! with the side that failed.

use crate::correlator::Cause::ConfigError;

super::table! {
    ocsp_failed: None, Unharmed, [Error, Warn, Alert, Crit], Own,
        "ngx_ssl_stapling_ocsp_handler, ngx_ssl_ocsp_validate, ngx_ssl_ocsp_error",
        "a certificate's state could not be had: answers go without it",
        [start("OCSP "), start("OCSP_"), start("certificate status "),
         start("no resolver defined to resolve ").during(OCSP),
         start("@ could not be resolved").during(OCSP).with_code(),
         start("connect() failed").during(OCSP), start("connect() to ").during(OCSP),
         start("recv() failed").during(OCSP), start("send() failed").during(OCSP),
         start("no OCSP responder URL"), start("empty host in OCSP responder"),
         start("invalid URL prefix in OCSP responder").at(Level::Error),
         start("invalid nextUpdate time"), start("d2i_OCSP_RESPONSE() failed"),
         start("i2d_OCSP_REQUEST() failed"), start("X509_STORE_CTX_"), start("X509_verify_cert() failed"),
         start("SSL_CTX_get_cert_store() failed").at(Level::Error),
         start("SSL_CTX_get_cert_store() failed").at(Level::Crit)];
    upstream_certificate: Some(ConfigError), Status(500), [Error], Foreign,
        "ngx_http_upstream_ssl_certificate, ngx_ssl_connection_certificate",
        "the certificate that a variable names for an upstream cannot be loaded",
        [start("cannot load certificate").at(Level::Error).during(CONNECTING),
         start("cannot load certificate").at(Level::Error).during(SHAKING),
         start("SSL_use_certificate(").at(Level::Error).during(CONNECTING),
         start("SSL_use_PrivateKey(").at(Level::Error).during(CONNECTING)];
    certificate_not_loaded: None, NoAnswer, [Error], Foreign,
        "ngx_http_ssl_certificate, ngx_ssl_connection_certificate",
        "the certificate that a variable names cannot be loaded: a client's handshake fails",
        [start("cannot load certificate").at(Level::Error), start("SSL_use_certificate(").at(Level::Error),
         start("SSL_use_PrivateKey(").at(Level::Error), start("SSL_set0_chain(").at(Level::Error)];
    quic_failed: None, Unharmed, [Error, Alert, Crit, Info, Emerg], Own, "ngx_quic_*",
        "a connection of HTTP/3 broke, or its packets cannot be kept with one worker",
        [start("quic "), start("could not split QUIC frame"), start("unexpected secret len"),
         start("failed to create http3 session"), start("failed to create server stream"),
         start("failed to send goaway"), start("failed to send settings"),
         start("failed to send insert count increment"), start("failed to send section acknowledgement"),
         start("failed to send stream cancellation"), start("not enough dynamic table capacity"),
         start("failed to create BPF map"), start("failed to load BPF program"),
         start("too big OpenSSL QUIC secret"), start("invalid OpenSSL QUIC secret")];
}

const OCSP: &str = "requesting certificate status";
const CONNECTING: &str = "connecting to upstream";
const SHAKING: &str = "SSL handshaking to upstream";
