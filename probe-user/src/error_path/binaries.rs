//! The nginx binaries that run, each with the programs attached once.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::Arc,
};

use crate::{
    config,
    crash::function_offsets,
    kernel::{
        EntryError, EntryLink, Kernel,
        programs::{ANSWER, LOG},
    },
    sinks::printable::printable,
};

const ANSWERS: &str = "ngx_http_special_response_handler";
const LOGS: &str = "ngx_log_error_core";

/// `OVERLAYFS_SUPER_MAGIC`.
const OVERLAYFS: i64 = 0x794c_7630;
/// Binaries that are watched at once; more than this are not run on one host.
const MAX_BINARIES: usize = 256;

/// Which file a binary is. The layers of two containers' overlays are one file to the kernel, which
/// would run a program twice that is attached through both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Identity {
    device: Option<u64>,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// A binary with its programs.
struct Binary {
    offsets: [Option<u64>; 2],
    file: File,
    answers: Option<EntryLink>,
    logs: Option<EntryLink>,
    /// Why attaching to a function failed, which is not tried again as long as a master runs the
    /// binary: the reason stands until then.
    refused: Option<(&'static str, Arc<EntryError>)>,
}

/// Every binary of a master that runs.
#[derive(Default)]
pub struct Binaries {
    attached: HashMap<Identity, Binary>,
}

/// What became of one master's binary.
#[derive(Debug, Default)]
pub struct Found {
    /// Its path, as its processes see it.
    pub path: String,
    /// Answers that nginx makes itself are seen.
    pub answers: bool,
    /// Messages for its error log are seen.
    pub logs: bool,
    /// What is missing, and why.
    pub missing: Vec<Missing>,
}

/// Why something cannot be seen of a binary.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Missing {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(Arc<io::Error>),
    /// It does not name the function.
    #[error("it names no function {0}")]
    NoSymbol(&'static str),
    /// The kernel refused.
    #[error("{0} cannot be attached to: {1}")]
    Refused(&'static str, Arc<EntryError>),
    /// The log would be a hot path.
    #[error("messages are not looked at, for an error_log of level {0} makes them frequent")]
    Talkative(String),
    /// Whether it would be is not known.
    #[error("messages are not looked at, for the level of error_log is not known")]
    LevelUnknown,
}

impl Missing {
    /// Why the log's function is better left alone: nginx calls it for enabled levels only, and
    /// `info` and `debug` are a matter of every connection.
    #[must_use]
    pub fn of(config: Option<&config::Master>) -> Option<Self> {
        let Some(config) = config else {
            return Some(Self::LevelUnknown);
        };
        let talkative = |level: &str| level == "info" || level.starts_with("debug");
        let logs = config.settings.error_logs.iter();
        logs.map(|log| &log.level)
            .find(|level| talkative(level))
            .map(|level| Self::Talkative(level.clone()))
    }

    /// Chosen so, and nothing that is wrong.
    #[must_use]
    pub const fn is_choice(&self) -> bool {
        matches!(self, Self::Talkative(_))
    }

    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "run as root or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH",
            Self::NoSymbol(_) => {
                "nothing to do: this build of nginx does not name its functions; the rest goes on \
                 without them"
            }
            Self::Refused(_, error) => error.fix(),
            Self::Talkative(_) => {
                "an error_log at level notice or worse has its messages looked at"
            }
            Self::LevelUnknown => "make its configuration readable for the agent: see config",
        }
    }
}

impl Binaries {
    /// Attaches the programs to the binaries of these masters, and detaches them from those that
    /// none of them runs any more. With each master why its messages are [better left
    /// alone](Missing::of). Call it when masters or their configurations changed.
    pub fn follow(
        &mut self,
        kernel: &mut Kernel,
        proc_root: &Path,
        masters: Vec<(u32, Option<Missing>)>,
    ) -> BTreeMap<u32, Found> {
        let mut found = BTreeMap::new();
        // Of two masters with one binary, the one that talks more decides.
        let mut wanted: HashMap<Identity, Vec<(u32, Option<Missing>)>> = HashMap::new();
        for (pid, why) in masters {
            let exe = proc_root.join(pid.to_string()).join("exe");
            let path = std::fs::read_link(&exe).unwrap_or_default();
            let mut one = Found {
                path: printable(path.display()),
                ..Found::default()
            };
            match self.open(&exe) {
                Ok(identity) => wanted.entry(identity).or_default().push((pid, why)),
                Err(error) => one.missing.push(Missing::Unreadable(Arc::new(error))),
            }
            found.insert(pid, one);
        }
        for (identity, users) in &mut wanted {
            let quiet = users.iter().all(|(_, why)| why.is_none());
            let Some(binary) = self.attached.get_mut(identity) else {
                continue;
            };
            binary.attach(kernel, quiet);
            for (pid, why) in users {
                let Some(one) = found.get_mut(pid) else {
                    continue;
                };
                one.answers = binary.answers.is_some();
                one.logs = binary.logs.is_some();
                one.missing.extend(binary.missing());
                one.missing.extend(why.take());
            }
        }
        let gone: Vec<_> = self
            .attached
            .extract_if(|identity, _| !wanted.contains_key(identity))
            .collect();
        for (_, mut binary) in gone {
            let links = [binary.answers.take(), binary.logs.take()];
            for link in links.into_iter().flatten() {
                kernel.detach_entry(link);
            }
        }
        found
    }

    /// Opens a binary, unless it is known; which one it is.
    fn open(&mut self, exe: &Path) -> io::Result<Identity> {
        // The file itself, deleted or replaced or in another mount namespace.
        let file = File::open(exe)?;
        let identity = Identity::of(&file)?;
        if !self.attached.contains_key(&identity) {
            if self.attached.len() >= MAX_BINARIES {
                return Err(io::Error::other("too many binaries"));
            }
            let offsets = function_offsets(&file, [ANSWERS, LOGS])?;
            let binary = Binary {
                offsets,
                file,
                answers: None,
                logs: None,
                refused: None,
            };
            self.attached.insert(identity, binary);
        }
        Ok(identity)
    }
}

impl Binary {
    /// Attaches what can be, and detaches the log's program where it would be too busy.
    fn attach(&mut self, kernel: &mut Kernel, quiet: bool) {
        if !quiet && let Some(link) = self.logs.take() {
            kernel.detach_entry(link);
        }
        let [answers, logs] = self.offsets;
        let mut attach = |program, function, offset: Option<u64>, link: &mut Option<EntryLink>| {
            let Some(offset) = offset.filter(|_| link.is_none() && self.refused.is_none()) else {
                return;
            };
            match kernel.attach_entry(program, &self.file, offset) {
                Ok(made) => *link = Some(made),
                Err(error) => {
                    log::debug!("{error}");
                    self.refused = Some((function, Arc::new(error)));
                }
            }
        };
        attach(ANSWER, ANSWERS, answers, &mut self.answers);
        if quiet {
            attach(LOG, LOGS, logs, &mut self.logs);
        }
    }

    /// What is missing of it, as it is now, whenever it was found out.
    fn missing(&self) -> impl Iterator<Item = Missing> {
        let functions = self.offsets.iter().zip([ANSWERS, LOGS]);
        let unnamed = functions.filter(|(offset, _)| offset.is_none());
        let refused = self.refused.as_ref();
        unnamed
            .map(|(_, function)| Missing::NoSymbol(function))
            .chain(refused.map(|(function, error)| Missing::Refused(function, Arc::clone(error))))
    }
}

impl Identity {
    fn of(file: &File) -> io::Result<Self> {
        let meta = file.metadata()?;
        let overlay = rustix::fs::fstatfs(file).is_ok_and(|fs| fs.f_type == OVERLAYFS);
        Ok(Self {
            device: (!overlay).then(|| meta.dev()),
            inode: meta.ino(),
            size: meta.size(),
            changed: (meta.mtime(), meta.mtime_nsec()),
        })
    }
}
