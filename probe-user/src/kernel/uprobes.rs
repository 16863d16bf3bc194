//! Attaching a program to the entry of a function in a file, and detaching it.

use std::{fs::File, os::fd::AsRawFd as _, path::PathBuf};

use aya::programs::{
    ProgramError, UProbe,
    uprobe::{UProbeLinkId, UProbeScope},
};

use super::Kernel;

/// A program that runs at the entry of a function.
#[derive(Debug)]
pub struct EntryLink {
    program: &'static str,
    id: UProbeLinkId,
}

impl Kernel {
    /// Attaches a program to the function that begins at `offset` of `file`, in every process that
    /// runs it now or later. The descriptor of the file need not stay open.
    ///
    /// # Errors
    /// When the kernel refuses, as for a file that is not on a real file system.
    pub fn attach_entry(
        &mut self,
        program: &'static str,
        file: &File,
        offset: u64,
    ) -> Result<EntryLink, ProgramError> {
        // The very file, whatever became of its name and whichever mount namespace has it.
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let entry = self.entry(program)?;
        if entry.fd().is_err() {
            entry.load()?;
        }
        let id = entry.attach(offset, path, UProbeScope::AllProcesses)?;
        Ok(EntryLink { program, id })
    }

    /// Detaches it.
    pub fn detach_entry(&mut self, link: EntryLink) {
        let detached = self
            .entry(link.program)
            .and_then(|program| program.detach(link.id));
        if let Err(error) = detached {
            log::debug!("cannot detach {}: {error}", link.program);
        }
    }

    fn entry(&mut self, program: &str) -> Result<&mut UProbe, ProgramError> {
        self.program_mut(program)
            .ok_or_else(|| ProgramError::InvalidName {
                name: program.to_owned(),
            })?
            .try_into()
    }
}
