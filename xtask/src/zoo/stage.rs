//! A private nginx with the agent that watches it, and the account of what was done to them.

use std::ffi::OsString;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::client::Client;
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::http::Answer;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::wait::{patience, until};

use super::clients::{self, Got, ensure_all};
use super::judge::{Judgement, is_accounted, judge};
use super::mode::Mode;
use super::recording::Recording;
use super::told::Told;
use super::truth::{Class, Kind, Truth, Verdict, is};

/// Until something has been said of everything.
const SAY_WITHIN: Duration = Duration::from_secs(5);
/// Between two looks at what has been said.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Longer than any scenario takes: incidents stay open.
const QUIET: &str = "--incident-quiet=10m";
/// Clients that ask at once.
const CLIENTS: usize = 4;
/// A status that nothing else has, for the last request.
pub(super) const LAST: (&str, u16) = ("/zoo/last", 299);

/// All of it, running. Dropping it ends the agent, then nginx.
pub(super) struct Stage {
    pub(super) agent: Agent,
    pub(super) nginx: Nginx,
    mode: Mode,
    truth: Truth,
    recording: Recording,
    /// Requests that end a scenario, so far.
    last: u32,
}

impl Stage {
    /// Starts the agent, and waits until it is ready.
    pub(super) fn watch(
        mode: Mode,
        nginx: Nginx,
        others: &[&str],
        recording: Recording,
    ) -> Result<Self> {
        let mut arguments: Vec<OsString> = ["--responses", QUIET].map(OsString::from).into();
        arguments.extend(["--pid-file".into(), nginx.pid_file().into()]);
        arguments.extend(["--record".into(), recording.file().into()]);
        arguments.extend(mode.arguments().iter().chain(others).map(OsString::from));
        Ok(Self {
            agent: Agent::start(arguments)?,
            nginx,
            mode,
            truth: Truth::default(),
            recording,
            last: 0,
        })
    }

    /// nginx's port.
    pub(super) fn port(&self) -> u16 {
        self.nginx.port()
    }

    /// Asks for `path` so often: each time the answer must be `status`, and is a failure.
    pub(super) fn fail(
        &mut self,
        path: &str,
        status: u16,
        count: usize,
        because: impl Into<Verdict>,
    ) -> Result<()> {
        self.fail_together(vec![(path, status, because)], count)
    }

    /// The same in a way of its own.
    pub(super) fn fail_by(
        &mut self,
        clients: usize,
        status: u16,
        count: usize,
        because: impl Into<Verdict>,
        how: impl Fn(usize) -> Result<u16> + Sync,
    ) -> Result<()> {
        let got = clients::ask(clients, count, how)?;
        self.failed(&got, status, because)
    }

    /// The same for answers of which a client gets the status and no whole body.
    pub(super) fn fail_cut(
        &mut self,
        path: &str,
        status: u16,
        count: usize,
        because: impl Into<Verdict>,
    ) -> Result<()> {
        let got = self.ask_cut(path, count)?;
        self.note(&got, status, because.into(), Some(path))
    }

    /// The same for requests whose clients get nothing at all: the status is 0, and what nginx writes
    /// into its log is all that logs tell.
    pub(super) fn fail_unsent(
        &mut self,
        path: &str,
        logged: u16,
        count: usize,
        because: impl Into<Verdict>,
    ) -> Result<()> {
        let mut got = self.ask_cut(path, count)?;
        ensure_all(&got, 0)?;
        let status = if self.mode == Mode::Logs { logged } else { 0 };
        for one in &mut got {
            one.status = Some(status);
        }
        self.note(&got, status, because.into(), Some(path))
    }

    fn ask_cut(&self, path: &str, count: usize) -> Result<Vec<Got>> {
        let port = self.port();
        clients::ask(CLIENTS, count, |number| {
            Client::connect(port)?.get_cut(&numbered(path, number))
        })
    }

    /// Asks for all of these paths in turn, so often each, each with its status and cause.
    pub(super) fn fail_together<V: Into<Verdict>>(
        &mut self,
        cases: Vec<(&str, u16, V)>,
        count: usize,
    ) -> Result<()> {
        let port = self.port();
        let all = cases.len();
        let paths: Vec<&str> = cases.iter().map(|case| case.0).collect();
        let got = clients::ask(CLIENTS, count * all, |number| {
            let path = paths.get(number % all).context("no path")?;
            clients::get(port, &numbered(path, number))
        })?;
        for (place, (path, status, because)) in cases.into_iter().enumerate() {
            let these: Vec<Got> = got
                .iter()
                .filter(|one| one.number % all == place)
                .cloned()
                .collect();
            self.note(&these, status, because.into(), Some(path))?;
        }
        Ok(())
    }

    /// Takes down answers that were failures, each of which must have this status.
    pub(super) fn failed(
        &mut self,
        got: &[Got],
        status: u16,
        because: impl Into<Verdict>,
    ) -> Result<()> {
        self.note(got, status, because.into(), None)
    }

    fn note(
        &mut self,
        got: &[Got],
        status: u16,
        verdict: Verdict,
        path: Option<&str>,
    ) -> Result<()> {
        ensure_all(got, status)?;
        if let Some(first) = got.iter().map(|one| one.at).min() {
            self.truth.add(Class {
                kind: Kind::Responses(status),
                verdict,
                count: got.len() as u64,
                paths: path.map(str::to_owned).into_iter().collect(),
                first,
            });
        }
        Ok(())
    }

    /// Asks for `path` so often: each time the answer must be `status`, and is no failure.
    pub(super) fn serve(&self, path: &str, status: u16, count: usize) -> Result<()> {
        let port = self.port();
        let got = clients::ask(CLIENTS, count, |number| {
            clients::get(port, &numbered(path, number))
        })?;
        ensure_all(&got, status)
    }

    /// Takes down that a worker died at this moment for this reason. Logs alone do not tell it.
    pub(super) fn died(
        &mut self,
        reason: &'static str,
        at: SystemTime,
        because: impl Into<Verdict>,
    ) {
        self.truth.add(Class {
            kind: Kind::Deaths(reason),
            verdict: because.into().or_untold_in(&[Mode::Logs]),
            count: 1,
            paths: Vec::new(),
            first: at,
        });
    }

    /// Has a fault end a worker so often, each time for this reason, and waits for its successor.
    pub(super) fn die_of(
        &mut self,
        fault: Fault,
        reason: &'static str,
        times: u32,
        because: &'static str,
    ) -> Result<()> {
        for _ in 0..times {
            let before = self.nginx.wait_serving()?;
            let answer = self.nginx.cause(fault);
            let at = SystemTime::now();
            let died = matches!(answer, Answer::Broken(_));
            ensure!(
                died,
                "{fault:?} was to end a worker, which answered {answer:?}"
            );
            self.died(reason, at, because);
            self.nginx.wait_replaced(&before)?;
        }
        Ok(())
    }

    /// Takes down that something is wrong since then which no single answer shows.
    pub(super) fn wrong_since(&mut self, at: SystemTime, because: impl Into<Verdict>) {
        self.truth.add(Class {
            kind: Kind::State,
            verdict: because.into(),
            count: 1,
            paths: Vec::new(),
            first: at,
        });
    }

    /// Takes down that draining workers cut off so many requests. Logs alone do not tell of them.
    pub(super) fn lost(&mut self, count: u64, at: SystemTime, because: &'static str) {
        self.truth.add(Class {
            kind: Kind::Lost,
            verdict: is(because).or_untold_in(&[Mode::Logs]),
            count,
            paths: Vec::new(),
            first: at,
        });
    }

    /// Waits until so many local processes behind nginx are known, besides this one, which is an
    /// upstream of the usual configuration.
    pub(super) fn wait_backends(&self, count: u32) -> Result<()> {
        if self.mode == Mode::Logs {
            return Ok(());
        }
        self.agent
            .wait_count("nginx_backend_processes", &[], count + 1)
    }

    /// Waits until something was said of everything so far, or it is too late to say it.
    pub(super) fn wait_said(&self) -> Result<Told> {
        let end = Instant::now() + SAY_WITHIN * patience();
        loop {
            let told = self.told()?;
            if is_accounted(&self.truth, self.mode, &told) || Instant::now() >= end {
                return Ok(told);
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until something was said of everything, ends the agent and judges.
    pub(super) fn judge(mut self) -> Result<Judgement> {
        let mut problem = self.ask_last()?;
        let told = self.wait_said()?;
        // What was told twice would be told twice by then.
        problem = problem.or(self.ask_last()?);
        let mut last = if problem.is_none() {
            self.told()?
        } else {
            told
        };
        let read = last.records.len();
        let text = self.agent.stop_text()?;
        let ended = SystemTime::now();
        let mut all = std::mem::take(&mut last.records);
        for line in text.lines().skip(read) {
            all.push((ended, serde_json::from_str(line)?));
        }
        last.take(all);
        let mut judgement = judge(&self.truth, self.mode, &last);
        judgement.problems.extend(problem);
        judgement
            .problems
            .extend(self.recording.check(self.nginx.folder(), &text)?);
        Ok(judgement)
    }

    fn told(&self) -> Result<Told> {
        Ok(Told::new(&self.agent.metrics()?, self.agent.received()))
    }

    /// Asks for what nothing else asks for, and waits until the agent has counted it: what came
    /// before has been counted then. Gives what is wrong when it has not.
    fn ask_last(&mut self) -> Result<Option<String>> {
        let (path, status) = LAST;
        let got = clients::get(self.port(), path)?;
        ensure!(got == status, "{path} answered {got}");
        self.last += 1;
        let code = status.to_string();
        for view in self.mode.views() {
            let labels = [("code", code.as_str()), ("seen_by", *view)];
            let counted = until("the last request to be counted", SAY_WITHIN, || {
                let count = self.agent.sample("nginx_http_responses_total", &labels)?;
                Ok(count.filter(|count| *count > f64::from(self.last) - 0.5))
            });
            if counted.is_err() {
                let problem = format!("an answer was not counted that the {view} sees");
                return Ok(Some(problem));
            }
        }
        Ok(None)
    }
}

/// The path with a query that tells one request from another.
fn numbered(path: &str, number: usize) -> String {
    format!("{path}?{number}")
}
