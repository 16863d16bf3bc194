//! An application that answers whatever it is asked with the same bytes, in whatever protocol.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Result;

/// For one read or write: a test that hangs ends.
const LIMIT: Duration = Duration::from_secs(20);

/// A running application. Its threads end with the test's process.
#[derive(Debug)]
pub struct Fixed {
    port: u16,
}

impl Fixed {
    /// It reads the beginning of what it is asked, answers, and closes.
    pub fn closing(answer: impl Into<Vec<u8>>) -> Result<Self> {
        Self::start(answer.into(), |stream| {
            // A reset could overtake the answer.
            stream.shutdown(Shutdown::Write)?;
            drain(stream)
        })
    }

    /// It reads the beginning of what it is asked, answers, and waits until nginx closes.
    pub fn holding(answer: impl Into<Vec<u8>>) -> Result<Self> {
        Self::start(answer.into(), drain)
    }

    /// It reads the beginning of what it is asked, answers, and closes at the next that it is asked.
    pub fn once(answer: impl Into<Vec<u8>>) -> Result<Self> {
        Self::start(answer.into(), |stream| {
            stream.read(&mut [0; 4096]).map(drop)
        })
    }

    fn start(answer: Vec<u8>, then: fn(&mut TcpStream) -> std::io::Result<()>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let answer = Arc::clone(&answer);
                thread::spawn(move || {
                    stream.set_read_timeout(Some(LIMIT))?;
                    let mut begin = [0; 4096];
                    if stream.read(&mut begin)? > 0 {
                        stream.write_all(&answer)?;
                        then(&mut stream)?;
                    }
                    std::io::Result::Ok(())
                });
            }
        });
        Ok(Self { port })
    }

    /// Its port of 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn drain(stream: &mut TcpStream) -> std::io::Result<()> {
    std::io::copy(stream, &mut std::io::sink()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;

    #[test]
    fn it_says_the_same_to_everybody_and_ends_or_not() -> Result<()> {
        const HALF: &str = "HTTP/1.1 200 Fine\r\nContent-Length: 9\r\n\r\nhalf";
        let closing = Fixed::closing(HALF)?;
        for _ in 0..2 {
            assert_eq!(Client::connect(closing.port())?.get_cut("/")?, 200);
        }
        assert_eq!(
            Client::connect(Fixed::closing("")?.port())?.get_cut("/")?,
            0
        );
        let mut held = Client::connect(Fixed::holding("HTTP/1.1 101 On\r\n\r\n")?.port())?;
        assert_eq!(held.get("/")?, 101);
        assert!(held.is_open()?);
        Ok(())
    }
}
