//! Reading a process's own memory and the registers of its system call.

use aya_ebpf::helpers::{bpf_probe_read_user, generated};
use nginx_probe_ebpf::layout::index;

use crate::kernel::layout;

/// The registers of a system call that returns.
#[derive(Clone, Copy)]
pub struct Registers(*const u64);

impl Registers {
    /// `regs` is the tracepoint's own pointer.
    #[inline]
    pub const fn new(regs: *const u64) -> Self {
        Self(regs)
    }

    /// Those of the system call that the running thread is in.
    #[inline]
    pub fn of_current() -> Self {
        // SAFETY: neither helper fails; the verifier knows the types behind both pointers.
        unsafe {
            let task = generated::bpf_get_current_task_btf();
            Self(generated::bpf_task_pt_regs(task) as *const u64)
        }
    }

    /// The system call's number.
    #[inline]
    pub fn call(self) -> u32 {
        // SAFETY: the verifier knows the type behind the pointer, and the layout is a constant.
        unsafe {
            self.0
                .byte_add(layout(index::REGS_CALL) as usize)
                .cast::<u32>()
                .read()
        }
    }

    /// An argument of it, by its word of the layout.
    #[inline]
    pub fn argument(self, index: usize) -> u64 {
        // SAFETY: as above.
        unsafe { self.0.byte_add(layout(index) as usize).read() }
    }

    /// The first argument as a descriptor.
    #[inline]
    pub fn descriptor(self) -> u32 {
        self.argument(index::REGS_ARG0) as u32
    }
}

/// Reads a value of the running process; the error is the kernel's.
#[inline]
pub fn read<T>(address: u64) -> Result<T, i32> {
    // SAFETY: the helper checks the address and fails instead of faulting.
    unsafe { bpf_probe_read_user(address as *const T) }
}

/// Copies up to `N` bytes of the running process, `length` of them if that is less.
///
/// # Safety
/// `to` must have room for `N` bytes.
#[inline]
pub unsafe fn copy<const N: usize>(to: *mut [u8; N], address: u64, length: u64) -> i64 {
    // No call gives 4 GiB at once. A verifier before Linux 6.3 that has lost sight of a result's sign
    // must not take it for a negative length here.
    let length = u64::from(length as u32);
    let length = if length > N as u64 { N as u64 } else { length };
    // SAFETY: at most `N` bytes are written, and the helper checks the source.
    unsafe { generated::bpf_probe_read_user(to.cast(), length as u32, address as *const _) }
}

/// `struct iovec`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Piece {
    /// Where the bytes are.
    pub base: u64,
    /// How many.
    pub length: u64,
}
