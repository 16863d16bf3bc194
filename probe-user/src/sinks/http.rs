//! `/metrics`, `/healthz` and a landing page.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};

use super::metrics::Metrics;

/// Connections served at a time; more are closed at once.
const MAX_CONNECTIONS: usize = 16;
/// A client that sends no request in this time is let go.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// No connection is kept longer than this.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

const LANDING: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
<title>nginx-probe</title>\
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:3em auto;padding:0 1em}</style>\
<h1>nginx-probe</h1><p>Tells why clients get HTTP 500s from nginx.</p>\
<ul><li><a href=\"/metrics\">/metrics</a>: OpenMetrics, for Prometheus</li>\
<li><a href=\"/healthz\">/healthz</a>: 200 once every probe that can attach has</li></ul>";

/// Binds the listener.
///
/// # Errors
/// When the address is taken or not ours.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until the task is dropped. A connection gets one answer.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>) {
    serve_each_for(CONNECTION_TIMEOUT, listener, metrics).await;
}

async fn serve_each_for(limit: Duration, listener: TcpListener, metrics: Arc<Metrics>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                log::warn!("cannot accept a connection for /metrics: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // To wait for a slot would leave every client without an answer for as long.
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            continue;
        };
        let metrics = Arc::clone(&metrics);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let response = answer(&request, &metrics);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            // A client that goes away or talks nonsense is its own affair.
            let _ = timeout(limit, connection).await;
            drop(slot);
        });
    }
}

fn answer(request: &Request<Incoming>, metrics: &Metrics) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered\n");
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/metrics" => metrics.encode().map_or_else(
            |_| {
                plain(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the metrics cannot be written\n",
                )
            },
            |text| {
                typed(
                    "application/openmetrics-text; version=1.0.0; charset=utf-8",
                    text,
                )
            },
        ),
        "/healthz" if metrics.is_ready() => plain(StatusCode::OK, "ready\n"),
        "/healthz" => plain(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        "/" => typed("text/html; charset=utf-8", LANDING.to_owned()),
        _ => plain(StatusCode::NOT_FOUND, "not found: try /metrics\n"),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = typed("text/plain; charset=utf-8", text.to_owned());
    *response.status_mut() = status;
    response
}

fn typed(kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;
    use crate::fleet::Counts;

    const SOON: Duration = Duration::from_secs(10);

    /// All that the server answers to `request` until it closes.
    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut answer = Vec::new();
        let asked = async {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(request.as_bytes()).await?;
            stream.read_to_end(&mut answer).await
        };
        // A connection that is closed at once may be reset.
        let _ = timeout(SOON, asked).await.expect("it closes");
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn clients_that_do_not_read_keep_nobody_out_for_long() {
        let metrics = Arc::new(Metrics::new());
        // More than the sockets' buffers hold.
        for n in 0..1000 {
            metrics.set_workers(&format!("/run/nginx-{n}.pid"), Counts::default());
        }
        let listener = bind(([127, 0, 0, 1], 0).into()).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let server = serve_each_for(Duration::from_secs(1), listener, metrics);
        let server = tokio::spawn(server);
        let health = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

        let mut lazy = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            let mut stream = TcpStream::connect(address).await.expect("a connection");
            let requests = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
            stream.write_all(requests.as_bytes()).await.expect("asked");
            lazy.push(stream);
        }
        let begun = Instant::now();
        // Closed at once, or answered once the others were let go.
        while !ask(address, health).await.contains("503") {
            assert!(begun.elapsed() < SOON, "they hold the server");
        }
        drop(lazy);
        server.abort();
    }

    #[tokio::test]
    async fn a_connection_gets_one_answer() {
        let listener = bind(([127, 0, 0, 1], 0).into()).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let metrics = Arc::new(Metrics::new());
        metrics.set_ready();
        let server = tokio::spawn(serve(listener, metrics));
        let twice = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2);
        let answer = ask(address, &twice).await;
        assert!(answer.matches("HTTP/1.1").count() <= 1, "{answer}");
        server.abort();
    }
}
