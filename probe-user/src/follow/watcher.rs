//! Being woken when something happens to a log, instead of looking again and again.
//!
//! A watch costs whoever writes to the file: nginx. So each is for one event: the kernel takes it
//! away with the first one, and while a log is busy it is looked at on a timer and not watched.
//! The folder is not watched either, which would cost every write to every file in it; a file that
//! appears is noticed by a look at its path.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::Follower;

/// Room for some 250 events; what does not fit is read by the next call.
const EVENTS: usize = 4096;

/// One `inotify` descriptor. It is readable when a watched file changed.
#[derive(Debug)]
pub struct Watcher {
    fd: OwnedFd,
}

/// A watch on one file. It is over with the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Watch(i32);

/// What happened since the last [`Watcher::fired`].
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fired {
    /// Watches that are over.
    pub watches: Vec<Watch>,
    /// The kernel dropped events: any watch may be over.
    pub lost: bool,
}

/// Why a file cannot be watched. It can be polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The user's inotify descriptors are used up.
    #[error(
        "the kernel gives no more inotify descriptors; raise fs.inotify.max_user_instances with sysctl"
    )]
    Instances,
    /// The user's watches are used up.
    #[error("the kernel watches no more files; raise fs.inotify.max_user_watches with sysctl")]
    Watches,
    /// There is no open file.
    #[error("there is no file to be watched")]
    NoFile,
    /// Anything else.
    #[error("the kernel refused to watch it ({0})")]
    Other(Errno),
}

impl Watcher {
    /// A watcher that watches nothing yet.
    ///
    /// # Errors
    /// [`Refused::Instances`], or a kernel without inotify.
    pub fn new() -> Result<Self, Refused> {
        match inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC) {
            Ok(fd) => Ok(Self { fd }),
            Err(Errno::MFILE) => Err(Refused::Instances),
            Err(errno) => Err(Refused::Other(errno)),
        }
    }

    /// Watches the file that `follower` has open, wherever it is mounted. A file that is watched
    /// already gives the same [`Watch`].
    ///
    /// What happened before is not told: read, arm, and then look whether there is more.
    ///
    /// # Errors
    /// [`Refused`] tells apart what an operator can do about it.
    pub fn arm(&self, follower: &Follower) -> Result<Watch, Refused> {
        let file = follower.file().ok_or(Refused::NoFile)?;
        // The open file itself: its path may mean another file, or nothing, out here.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let flags = WatchFlags::MODIFY
            | WatchFlags::ATTRIB
            | WatchFlags::MOVE_SELF
            | WatchFlags::DELETE_SELF
            | WatchFlags::ONESHOT;
        match inotify::add_watch(&self.fd, path, flags) {
            Ok(watch) => Ok(Watch(watch)),
            Err(Errno::NOSPC | Errno::NOMEM) => Err(Refused::Watches),
            Err(errno) => Err(Refused::Other(errno)),
        }
    }

    /// Ends a watch that may be over already.
    pub fn disarm(&self, watch: Watch) {
        let _ = inotify::remove_watch(&self.fd, watch.0);
    }

    /// The watches that are over, without waiting.
    #[must_use]
    pub fn fired(&self) -> Fired {
        let mut fired = Fired::default();
        let mut buffer = [MaybeUninit::uninit(); EVENTS];
        let mut events = inotify::Reader::new(&self.fd, &mut buffer);
        loop {
            match events.next() {
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => {
                    fired.lost = true;
                }
                // A watch that is over by itself is told twice, one that was ended once.
                Ok(event) => fired.watches.push(Watch(event.wd())),
                Err(Errno::INTR) => {}
                Err(_) => return fired,
            }
        }
    }

    /// Waits without tokio until a watch fired; `false` when `limit` passed first.
    ///
    /// # Errors
    /// Those of `poll`, other than an interruption, which is `false` too.
    pub fn wait(&self, limit: std::time::Duration) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        let limit = Timespec::try_from(limit).ok();
        match poll(&mut fds, limit.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Watcher {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
