//! One connection of a client that says exactly what a test wants, and reads HTTP/1 answers.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::wait::{DEADLINE, until_true};

/// For one answer: longer than any timeout that a test configures.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A connection to 127.0.0.1. Dropping it closes it.
#[derive(Debug)]
pub struct Client {
    port: u16,
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects to a port.
    pub fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("connecting to port {port}"))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            port,
            stream: BufReader::new(stream),
        })
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        Ok(self.stream.get_mut().write_all(bytes.as_ref())?)
    }

    /// Asks for a path and reads the answer; the connection stays open if the server lets it.
    pub fn get(&mut self, path: &str) -> Result<u16> {
        self.ask("GET", path)
    }

    /// The same with another method.
    pub fn ask(&mut self, method: &str, path: &str) -> Result<u16> {
        self.send(request(method, path))?;
        self.answer_to(method)
    }

    /// Asks for a path, and gives the status of an answer that ends too early: 0 when nothing comes.
    pub fn get_cut(&mut self, path: &str) -> Result<u16> {
        self.send(request("GET", path))?;
        if self.ended() {
            return Ok(0);
        }
        let (status, body) = self.head()?;
        ensure!(self.body(body).is_err(), "a whole answer with {status}");
        Ok(status)
    }

    /// Reads one answer to a GET or POST with its body; an interim one counts as one.
    pub fn answer(&mut self) -> Result<u16> {
        self.answer_to("GET")
    }

    fn answer_to(&mut self, method: &str) -> Result<u16> {
        let (status, body) = self.head()?;
        if method != "HEAD" && status >= 200 && status != 204 && status != 304 {
            self.body(body)?;
        }
        Ok(status)
    }

    fn head(&mut self) -> Result<(u16, Body)> {
        let status = self.line()?;
        let status: u16 = status
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .with_context(|| format!("no status line: {status:?}"))?;
        let mut body = Body::UntilEnd;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                return Ok((status, body));
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                body = Body::Length(value.trim().parse()?);
            }
            if line.starts_with("transfer-encoding: chunked") {
                body = Body::Chunks;
            }
        }
    }

    fn body(&mut self, body: Body) -> Result<()> {
        match body {
            Body::Chunks => self.chunks(),
            Body::Length(length) => self.skip(length, true),
            Body::UntilEnd => self.skip(u64::MAX, false),
        }
    }

    fn chunks(&mut self) -> Result<()> {
        loop {
            let line = self.line()?;
            let size = u64::from_str_radix(&line, 16).with_context(|| format!("chunk {line:?}"))?;
            self.skip(size, true)?;
            self.line()?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    fn skip(&mut self, length: u64, whole: bool) -> Result<()> {
        let read = std::io::copy(&mut self.stream.by_ref().take(length), &mut std::io::sink())?;
        ensure!(read == length || !whole, "{read} bytes of {length}");
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line)?;
        ensure!(read > 0, "the server closed the connection");
        Ok(line.trim_end().to_owned())
    }

    /// Waits until the server has read all that was sent.
    pub fn wait_read(&self) -> Result<()> {
        until_true("the server to have read a piece", DEADLINE, || {
            Ok(self.unread()?.is_some_and(|queue| queue == "00000000"))
        })
    }

    /// Waits until the server has read all that was sent, or closed the connection.
    pub fn wait_read_or_end(&self) -> Result<()> {
        until_true("the server to have read or closed", DEADLINE, || {
            Ok(self.unread()?.is_none_or(|queue| queue == "00000000"))
        })
    }

    /// Whether the server's end of the connection is open still.
    pub fn is_open(&self) -> Result<bool> {
        Ok(self.unread()?.is_some())
    }

    /// The bytes in the queue of the server's end, in hexadecimal; nothing when that is closed.
    fn unread(&self) -> Result<Option<String>> {
        const ESTABLISHED: &str = "01";
        let stream = self.stream.get_ref();
        let (us, them) = (stream.local_addr()?.port(), self.port);
        let ends = format!(":{them:04X} 0100007F:{us:04X} ");
        let sockets = std::fs::read_to_string("/proc/net/tcp")?;
        let line = sockets.lines().find(|line| line.contains(&ends));
        let mut fields = line.unwrap_or_default().split_whitespace().skip(3);
        if fields.next() != Some(ESTABLISHED) {
            return Ok(None);
        }
        let queues = fields.next().and_then(|queues| queues.split_once(':'));
        Ok(queues.map(|(_, unread)| unread.to_owned()))
    }

    /// Ends its own side, as a client does that goes away.
    pub fn shut_down(&mut self) -> Result<()> {
        Ok(self.stream.get_ref().shutdown(Shutdown::Write)?)
    }

    /// Whether the server has closed the connection or sent something: within 5 s.
    pub fn ended(&mut self) -> bool {
        matches!(self.stream.fill_buf(), Ok([]) | Err(_))
    }
}

/// How the end of a body is known.
#[derive(Clone, Copy)]
enum Body {
    Chunks,
    Length(u64),
    UntilEnd,
}

/// The bytes of a request that keeps its connection open.
#[must_use]
pub fn request(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: shop.example\r\n\r\n")
}
