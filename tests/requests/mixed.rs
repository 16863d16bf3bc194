//! A thousand requests through all paths at once, compared with what nginx itself logs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use nginx_probe_tests::answers::{self, Told, Way, told};
use nginx_probe_tests::client::Client;
use nginx_probe_tests::wait::{DEADLINE, until_true};

use crate::scene::{self, OWN};

const REQUESTS: usize = 1_000;
const CLIENTS: usize = 64;

/// Each is followed by a number of its own.
const PATHS: &[&str] = &[
    "/index.html?",
    "/status/200/",
    "/status/404/",
    "/status/500/",
    "/kept/status/500/",
    "/kept/status/200/",
    "/status/503/",
    "/unix/status/500/",
    "/own/500/",
    "/own/503/",
    "/own/cycle/",
    "/intercepted/status/404/",
    "/intercepted/status/500/",
    "/made/status/404/",
    "/masked/status/500/",
    "/better/status/500/",
    "/refused/",
    "/close/",
    "/garbage/",
    "/silent/",
    "/second/status/200/",
    "/second/status/503/",
    "/again/status/200/",
    "/again/status/500/",
    "/again/close/",
    "/pieces/500/",
    "/cached/status/500/",
    "/auth-good/",
    "/auth-403/",
    "/none/",
];

#[test]
fn a_thousand_mixed_requests_have_each_their_own_cause() -> Result<()> {
    Way::ALL.into_iter().try_for_each(mix)
}

fn mix(way: Way) -> Result<()> {
    let (nginx, _upstream, _folder) = scene::stage(|builder| {
        builder
            .workers(2)
            // The agent is told to read no log.
            .log_format("$status|$upstream_status|$upstream_addr|$request_uri")
            .location("access_log access.log chosen;")
    })?;
    let agent = answers::watch_in(&nginx, way)?;
    let port = nginx.port();
    thread::scope(|scope| -> Result<()> {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|first| scope.spawn(move || ask(port, first)))
            .collect();
        for client in clients {
            client.join().ok().context("a client panicked")??;
        }
        Ok(())
    })?;
    let mut logged = Vec::new();
    until_true("all requests in the access log", DEADLINE, || {
        let text = std::fs::read_to_string(nginx.access_log())?;
        logged = text.lines().filter_map(Logged::read).collect();
        Ok(logged.len() >= REQUESTS)
    })?;
    let expected: BTreeMap<&str, &Logged> = logged
        .iter()
        .filter(|one| !one.causes().is_empty())
        .map(|one| (one.path.as_str(), one))
        .collect();
    ensure!(expected.len() > 500, "{} failures only", expected.len());
    until_true("as many records", DEADLINE, || {
        Ok(told(&agent)?.len() >= expected.len())
    })?;
    // Whatever is told too much would be told by then.
    ensure!(Client::connect(port)?.get("/own/500/last")? == 500);
    agent.wait_for("the last record", |record| {
        record["path"] == "/own/500/last"
    })?;
    let mut wrong = String::new();
    let mut seen = BTreeMap::<String, u32>::new();
    for one in told(&agent)? {
        let path = one.path.clone().unwrap_or_default();
        if path == "/own/500/last" {
            continue;
        }
        *seen.entry(path.clone()).or_default() += 1;
        match expected.get(path.as_str()) {
            Some(logged) if logged.is_told_by(&one) => {}
            logged => writeln!(wrong, "{one:?}\n   logged: {logged:?}")?,
        }
    }
    for path in expected.keys() {
        if seen.get(*path) != Some(&1) {
            writeln!(wrong, "{path} is told of {:?} times", seen.get(*path))?;
        }
    }
    ensure!(wrong.is_empty(), "{wrong}");
    let lost = agent.sample("nginx_probe_events_lost_total", &[])?;
    ensure!(lost.is_some_and(|lost| lost < 0.5), "lost: {lost:?}");
    agent.stop().map(|_| ())
}

/// Every 64th request of the thousand, over connections that are kept where nginx keeps them.
fn ask(port: u16, first: usize) -> Result<()> {
    let mut client = Client::connect(port)?;
    for number in (first..REQUESTS).step_by(CLIENTS) {
        let path = format!(
            "{}{number}",
            PATHS[(number * 7 + number / 30) % PATHS.len()]
        );
        if client.get(&path).is_err() {
            client = Client::connect(port)?;
            if client.get(&path).is_err() {
                bail!("{path}: no answer");
            }
        }
    }
    Ok(())
}

/// What nginx's own log says of a request.
#[derive(Debug)]
struct Logged {
    status: u16,
    upstreams: Vec<Option<u16>>,
    path: String,
}

impl Logged {
    fn read(line: &str) -> Option<Self> {
        let mut fields = line.splitn(4, '|');
        let status = fields.next()?.parse().ok()?;
        let upstreams = fields.next()?;
        let _addresses = fields.next()?;
        let upstreams = match upstreams {
            "-" => Vec::new(),
            list => list
                .split([',', ':'])
                .map(|one| one.trim().parse().ok())
                .collect(),
        };
        let path = fields.next()?.split('?').next()?.to_owned();
        Some(Self {
            status,
            upstreams,
            path,
        })
    }

    /// The causes that the answer may have; none when nothing failed.
    fn causes(&self) -> &'static [&'static str] {
        match (self.status, self.upstreams.last().copied().flatten()) {
            (500.., None) => OWN_OR_CYCLE,
            (500, Some(500)) | (503, Some(503)) => &["upstream_response"],
            // nginx logs its own verdict as an upstream's status where that sent none.
            (502, Some(502)) if self.path.starts_with("/refused") => &["upstream_refused"],
            // A good status, and then no valid header: which the log's level hides.
            (502, Some(502)) if self.path.starts_with("/garbage") => &["unknown"],
            (500.., Some(200)) => &["unknown"],
            (502, Some(502)) => &["upstream_closed"],
            (504, Some(504)) => &["upstream_timeout"],
            (500.., Some(_)) => &["upstream_intercepted"],
            (_, Some(500..)) => &["upstream_masked"],
            _ => &[],
        }
    }

    fn is_told_by(&self, told: &Told) -> bool {
        let alike = |(logged, told): (&Option<u16>, &Option<u16>)| {
            logged == told
                || told.is_none() && matches!(logged, Some(502 | 504))
                || self.path.starts_with("/garbage") && *told == Some(200)
        };
        // Of a subrequest's upstream nginx says nothing with the request itself.
        let silent = usize::from(self.path.starts_with("/auth"));
        self.status == told.status
            && self.causes().contains(&told.cause.as_str())
            && self.upstreams.len() + silent == told.upstream_status.len()
            && self
                .upstreams
                .iter()
                .zip(told.upstream_status.iter().skip(silent))
                .all(alike)
    }
}

const OWN_OR_CYCLE: &[&str] = {
    assert!(OWN.len() == 2);
    &[OWN[0], OWN[1], "redirect_cycle"]
};
