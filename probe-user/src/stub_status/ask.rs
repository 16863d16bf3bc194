//! One question, over TCP or a unix socket.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    path::Path,
    time::Duration,
};

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{
    Request, StatusCode, Version,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header::{CONNECTION, HOST, HeaderMap, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use rustix::fs::FileType;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    task::JoinHandle,
    time::timeout,
};

use super::{
    Counters, Problem,
    endpoints::{Address, Endpoint},
    parse,
    sockets::Own,
};
use crate::rooted::Root;

/// For the connection, the question and the answer together.
const LIMIT: Duration = Duration::from_secs(2);
/// The longest body, in bytes; a right one has about a hundred.
const MAX_BODY: usize = 4 * 1024;
/// The longest head, in bytes.
const MAX_HEAD: usize = 16 * 1024;
const AGENT: &str = concat!("nginx-probe/", env!("CARGO_PKG_VERSION"));

/// What nginx said. The connection stays open until this is dropped, so that the kernel shows it
/// among the others.
pub(super) struct Answer {
    pub counters: Counters,
    pub own: Own,
    _connection: Connection,
}

/// Asks once.
///
/// # Errors
/// When there is no right answer in time.
pub(super) async fn ask(endpoint: &Endpoint, root: &Root) -> Result<Answer, Problem> {
    timeout(LIMIT, try_ask(endpoint, root))
        .await
        .map_err(|_| Problem::Timeout)?
}

async fn try_ask(endpoint: &Endpoint, root: &Root) -> Result<Answer, Problem> {
    match &endpoint.address {
        Address::Tcp(address) => {
            let stream = TcpStream::connect(address)
                .await
                .map_err(Problem::Connect)?;
            let own = stream.local_addr().map_err(Problem::Connect)?;
            talk(endpoint, stream, |_| Own::Tcp(own)).await
        }
        Address::Unix(path) => {
            let socket = find_socket(root, path).map_err(Problem::Connect)?;
            // The path may be long, and is one of nginx's root: the descriptor stands for it.
            let link = format!("/proc/self/fd/{}", socket.as_raw_fd());
            let stream = UnixStream::connect(link).await.map_err(Problem::Connect)?;
            talk(endpoint, stream, |kept| Own::Unix { kept }).await
        }
    }
}

fn find_socket(root: &Root, path: &Path) -> io::Result<OwnedFd> {
    let found = root.find(path).map_err(io::Error::other)?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode);
    if kind == FileType::Socket {
        Ok(found)
    } else {
        Err(io::Error::other(format!("{} is no socket", path.display())))
    }
}

async fn talk(
    endpoint: &Endpoint,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    own: impl FnOnce(bool) -> Own,
) -> Result<Answer, Problem> {
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream))
        .await?;
    let driver = tokio::spawn(async move {
        // What went wrong, the request says too.
        let _ = connection.await;
    });
    let mut connection = Connection { sender, driver };
    let mut request = Request::get(endpoint.path.as_str());
    // A server that no name leads to is reached by a request without one.
    request = if endpoint.host.is_empty() {
        request.version(Version::HTTP_10)
    } else {
        request.header(HOST, &endpoint.host)
    };
    let request = request
        .header(USER_AGENT, AGENT)
        .body(Empty::new())
        .map_err(|error| Problem::Connect(io::Error::other(error)))?;
    let response = connection.sender.send_request(request).await?;
    if response.status() != StatusCode::OK {
        return Err(Problem::Status(response.status().as_u16()));
    }
    let kept = response.version() == Version::HTTP_11 && !closes(response.headers());
    let body = Limited::new(response.into_body(), MAX_BODY).collect();
    let body = body.await.map_err(|_| Problem::Text)?.to_bytes();
    Ok(Answer {
        counters: parse(&body).ok_or(Problem::Text)?,
        own: own(kept),
        _connection: connection,
    })
}

fn closes(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONNECTION)
        .iter()
        .any(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
}

struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// What comes of a server that answers with this.
    async fn asked(answer: &[u8]) -> Result<Answer, Problem> {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = Endpoint {
            address: Address::Tcp(server.local_addr().expect("bound")),
            host: "h".into(),
            path: "/s".into(),
            ssl: false,
            proxy_protocol: false,
        };
        let answer = answer.to_vec();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = server.accept().await.expect("one");
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.expect("a request");
            assert!(request[..length].starts_with(b"GET /s HTTP/1.1\r\nhost: h\r\n"));
            let _ = stream.write_all(&answer).await;
            let _ = stream.read(&mut request).await;
        });
        let root = Root::at(Path::new("/")).expect("opened");
        let answer = ask(&endpoint, &root).await;
        serving.abort();
        answer
    }

    fn http(status: &str, body: &str) -> Vec<u8> {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
    }

    const BODY: &str = "Active connections: 1 \nserver accepts handled requests\n 1 1 1 \n\
        Reading: 0 Writing: 1 Waiting: 0 \n";

    #[tokio::test]
    async fn a_right_answer_is_read() {
        let answer = asked(&http("200 OK", BODY)).await.expect("right");
        assert_eq!(answer.counters.active, 1);
        assert!(matches!(answer.own, Own::Tcp(_)));
    }

    #[tokio::test]
    async fn every_other_answer_is_a_problem() {
        let long = "x".repeat(MAX_BODY + 1);
        let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(MAX_HEAD));
        for (answer, expected) in [
            (http("403 Forbidden", BODY), "Status(403)"),
            (http("301 Moved", ""), "Status(301)"),
            (http("200 OK", "hello"), "Text"),
            (http("200 OK", &long), "Text"),
            (head.into_bytes(), "Http"),
            (b"SSH-2.0\r\n".to_vec(), "Http"),
            (b"HTTP/1.1 200 OK\r\n".to_vec(), "Timeout"),
        ] {
            let problem = asked(&answer).await.err().expect("a problem");
            assert!(format!("{problem:?}").starts_with(expected), "{problem:?}");
        }
    }
}
