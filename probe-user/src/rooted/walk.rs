//! A lookup that stays inside a root folder by walking, for where `openat2` is refused.
//!
//! Sandboxes refuse `openat2`, because a filter of system calls cannot see its flags. The walk does what
//! the kernel does for `RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS`: it opens one name after the other and
//! never has the kernel follow a link or a `..`. Links are read and resolved here; `..` goes back to the
//! descriptor from which the present folder was reached, so a folder that is moved meanwhile leads
//! nowhere else. The result and the error are those of `openat2`, but for a path that is deeper than
//! [`MAX_DEPTH`] and for links of other file systems than procfs that lead elsewhere than their text says.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::{OsStrExt as _, OsStringExt as _},
    },
    path::Path,
};

use rustix::{
    fs::{FileType, Mode, OFlags, fstat, fstatfs, openat, readlinkat},
    io::{Errno, Result},
    process::geteuid,
};

/// Links that are followed in one lookup: `MAXSYMLINKS` of the kernel.
const MAX_LINKS: usize = 40;
/// The longest path and its end: `PATH_MAX`.
const MAX_PATH: usize = 4096;
/// Folders below the root that are open at the same time.
const MAX_DEPTH: usize = 256;
/// How often a name is looked at again that was exchanged between two looks.
const MAX_RACES: usize = 32;
/// `PROC_SUPER_MAGIC`.
const PROCFS: i64 = 0x9fa0;
/// `PROC_ROOT_INO`: the top folder of every procfs.
const PROCFS_TOP: u64 = 1;
/// `ST_NOSYMFOLLOW`: the file system is mounted so that its links are not followed.
const NOSYMFOLLOW: i64 = 0x2000;
const PROTECTED_LINKS: &str = "/proc/sys/fs/protected_symlinks";

/// Opens `path` below `root` with `flags`.
///
/// # Errors
/// Those of `openat2`, and `ENAMETOOLONG` for a path that goes too deep.
pub(super) fn open(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() {
        return Err(Errno::NOENT);
    }
    if bytes.len() >= MAX_PATH {
        return Err(Errno::NAMETOOLONG);
    }
    if bytes.contains(&0) {
        return Err(Errno::INVAL);
    }
    let mut walk = Walk {
        root,
        folders: Vec::new(),
        ahead: Vec::new(),
        links: 0,
        follow: !flags.contains(OFlags::NOFOLLOW),
        flags: flags | OFlags::CLOEXEC | OFlags::NOFOLLOW,
    };
    walk.take(bytes);
    walk.run()
}

struct Walk<'a> {
    root: BorrowedFd<'a>,
    /// The folders from the root to the present one, without the root.
    folders: Vec<OwnedFd>,
    /// The names that are still to be walked, the next one last.
    ahead: Vec<Name>,
    links: usize,
    /// Whether a link at the end of the path is followed.
    follow: bool,
    /// How the end of the path is opened; a link there never is.
    flags: OFlags,
}

struct Name {
    text: OsString,
    /// A slash follows.
    slash: bool,
}

/// What is at a name.
enum Entry {
    Opened(OwnedFd),
    /// A link, opened as such.
    Link(OwnedFd),
}

impl Walk<'_> {
    fn run(mut self) -> Result<OwnedFd> {
        while let Some(name) = self.ahead.pop() {
            match (name.text.as_bytes(), self.ahead.is_empty()) {
                (b".", _) => self.may_search()?,
                (b"..", _) => {
                    self.may_search()?;
                    self.folders.pop();
                }
                (_, false) => self.enter(&name.text)?,
                (_, true) => {
                    if let Some(found) = self.end(&name)? {
                        return Ok(found);
                    }
                }
            }
        }
        // The path ends with `/`, `.`, `..`, or a link to one of these.
        openat(self.here(), ".", self.flags, Mode::empty())
    }

    fn here(&self) -> BorrowedFd<'_> {
        self.folders.last().map_or(self.root, AsFd::as_fd)
    }

    /// Puts the names of a path before those that are still to be walked.
    fn take(&mut self, path: &[u8]) {
        if path.first() == Some(&b'/') {
            self.folders.clear();
        }
        let before = self.ahead.len();
        let mut rest = path;
        while !rest.is_empty() {
            let end = rest.iter().position(|&byte| byte == b'/');
            let (text, after) = end.map_or((rest, &[][..]), |at| rest.split_at(at));
            if !text.is_empty() {
                self.ahead.push(Name {
                    text: OsStr::from_bytes(text).to_owned(),
                    slash: end.is_some(),
                });
            }
            rest = after.get(1..).unwrap_or_default();
        }
        if let Some(new) = self.ahead.get_mut(before..) {
            new.reverse();
        }
    }

    /// Whether names may be looked up in the present folder: the kernel asks before `.` and `..` too.
    fn may_search(&self) -> Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(self.here(), ".", flags, Mode::empty()).map(drop)
    }

    /// Goes into the folder, or along the link, that is called `name`.
    fn enter(&mut self, name: &OsStr) -> Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match self.look(name, flags)? {
            Entry::Opened(folder) if self.folders.len() < MAX_DEPTH => {
                self.folders.push(folder);
                Ok(())
            }
            Entry::Opened(_) => Err(Errno::NAMETOOLONG),
            Entry::Link(link) => self.follow(&link, false),
        }
    }

    /// Opens what the path ends with, unless that is a link to be followed.
    fn end(&mut self, name: &Name) -> Result<Option<OwnedFd>> {
        if name.slash {
            self.follow = true;
            self.flags |= OFlags::DIRECTORY;
        }
        match self.look(&name.text, self.flags)? {
            Entry::Opened(found) => Ok(Some(found)),
            Entry::Link(link) if self.follow => self.follow(&link, true).map(|()| None),
            Entry::Link(_) if self.flags.contains(OFlags::DIRECTORY) => Err(Errno::NOTDIR),
            Entry::Link(link) if self.flags.contains(OFlags::PATH) => Ok(Some(link)),
            Entry::Link(_) => Err(Errno::LOOP),
        }
    }

    /// Opens `name` in the present folder with `flags`, or tells that it is a link.
    fn look(&self, name: &OsStr, flags: OFlags) -> Result<Entry> {
        let link = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for _ in 0..MAX_RACES {
            let refused = match openat(self.here(), name, flags, Mode::empty()) {
                Ok(found) if flags.contains(OFlags::PATH) => {
                    return Ok(if is_link(&found)? {
                        Entry::Link(found)
                    } else {
                        Entry::Opened(found)
                    });
                }
                Ok(found) => return Ok(Entry::Opened(found)),
                Err(Errno::INTR | Errno::AGAIN) => continue,
                Err(errno @ (Errno::LOOP | Errno::NOTDIR)) => errno,
                Err(errno) => return Err(errno),
            };
            let found = openat(self.here(), name, link, Mode::empty())?;
            if is_link(&found)? {
                return Ok(Entry::Link(found));
            }
            if refused == Errno::NOTDIR && kind(&found)? != FileType::Directory {
                return Err(refused);
            }
            // It was exchanged in between.
        }
        Err(Errno::AGAIN)
    }

    /// Goes on where a link of the present folder leads; `trailing` when nothing follows it in the path.
    fn follow(&mut self, link: &OwnedFd, trailing: bool) -> Result<()> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::LOOP);
        }
        if trailing {
            self.may_follow(link)?;
        }
        let system = fstatfs(link)?;
        if system.f_flags & NOSYMFOLLOW != 0 {
            return Err(Errno::LOOP);
        }
        // The kernel asks here too whether this process may be looked at.
        let target = readlinkat(link, "", Vec::new())?.into_bytes();
        // Links of a process lead to what it has open; the ordinary ones of procfs stand at its top.
        if system.f_type == PROCFS && fstat(self.here())?.st_ino != PROCFS_TOP {
            return Err(Errno::LOOP);
        }
        if target.len() >= MAX_PATH {
            return Err(Errno::NAMETOOLONG);
        }
        self.take(OsString::from_vec(target).as_bytes());
        Ok(())
    }

    /// The rule of `fs.protected_symlinks`: in a folder like `/tmp` only a link of one's own, or of the
    /// folder's owner, is followed.
    fn may_follow(&self, link: &OwnedFd) -> Result<()> {
        let folder = fstat(self.here())?;
        let shared = Mode::SVTX | Mode::WOTH;
        if !Mode::from_raw_mode(folder.st_mode).contains(shared) {
            return Ok(());
        }
        let owner = fstat(link)?.st_uid;
        let trusted = owner == folder.st_uid || owner == geteuid().as_raw();
        if trusted || fs::read(PROTECTED_LINKS).is_ok_and(|text| text.starts_with(b"0")) {
            return Ok(());
        }
        Err(Errno::ACCESS)
    }
}

fn kind(found: &OwnedFd) -> Result<FileType> {
    fstat(found).map(|stat| FileType::from_raw_mode(stat.st_mode))
}

fn is_link(found: &OwnedFd) -> Result<bool> {
    kind(found).map(|kind| kind == FileType::Symlink)
}
