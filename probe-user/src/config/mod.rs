//! nginx's configuration, read as nginx itself would read it.
//!
//! [`Master::of_process`] goes the whole way from a master's process id to its [`Settings`]. A
//! fuller model hangs on [`read::walk`], which gives every directive with the blocks around it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub mod binary;
mod include;
pub mod invocation;
pub mod lexer;
pub mod logs;
mod lua;
pub mod read;
pub mod settings;

pub use binary::Build;
pub use invocation::{Invocation, Role};
pub use logs::{AccessLog, ErrorLog, LogTarget};
pub use settings::{Settings, WorkerProcesses};

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
        let invocation = Invocation::of_title(&title);
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
        let mut settings = Settings::read(&root, &build, &invocation, &working_folder);
        settings.warnings.append(&mut warnings);
        Ok(Self {
            root: Arc::new(root),
            build,
            invocation,
            settings,
        })
    }
}

/// A word of the configuration as a path; it need not be UTF-8.
fn path_of(word: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(word))
}
