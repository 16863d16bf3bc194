//! A real nginx logs hostile requests in several formats at once: the reader gives back what was
//! sent.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nginx_probe::access_log::{Entry, Escape, Field, Format};

#[path = "log_formats/sent.rs"]
mod sent;
#[path = "log_formats/stage.rs"]
mod stage;

use sent::{Sent, hostile, proxied};
use stage::{FORMATS, Stage};

/// The field as it was sent; what is missing is empty.
fn sent_value(entry: &Entry<'_>, format: &Format, field: Field, sent: &[u8]) -> Result<()> {
    let Some(value) = entry.get(field) else {
        return Ok(());
    };
    let plain = format.escape().unescape(value);
    let missing = format.escape() == Escape::Default && *plain == *b"-" && sent.is_empty();
    ensure!(
        *plain == *sent || missing,
        "{field:?} is {} and not {}",
        plain.escape_ascii(),
        sent.escape_ascii()
    );
    Ok(())
}

fn check_all(entry: &Entry<'_>, format: &Format, sent: &Sent, now: i64) -> Result<()> {
    sent_value(entry, format, Field::Request, &sent.request)?;
    sent_value(entry, format, Field::RemoteUser, &sent.user)?;
    sent_value(entry, format, Field::Referer, &sent.referer)?;
    sent_value(entry, format, Field::UserAgent, &sent.agent)?;
    if let (Some(status), Some(sent)) = (entry.status(), sent.status) {
        ensure!(status == sent, "status {status}, the client saw {sent}");
    }
    ensure!(
        format.gives(Field::Status) == entry.status().is_some(),
        "a status that is none"
    );
    if let Some(time) = entry.time() {
        let age = now - time;
        ensure!(
            (-2_000_000..120_000_000).contains(&age),
            "written {age} µs ago"
        );
    }
    if let (Some(upstream), Some(list)) = (sent.upstream, entry.get(Field::UpstreamStatus)) {
        let none = upstream.is_empty() && entry.present(Field::UpstreamStatus).is_none();
        ensure!(none || list == upstream.as_bytes(), "not {upstream}");
        let redirects = entry.upstream_status().filter(|a| a.redirected).count();
        ensure!(
            redirects == upstream.matches(" : ").count(),
            "{redirects} redirects"
        );
        for field in [Field::UpstreamAddr, Field::UpstreamResponseTime] {
            let shape = |field| {
                entry
                    .attempts(field)
                    .map(|a| a.redirected)
                    .collect::<Vec<_>>()
            };
            ensure!(
                entry.get(field).is_none() || shape(field) == shape(Field::UpstreamStatus),
                "{field:?} has other attempts"
            );
        }
    }
    Ok(())
}

#[test]
fn what_was_sent_comes_back_in_every_escape_mode() -> Result<()> {
    let stage = Stage::start()?;
    let mut sent: Vec<_> = hostile().into_iter().chain(proxied()).collect();
    for sent in &mut sent {
        sent.send(stage.port)?;
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let now = i64::try_from((now + Duration::from_secs(1)).as_micros())?;
    let mut formats = vec![("combined", Format::combined())];
    for (name, escape, text) in FORMATS {
        formats.push((name, Format::compile(text.as_bytes(), escape)?));
    }
    for (name, format) in &formats {
        ensure!(
            format.unreadable().is_empty(),
            "{name} has what cannot be read"
        );
        if *name == "raw" {
            continue;
        }
        stage.check(name, format, &sent, |entry, sent| {
            check_all(entry, format, sent, now)
        })?;
    }
    let good = format!("127.0.0.1:{}", stage.good);
    let (_, json) = formats
        .iter()
        .find(|(name, _)| *name == "json")
        .context("json")?;
    stage.check("json", json, &sent, |entry, sent| {
        ensure!(Some(entry.pid().context("no pid")?) == stage.nginx.workers()?.first().copied());
        ensure!(entry.connection() > Some(0) && entry.remote_port() > Some(1023));
        ensure!(entry.get(Field::RequestId).map(<[u8]>::len) == Some(32));
        // No answer goes out in part, and every attempt that was answered has its time.
        let answered = entry.upstream_status().filter(|a| a.status() != Some(502));
        let timed = entry.attempts(Field::UpstreamHeaderTime);
        ensure!(answered.count() == timed.filter(|a| a.micros().is_some()).count());
        if sent.upstream == Some("500, 200") {
            let last = entry.upstream_addr().last().context("no address")?;
            ensure!(last.value == good.as_bytes() && !last.redirected);
        }
        Ok(())
    })
}

/// With `escape=none` a client may write what looks like other fields, and the reader cannot
/// know: it says so, and still reads every line whose values do not do it.
#[test]
fn raw_values_come_back_unless_they_look_like_other_fields() -> Result<()> {
    let stage = Stage::start()?;
    let mut sent = hostile();
    for sent in &mut sent {
        sent.send(stage.port)?;
    }
    let (name, escape, text) = FORMATS[6];
    let format = Format::compile(text.as_bytes(), escape)?;
    ensure!(!format.is_unambiguous());
    let mut forged = 0;
    stage.check(name, &format, &sent, |entry, sent| {
        if sent.request.windows(6).any(|part| part == b"\" 200 ") {
            forged += 1;
            ensure!(entry.get(Field::Request) == Some(&b"GET /"[..]));
            return Ok(());
        }
        check_all(entry, &format, sent, 0)
    })?;
    ensure!(
        forged == 1,
        "{forged} requests were meant to look like other fields"
    );
    Ok(())
}
