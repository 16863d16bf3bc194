//! The eBPF programs of nginx-probe, one file per signal.
//!
//! They only look. Each begins with the cheapest test that tells a process of no interest, reads
//! nothing of such a process, and sends no record of it.
#![no_std]
#![no_main]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]
#![allow(
    clippy::needless_pass_by_value,
    reason = "the tracepoint macros hand a program its context by value"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "arguments and helpers give 64-bit registers, of which the tracepoint says what counts"
)]

/// Says something to whoever debugs the programs; nothing without the feature `debug-log`.
macro_rules! explain {
    ($ctx:expr, $($argument:tt)*) => {
        #[cfg(feature = "debug-log")]
        aya_log_ebpf::debug!($ctx, $($argument)*);
        #[cfg(not(feature = "debug-log"))]
        let _ = $ctx;
    };
}

mod accept;
mod backends;
mod errnos;
mod error_path;
mod kernel;
mod lifecycle;
mod oom;
mod requests;
mod ring;
mod seen;
mod signals;
mod sockets;
mod syscalls;
mod tracked;
mod user;
mod workers;

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // Never reached: the verifier refuses a program that could come here.
    loop {}
}

/// Some helpers (`bpf_probe_read_*`, `bpf_task_pt_regs`) may be called by GPL programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
