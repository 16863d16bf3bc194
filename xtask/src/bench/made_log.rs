//! An access log such as a site writes, made up, the same every time.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::Result;

/// Writes a combined log of about `size` bytes, as a site with browsers and a few failures has it;
/// the count of its lines.
pub(super) fn write_log(path: &Path, size: u64) -> Result<u64> {
    const PATHS: [&str; 8] = [
        "/",
        "/index.html",
        "/static/app.3f2a.js",
        "/static/site.css",
        "/login",
        "/search?q=some+words&page=2",
        "/api/v1/users/",
        "/img/",
    ];
    const REFERERS: [&str; 3] = [
        "-",
        "https://shop.example/",
        "https://shop.example/list?page=3",
    ];
    const AGENTS: [&str; 4] = [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/126.0.0.0 Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
         Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
        "curl/8.5.0",
    ];
    const STATUSES: [(u64, u16); 6] = [
        (900, 200),
        (940, 304),
        (970, 404),
        (990, 301),
        (997, 500),
        (1000, 502),
    ];
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut roll = move |sides: u64| {
        // Xorshift: the same log every time.
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % sides
    };
    let (mut written, mut lines) = (0, 0_u64);
    let mut line = Vec::new();
    while written < size {
        line.clear();
        let second = lines / 100;
        let (hour, minute, day) = (
            second / 3600 % 24,
            second / 60 % 60,
            1 + second / 86_400 % 28,
        );
        let chance = roll(1000);
        let status = STATUSES
            .iter()
            .find(|(below, _)| chance < *below)
            .map_or(200, |s| s.1);
        let mut pick = |from: &[&'static str]| {
            let at = usize::try_from(roll(from.len() as u64)).unwrap_or(0);
            from.get(at).copied().unwrap_or_default()
        };
        let (path, referer, agent) = (pick(&PATHS), pick(&REFERERS), pick(&AGENTS));
        let method = if pick(&["a", "b", "c", "d"]) == "a" {
            "POST"
        } else {
            "GET"
        };
        let id = if path.len() > 4 && path.ends_with('/') {
            roll(100_000).to_string()
        } else {
            String::new()
        };
        writeln!(
            line,
            "{}.{}.{}.{} - - [{day:02}/Nov/2026:{hour:02}:{minute:02}:{:02} +0000] \
             \"{method} {path}{id} HTTP/1.1\" {status} {} \"{referer}\" \"{agent}\"",
            1 + roll(223),
            roll(256),
            roll(256),
            roll(256),
            second % 60,
            roll(90_000),
        )?;
        out.write_all(&line)?;
        written += line.len() as u64;
        lines += 1;
    }
    out.flush()?;
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn mawk_finds_the_status_in_every_line() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let log = folder.path().join("log");
        let lines = write_log(&log, 100_000)?;
        let text = fs::read_to_string(&log)?;
        assert_eq!(u64::try_from(text.lines().count())?, lines);
        for line in text.lines() {
            let status = line.split(' ').nth(8).unwrap_or_default();
            assert!(status.len() == 3 && status.parse::<u16>().is_ok(), "{line}");
        }
        Ok(())
    }
}
