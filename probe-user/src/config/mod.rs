//! nginx's configuration, read as nginx itself would read it.
//!
//! [`Master::of_process`] goes the whole way from a master's process id to its [`Settings`].
//! [`read::walk`] gives every directive with the blocks around it, `collect` builds the model out of
//! them, [`effective`] applies nginx's inheritance.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub mod binary;
mod collect;
pub mod command;
pub mod effective;
pub mod error_page;
mod include;
pub mod invocation;
pub mod lexer;
pub mod listen;
pub mod location;
pub mod log_format;
pub mod logs;
mod lua;
pub mod pass;
mod pool;
pub mod process;
pub mod read;
pub mod server;
pub mod settings;
pub mod sockets;
pub mod stub_status;
mod units;
pub mod upstream;

pub use binary::Build;
pub use command::Command;
pub use effective::Effective;
pub use invocation::{Invocation, Role};
pub use log_format::LogFormat;
pub use logs::{AccessLog, ErrorLog, LogTarget};
pub use process::WorkerProcesses;
pub use settings::{ReadableLog, Settings};
pub use stub_status::StubStatus;

use crate::rooted::Root;

/// How much of a process title is read, in bytes.
const MAX_TITLE: u64 = 256 * 1024;

/// A running master: its files, its binary and its configuration.
#[derive(Debug)]
pub struct Master {
    /// Its root folder, in which every path of the settings is meant.
    pub root: Arc<Root>,
    /// What its binary says.
    pub build: Build,
    /// What its command line says.
    pub invocation: Invocation,
    /// What its configuration says.
    pub settings: Settings,
}

impl Master {
    /// Looks at process `pid` through the proc file system at `proc_root`.
    ///
    /// A binary or working folder that cannot be read gives nginx's defaults and a warning. The
    /// caller sees to it that `pid` is still the same process afterwards.
    ///
    /// # Errors
    /// The process is gone, or the agent may not look at it.
    pub fn of_process(proc_root: &Path, pid: u32) -> io::Result<Self> {
        let folder = proc_root.join(pid.to_string());
        let mut title = Vec::new();
        File::open(folder.join("cmdline"))?
            .take(MAX_TITLE)
            .read_to_end(&mut title)?;
        let root = Root::of_process(proc_root, pid)?;
        let mut invocation = Invocation::of_title(&title);
        let mut warnings = Vec::new();
        let build = Build::of_process(proc_root, pid).unwrap_or_else(|error| {
            warnings.push(format!(
                "the binary of process {pid} could not be read: {error}"
            ));
            Build::default()
        });
        let working_folder = std::fs::read_link(folder.join("cwd")).unwrap_or_else(|error| {
            warnings.push(format!(
                "the working folder of process {pid} is unknown: {error}"
            ));
            PathBuf::from("/")
        });
        invocation.uid = user_of(&folder).unwrap_or_else(|| {
            warnings.push(format!("the user of process {pid} is unknown"));
            0
        });
        let mut settings = Settings::read(&root, &build, &invocation, &working_folder);
        // Where the defaults of another build, or of another folder, may be wrong.
        settings.unread += warnings.len();
        settings.warnings.append(&mut warnings);
        Ok(Self {
            root: Arc::new(root),
            build,
            invocation,
            settings,
        })
    }
}

/// The real user of the process in this folder of `/proc`, as its own user namespace numbers it.
fn user_of(folder: &Path) -> Option<u32> {
    let read = |name: &str| {
        let mut text = String::new();
        let file = File::open(folder.join(name)).ok()?;
        file.take(MAX_TITLE).read_to_string(&mut text).ok()?;
        Some(text)
    };
    let status = read("status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let uid: u32 = line.split_ascii_whitespace().next()?.parse().ok()?;
    // Each line: the first user inside, the same one as we see it, how many follow.
    let map = read("uid_map")?;
    map.lines().find_map(|line| {
        let mut numbers = line
            .split_ascii_whitespace()
            .map(|word| word.parse::<u32>().ok());
        let (inside, outside, count) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let place = uid.checked_sub(outside).filter(|&place| place < count)?;
        inside.checked_add(place)
    })
}

/// A word of the configuration as a path; it need not be UTF-8.
fn path_of(word: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(word))
}
