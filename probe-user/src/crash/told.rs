//! What is told of a crash.

use nginx_probe_ebpf::record;

use super::Frame;
use crate::{
    facts::{Crash, StackFrame},
    signals,
};

/// The crash that a record tells of, and whose stack was resolved to these frames.
#[must_use]
pub fn told(record: &record::CrashView<'_>, frames: Vec<Frame>) -> Crash {
    let first = frames.first();
    Crash {
        address: has_address(record).then(|| format!("{:#x}", record.address)),
        module: first.and_then(|frame| frame.module.clone()),
        offset: first
            .and_then(|frame| frame.offset)
            .map(|offset| format!("{offset:#x}")),
        symbol: first.and_then(|frame| function(frame.symbol.as_deref()?)),
        stack: frames.into_iter().map(stack_frame).collect(),
    }
}

/// Whether the signal tells which address the process could not reach. Of one that no process can
/// have (a non-canonical one on x86) the kernel tells nothing, and says `SI_KERNEL`.
fn has_address(record: &record::CrashView<'_>) -> bool {
    const SI_KERNEL: i32 = 0x80;
    matches!(record.signal, signals::SEGV | signals::BUS)
        && record.code > 0
        && record.code != SI_KERNEL
}

/// The function of `function+0xdistance`.
fn function(symbol: &str) -> Option<String> {
    let (function, _distance) = symbol.rsplit_once("+0x").unwrap_or((symbol, ""));
    Some(function.to_owned()).filter(|function| !function.is_empty())
}

fn stack_frame(frame: Frame) -> StackFrame {
    let Frame {
        address,
        module,
        offset,
        symbol,
        guessed,
    } = frame;
    StackFrame {
        address,
        module,
        offset,
        symbol,
        guessed,
    }
}
