//! Programs of a watched name that end within moments: tests, `nginx -s`, starts that fail.
//!
//! What one was there for is read as soon as it is seen, since it lives for some milliseconds. Why it
//! failed it tells whoever started it; here it is known by its exit status alone.

use std::{fs, path::PathBuf, sync::Arc};

use super::{Fleet, Track, place::Place, process::Process};
use crate::{
    clock::boot_ns_now,
    config::{self, Build, Settings, command},
    facts::{Event, FailedStart, Instance, Reload, ReloadResult, Task, detail},
    lifecycle::{self, Status},
    rooted::Root,
};

/// A start that takes longer than this is no attempt any more: a name look-up or two fit in.
const LONGEST_NS: u64 = 120_000_000_000;
/// One whose command line could not be read belongs to an instance that ended at most this long ago.
const UNREAD_NS: u64 = 10_000_000_000;
/// Configurations that are read for failed programs within a second: whoever starts more is looping.
const MAX_READ: u32 = 16;

/// What could be read of a program when it began.
#[derive(Debug)]
pub(super) struct Attempt {
    command: config::Command,
    root: Root,
    working_folder: PathBuf,
    place: Place,
    /// When it began to run that program, in nanoseconds since boot.
    began_ns: u64,
    /// The first process started it, which is the service manager.
    by_init: bool,
}

/// By what a program is known to be about an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    /// By its pid file, which no other has.
    PidFile,
    /// By its configuration file alone, which several may be started with.
    File,
}

/// How many configurations were read in the present second.
#[derive(Debug, Default)]
pub(super) struct Budget {
    second: u64,
    read: u32,
}

impl Budget {
    pub(super) fn take(&mut self, now_ns: u64) -> bool {
        let second = now_ns / 1_000_000_000;
        if second != self.second {
            *self = Self { second, read: 0 };
        }
        self.read += 1;
        self.read <= MAX_READ
    }
}

impl Attempt {
    /// What it is there to do.
    pub(super) fn task(&self) -> command::Task {
        self.command.task
    }

    /// What it is told by its configuration, where its binary is that one.
    pub(super) fn settings_by(&self, build: &Build) -> Settings {
        let invocation = &self.command.invocation;
        Settings::read(&self.root, build, invocation, &self.working_folder)
    }

    /// Whether it is about the instance of that master, and by what.
    fn is_of(&self, place: &Place, config: &config::Master) -> Option<Match> {
        if !self.place.may_be_of(place) {
            return None;
        }
        let own = self.settings_by(&config.build);
        let same_file = own.conf_file == config.settings.conf_file;
        let same_pid_file = own.pid_path == config.settings.pid_path;
        match self.command.task {
            command::Task::Serve | command::Task::Test | command::Task::Reload if same_pid_file => {
                Some(Match::PidFile)
            }
            command::Task::Serve | command::Task::Test if same_file => Some(Match::File),
            _ => None,
        }
    }

    /// Whether the service manager of that place ran it. Of tests only what it began itself is one
    /// step of a start: others are run from the same control group by hand, or by scripts.
    fn is_managed(&self, place: &Place) -> bool {
        let by_hand =
            self.command.task == command::Task::Test && !(self.by_init && place.is_unit());
        !by_hand && place.runs_with(&self.place)
    }
}

impl<T: Track> Fleet<T> {
    /// What a program that has just begun is there for; nothing when it has ended already.
    pub(super) fn attempt_of(&self, pid: u32, began_ns: u64) -> Option<Arc<Attempt>> {
        let proc_root = self.proc.root();
        let command = config::Command::of(&self.proc.title(pid)?)?;
        let root = Root::of_process(proc_root, pid).ok()?;
        let place = Place::of(&self.proc, pid, Some(&root));
        let working_folder = fs::read_link(proc_root.join(pid.to_string()).join("cwd"));
        let parent = self.proc.status(pid).map(|status| status.parent);
        Some(Arc::new(Attempt {
            command,
            root,
            working_folder: working_folder.unwrap_or_else(|_| PathBuf::from("/")),
            place,
            began_ns,
            by_init: parent == Some(1),
        }))
    }

    /// A program that never became a master has ended with that status.
    pub(super) fn attempt_ended(
        &mut self,
        pid: u32,
        process: &Process,
        status: Status,
        now_ns: u64,
    ) {
        let began = process.attempt.as_ref().map(|attempt| attempt.began_ns);
        let began_ns = began.unwrap_or(process.started_ns);
        let short = now_ns.saturating_sub(began_ns) <= LONGEST_NS;
        // What somebody ended has not failed.
        let (_, sender) = lifecycle::classify(pid, status, &process.signals, process.oom.is_some());
        if status.exit_code == Some(0) || !short || process.was_master || sender.is_some() {
            return;
        }
        let Some(attempt) = &process.attempt else {
            self.unread_failed(pid, status, now_ns);
            return;
        };
        // Nobody uses up the budget who may say nothing of any nginx.
        let masters = self.masters.values().map(|master| &master.place);
        let mut places = masters.chain(self.ends.values().map(|ended| &ended.place));
        if attempt.command.task == command::Task::Other
            || !places.any(|place| attempt.place.may_be_of(place))
            || !self.budget.take(boot_ns_now())
        {
            return;
        }
        if attempt.command.task == command::Task::Reload {
            let of = self.masters.values().find(|master| {
                let config = master.config.as_ref();
                let is_of = |config| attempt.is_of(&master.place, config).is_some();
                !master.stopping && status.exit_code.is_some() && config.is_some_and(is_of)
            });
            if let Some((instance, generation)) = of.map(|it| (it.instance.clone(), it.generation))
            {
                let reload = Reload {
                    result: ReloadResult::Failed,
                    generation,
                    detail: Some(detail::REFUSED_BEFORE_SIGNAL),
                };
                self.fact(now_ns, &instance, Event::Reload(reload));
            }
            return;
        }
        let Some((instance, managed)) = self.ended_place_of(attempt) else {
            return;
        };
        let task = match attempt.command.task {
            command::Task::Test => Task::Test,
            _ => Task::Serve,
        };
        let failed = failed_start(pid, task, status, managed);
        self.fact(now_ns, &instance, Event::StartFailed(failed));
    }

    /// Which instance without a master, or with one that was told to end, it was to start; and
    /// whether the service manager of that instance ran it.
    fn ended_place_of(&self, attempt: &Attempt) -> Option<(Instance, bool)> {
        let ended = self.ends.iter().map(|(instance, ended)| {
            let config = ended.config.as_ref();
            (instance, &ended.place, config, true)
        });
        let masters = self.masters.values().map(|master| {
            let config = master.config.as_ref();
            (&master.instance, &master.place, config, master.stopping)
        });
        let mut by_file = Vec::new();
        let mut by_pid_file = Vec::new();
        for (instance, place, config, ends) in ended.chain(masters) {
            let found = (instance.clone(), attempt.is_managed(place), ends);
            match config.and_then(|config| attempt.is_of(place, config)) {
                Some(Match::PidFile) => by_pid_file.push(found),
                Some(Match::File) => by_file.push(found),
                None => {}
            }
        }
        by_pid_file.sort_unstable();
        let of = match (&by_pid_file[..], &by_file[..]) {
            // One that serves is not started anew.
            ([], [only]) => Some(only),
            (all, _) if all.iter().all(|(.., ends)| *ends) => all.first(),
            _ => None,
        };
        let (instance, managed, _) = of.filter(|(.., ends)| *ends)?;
        Some((instance.clone(), *managed))
    }

    /// It ended before anybody could read what it was there for. Where a single nginx has just ended
    /// and no other is there, it may well have been to start that one.
    fn unread_failed(&mut self, pid: u32, status: Status, now_ns: u64) {
        if !self.masters.is_empty() {
            return;
        }
        let mut down = self.ends.iter().filter(|(_, ended)| ended.said);
        let (Some((instance, ended)), None) = (down.next(), down.next()) else {
            return;
        };
        if now_ns.saturating_sub(ended.since_ns) > UNREAD_NS {
            return;
        }
        let instance = instance.clone();
        let failed = failed_start(pid, Task::Unknown, status, false);
        self.fact(now_ns, &instance, Event::StartFailed(failed));
    }
}

fn failed_start(pid: u32, task: Task, status: Status, managed: bool) -> FailedStart {
    FailedStart {
        pid,
        task,
        signal: status.signal_name(),
        exit_code: status.exit_code,
        managed,
    }
}
