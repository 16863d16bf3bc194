//! Free loopback ports.

use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Result, bail};

/// Below the range that Linux hands to outgoing connections (from 32768), so that a busy load
/// client cannot take a port between the look and nginx's `bind`.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port of 127.0.0.1 on which nothing listens now.
///
/// Another process may still take it before its user binds: whoever uses it tries again then.
pub fn free() -> Result<u16> {
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        // Test binaries that run at once begin at places far from each other.
        let start = u16::try_from(process::id().wrapping_mul(337) % u32::from(COUNT)).unwrap_or(0);
        let port = FIRST + start.wrapping_add(step) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port from {FIRST} to {}", FIRST + COUNT - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ports_differ_and_can_be_bound() -> Result<()> {
        let (one, other) = (free()?, free()?);
        assert_ne!(one, other);
        TcpListener::bind((Ipv4Addr::LOCALHOST, one))?;
        Ok(())
    }
}
