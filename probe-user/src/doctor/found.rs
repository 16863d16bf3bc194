//! Every nginx that the options choose, and what could be read of it.

use std::path::Path;

use super::{Check, NoTracking};
use crate::{
    agent::logs::{Tried, try_logs},
    config,
    fleet::{Fleet, Selection},
    options::DoctorOptions,
    proc::Proc,
    processes::Reader,
    rooted::{OpenError, Root},
    source::{self, Source, Stem, Verdict},
    stub_status,
};

/// What to do when files of nginx may not be read.
const READ: &str = "run as root, or give the service CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH";

/// What to do when what is logged goes somewhere where it cannot be read.
const BESIDE: &str = "add a log to a file beside it to have its lines counted";

/// What was found.
pub(super) struct Found {
    pub(super) checks: Vec<Check>,
    /// Masters that run.
    masters: Vec<u32>,
    /// What of their configurations could not be read.
    unread: Vec<String>,
    logs: Vec<Tried>,
}

impl Found {
    /// Looks at every master that `fleet` has found.
    pub(super) fn of(
        options: &DoctorOptions,
        fleet: &mut Fleet<NoTracking>,
        names: &[String],
    ) -> Self {
        let mut found = Self {
            checks: Vec::new(),
            masters: Vec::new(),
            unread: Vec::new(),
            logs: Vec::new(),
        };
        let counts = fleet.counts();
        for (pid, instance, config) in fleet.masters() {
            found.masters.push(pid);
            let workers = counts.get(instance).map_or(0, |counts| counts.workers);
            found.master(pid, instance, workers, config);
            found.logs_of(instance, options, config);
        }
        let selection = Selection {
            pid_files: options.watch.pid_file.clone(),
            masters: options.watch.master.clone(),
        };
        for what in selection.missing(fleet.proc(), names) {
            let fix = "start it, or name another with --pid-file";
            found.add("nginx".into(), Verdict::bad(what, fix));
        }
        found.without_master(fleet);
        if found.masters.is_empty() && selection.is_all() {
            // Logs that are named are read all the same.
            found.logs_of("logs", options, None);
            let fix =
                "the agent waits for one; if one runs under another name, give it with --name";
            let verdict = Verdict::idle("none is running on this host", fix);
            found.add("nginx".into(), verdict);
        }
        found
    }

    /// What serves and is not followed.
    fn without_master(&mut self, fleet: &mut Fleet<NoTracking>) {
        for (instance, orphans) in fleet.found_orphans() {
            let what = format!(
                "its master is gone, and {} of its workers serve on: nothing replaces or reloads them",
                orphans.workers
            );
            let fix = "end them (kill -QUIT), then start nginx";
            self.add(instance.to_string(), Verdict::bad(what, fix));
        }
        for what in fleet.singles() {
            let fix = "remove master_process off, which nginx has for its developers";
            self.add("nginx".into(), Verdict::bad(what, fix));
        }
    }

    fn add(&mut self, name: String, verdict: Verdict) {
        self.checks.push(Check::of(name, verdict));
    }

    fn master(&mut self, pid: u32, instance: &str, workers: u32, config: Option<&config::Master>) {
        let Some(config) = config else {
            let what = format!("master {pid}, {workers} workers: it cannot be looked at");
            self.unread
                .push(format!("master {pid} cannot be looked at"));
            self.add(instance.to_owned(), Verdict::bad(what, READ));
            return;
        };
        let settings = &config.settings;
        let conf = settings.conf_file.display();
        let what = format!("master {pid}, {workers} workers, configuration {conf}");
        self.add(instance.to_owned(), Verdict::ok(what));
        if settings.unread > 0 {
            let first = settings.warnings.first().cloned().unwrap_or_default();
            self.unread.push(first);
        }
        for warning in &settings.warnings {
            let fix = if settings.unread > 0 {
                READ
            } else {
                "the agent goes on with what it could read"
            };
            let name = format!("{instance} configuration");
            self.add(name, Verdict::bad(warning, fix));
        }
    }

    /// The logs that would be read of it, each opened once.
    fn logs_of(
        &mut self,
        instance: &str,
        options: &DoctorOptions,
        config: Option<&config::Master>,
    ) {
        let (tried, problems) = try_logs(&options.watch, config);
        for log in tried {
            let kind = if log.access { "access" } else { "error" };
            let verdict = of_log(&log);
            self.add(format!("{instance} {kind} log"), verdict);
            self.logs.push(log);
        }
        for problem in problems {
            self.add(format!("{instance} log"), Verdict::idle(problem, BESIDE));
        }
    }

    /// Whether the configuration of each was read, to its end.
    pub(super) fn config(&self) -> Verdict {
        match (self.unread.first(), self.masters.len()) {
            (Some(first), _) => {
                let more = match self.unread.len() {
                    1 => String::new(),
                    all => format!(" (and of {} more nginx)", all - 1),
                };
                Verdict::bad(format!("{first}{more}"), READ)
            }
            (None, 0) => without_nginx(Stem::Config),
            (None, 1) => Verdict::ok("read"),
            (None, masters) => Verdict::ok(format!("of {masters} nginx, read")),
        }
    }

    /// Whether the logs of a kind can be read that would be followed.
    pub(super) fn logs(&self, access: bool, options: &DoctorOptions) -> Verdict {
        let (kind, flag, stem) = if access {
            ("access", "--access-log", Stem::AccessLog)
        } else {
            ("error", "--error-log", Stem::ErrorLog)
        };
        if options.watch.no_logs() {
            return Verdict::idle("turned off", "run without --no-logs to have it");
        }
        let logs: Vec<_> = self
            .logs
            .iter()
            .filter(|log| log.access == access)
            .collect();
        let bad = logs
            .iter()
            .map(|log| of_log(log))
            .find(|verdict| !verdict.ok);
        match (bad, logs.len()) {
            (Some(bad), _) => bad,
            (None, 0) if self.masters.is_empty() => without_nginx(stem),
            (None, 0) => Verdict::idle(
                format!("no {kind} log in a file is named by any nginx"),
                format!("name one with {flag} if there is one"),
            ),
            (None, 1) => Verdict::ok("1 log can be read"),
            (None, logs) => Verdict::ok(format!("{logs} logs can be read")),
        }
    }

    /// Whether what processes use can be counted: tried on each master.
    pub(super) fn processes(&self, proc: &Proc, source: &Source) -> Verdict {
        let mut reader = Reader::new(proc.root());
        let pids = self.masters.iter().copied();
        let counted = |pid| Some(reader.usage(pid)?.open_fds.is_some());
        let counted: Vec<bool> = pids.filter_map(counted).collect();
        match counted.iter().all(|counted| *counted) {
            _ if counted.is_empty() => of_capabilities(source),
            true => Verdict::ok("descriptors, memory and processor time can be read"),
            false => Verdict::bad("the descriptors of nginx cannot be counted", READ),
        }
    }

    /// Whether nginx's own counters are served somewhere, and can be asked for there.
    pub(super) fn stub_status(fleet: &Fleet<NoTracking>, source: &Source) -> Verdict {
        let served = fleet.masters().filter_map(|(_, _, config)| config);
        let served: Vec<_> = served.flat_map(stub_status::endpoints).collect();
        let missing = source::missing_capabilities(source.needs);
        match served.iter().find(|endpoint| endpoint.can_be_asked()) {
            _ if !missing.is_empty() => source::without(source.needs),
            Some(endpoint) => Verdict::ok(endpoint.to_string()),
            None if served.is_empty() => Verdict::idle(
                "no nginx serves its counters",
                "add a location with stub_status and a listener on 127.0.0.1 to have them",
            ),
            None => Verdict::idle(
                "served over TLS or the PROXY protocol only, which the agent does not speak",
                "add a plain listener such as listen 127.0.0.1:8080 to its server",
            ),
        }
    }
}

fn of_log(log: &Tried) -> Verdict {
    let path = log.path.display();
    match &log.opened {
        Ok(formats) if formats.is_empty() => Verdict::ok(path.to_string()),
        Ok(formats) => Verdict::ok(format!("{path}, format {}", formats.join(" or "))),
        Err(error @ OpenError::NotAFile { .. }) => Verdict::idle(error.to_string(), BESIDE),
        Err(error @ OpenError::Denied { .. }) => Verdict::bad(error.to_string(), READ),
        Err(error) => Verdict::bad(
            error.to_string(),
            "the agent tries on and reads it when it can",
        ),
    }
}

/// With no nginx to try it on: whether files can be opened in a process's root at all.
fn without_nginx(stem: Stem) -> Verdict {
    let source = source::ALL.iter().find(|source| source.stem == stem);
    let own = Root::of_process(Path::new("/proc"), std::process::id());
    match own.and_then(|root| root.open(Path::new("/")).map(drop)) {
        Ok(()) => source.map_or_else(|| Verdict::ok(""), of_capabilities),
        Err(error) => Verdict::bad(format!("/proc/PID/root cannot be used: {error}"), READ),
    }
}

fn of_capabilities(source: &Source) -> Verdict {
    if source::missing_capabilities(source.needs).is_empty() {
        Verdict::ok("no nginx runs to try it on")
    } else {
        source::without(source.needs)
    }
}
