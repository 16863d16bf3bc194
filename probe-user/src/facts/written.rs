//! What facts have that records leave out: both are written by the same types, and a record is what
//! a user depends on.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Crash, StackFrame};

/// A call of a crash, whole; a record has it as one text.
#[derive(Serialize, Deserialize)]
struct Frame<'a> {
    address: u64,
    module: Option<Cow<'a, str>>,
    offset: Option<u64>,
    symbol: Option<Cow<'a, str>>,
    guessed: bool,
}

impl<'a> From<&'a StackFrame> for Frame<'a> {
    fn from(frame: &'a StackFrame) -> Self {
        Self {
            address: frame.address,
            module: frame.module.as_deref().map(Cow::Borrowed),
            offset: frame.offset,
            symbol: frame.symbol.as_deref().map(Cow::Borrowed),
            guessed: frame.guessed,
        }
    }
}

impl From<Frame<'_>> for StackFrame {
    fn from(frame: Frame<'_>) -> Self {
        Self {
            address: frame.address,
            module: frame.module.map(Cow::into_owned),
            offset: frame.offset,
            symbol: frame.symbol.map(Cow::into_owned),
            guessed: frame.guessed,
        }
    }
}

fn frames(crash: Option<&Crash>) -> Vec<Frame<'_>> {
    let frames = crash.into_iter().flat_map(|crash| &crash.stack);
    frames.map(Frame::from).collect()
}

fn put_back(crash: &mut Option<Crash>, frames: Vec<Frame<'_>>) {
    if let Some(crash) = crash {
        crash.stack = frames.into_iter().map(StackFrame::from).collect();
    }
}

/// For `with`: the end of a worker.
pub(super) mod worker_exit {
    use super::{
        super::WorkerExit, Deserialize, Deserializer, Frame, Serialize, Serializer, frames,
        put_back,
    };

    #[derive(Serialize)]
    struct Borrowed<'a> {
        exit: &'a WorkerExit,
        by_master: bool,
        with_master: bool,
        frames: Vec<Frame<'a>>,
    }

    #[derive(Deserialize)]
    struct Owned {
        exit: Box<WorkerExit>,
        by_master: bool,
        #[serde(default)]
        with_master: bool,
        frames: Vec<Frame<'static>>,
    }

    #[allow(clippy::borrowed_box, reason = "serde gives it so")]
    pub(in super::super) fn serialize<S: Serializer>(
        exit: &Box<WorkerExit>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let whole = Borrowed {
            exit,
            by_master: exit.by_master,
            with_master: exit.with_master,
            frames: frames(exit.crash.as_ref()),
        };
        whole.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Box<WorkerExit>, D::Error> {
        let whole = Owned::deserialize(deserializer)?;
        let mut exit = whole.exit;
        exit.by_master = whole.by_master;
        exit.with_master = whole.with_master;
        put_back(&mut exit.crash, whole.frames);
        Ok(exit)
    }
}

/// For `with`: the end of a process behind nginx.
pub(super) mod backend_exit {
    use std::sync::Arc;

    use super::{Deserialize, Deserializer, Frame, Serialize, Serializer, frames, put_back};
    use crate::backends::BackendExit;

    #[derive(Serialize)]
    struct Borrowed<'a> {
        exit: &'a BackendExit,
        keys: &'a [Arc<str>],
        leader: bool,
        frames: Vec<Frame<'a>>,
    }

    #[derive(Deserialize)]
    struct Owned {
        exit: Box<BackendExit>,
        keys: Vec<Arc<str>>,
        leader: bool,
        frames: Vec<Frame<'static>>,
    }

    #[allow(clippy::borrowed_box, reason = "serde gives it so")]
    pub(in super::super) fn serialize<S: Serializer>(
        exit: &Box<BackendExit>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let whole = Borrowed {
            exit,
            keys: &exit.keys,
            leader: exit.leader,
            frames: frames(exit.crash.as_ref()),
        };
        whole.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Box<BackendExit>, D::Error> {
        let whole = Owned::deserialize(deserializer)?;
        let mut exit = whole.exit;
        (exit.keys, exit.leader) = (whole.keys, whole.leader);
        put_back(&mut exit.crash, whole.frames);
        Ok(exit)
    }
}
