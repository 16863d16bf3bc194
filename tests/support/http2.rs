//! A client that speaks just enough of HTTP/2 (RFC 9113) to ask nginx for a path, without TLS.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// For one answer: longer than any timeout that a test configures.
const TIMEOUT: Duration = Duration::from_secs(15);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;

/// A connection to 127.0.0.1. Dropping it closes it.
#[derive(Debug)]
pub struct Http2 {
    stream: TcpStream,
    next: u32,
}

impl Http2 {
    /// Connects to a port that expects HTTP/2 from the first byte.
    pub fn connect(port: u16) -> Result<Self> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
        stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])?;
        Ok(Self { stream, next: 1 })
    }

    /// Asks for a path, reads the whole answer and gives its status.
    pub fn get(&mut self, path: &str) -> Result<u16> {
        let length = u8::try_from(path.len())?;
        // `:method GET` and `:scheme http` of HPACK's static table, then two literals.
        let mut block = vec![0x82, 0x86, 0x04, length];
        block.extend(path.as_bytes());
        block.extend([0x01, 1, b'x']);
        let mut frame = vec![0, 0, u8::try_from(block.len())?, HEADERS, 5];
        frame.extend(self.next.to_be_bytes());
        frame.extend(block);
        self.stream.write_all(&frame)?;
        let id = self.next;
        self.next += 2;
        let mut status = None;
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head)?;
            let [high, middle, low, kind, flags, a, b, c, d] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]).try_into()?];
            self.stream.read_exact(&mut payload)?;
            if kind == GOAWAY {
                bail!("nginx ends the connection: {payload:?}");
            }
            if u32::from_be_bytes([a, b, c, d]) != id {
                continue;
            }
            match kind {
                HEADERS => status = Some(status_of(&payload)?),
                RST_STREAM => bail!("nginx ends the stream: {payload:?}"),
                _ => {}
            }
            if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
                return status.context("no headers");
            }
        }
    }
}

/// The status that a block of headers begins with, behind a change of the table's size: one of the
/// static table, or as nginx writes the others, a raw literal.
fn status_of(block: &[u8]) -> Result<u16> {
    let begin = block.iter().position(|byte| byte & 0xe0 != 0x20);
    let block = block.get(begin.unwrap_or(0)..).unwrap_or_default();
    match block {
        [0x88, ..] => Ok(200),
        [0x89, ..] => Ok(204),
        [0x8c, ..] => Ok(400),
        [0x8d, ..] => Ok(404),
        [0x8e, ..] => Ok(500),
        [0x48, 3, a, b, c, ..] => Ok(std::str::from_utf8(&[*a, *b, *c])?.parse()?),
        other => bail!("an unexpected status: {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nginx::Nginx;
    use crate::ports;

    #[test]
    fn statuses_are_read_whether_the_table_has_them_or_not() -> Result<()> {
        let port = ports::free()?;
        let _nginx = Nginx::builder()
            .workers(1)
            .http(&format!(
                "server {{ listen 127.0.0.1:{port} http2; location /500 {{ return 500; }} \
                 location /502 {{ return 502; }} location /200 {{ return 200 fine; }} }}"
            ))
            .start()?;
        for status in [200, 500, 502] {
            let mut client = Http2::connect(port)?;
            assert_eq!(client.get(&format!("/{status}"))?, status);
        }
        Ok(())
    }
}
