//! Reading the kernel's own structures, at offsets that the agent found in BTF.

use aya_ebpf::helpers::bpf_probe_read_kernel;
use nginx_probe_ebpf::layout::{ABSENT, WORDS};

/// Filled in by the agent before the programs are loaded; the verifier sees constants.
#[unsafe(no_mangle)]
static LAYOUT: [u32; WORDS] = [ABSENT; WORDS];

/// A word of the layout, or [`ABSENT`].
#[inline]
pub fn layout(index: usize) -> u32 {
    // SAFETY: `LAYOUT` is a static of `WORDS` words and every index is a constant below that. The
    // read is volatile because the value in this object is not the one at run time.
    unsafe { core::ptr::read_volatile(LAYOUT.as_ptr().add(index)) }
}

/// A pointer into kernel memory that is followed with checked reads only.
#[derive(Clone, Copy)]
pub struct Pointer(pub u64);

impl Pointer {
    /// Reads the member whose offset the layout has at `index`; the error is the kernel's.
    #[inline]
    pub fn read<T>(self, index: usize) -> Result<T, i32> {
        self.read_at(layout(index))
    }

    /// Reads at a byte offset.
    #[inline]
    pub fn read_at<T>(self, offset: u32) -> Result<T, i32> {
        // SAFETY: the helper checks the address and fails instead of faulting.
        unsafe { bpf_probe_read_kernel((self.0 + u64::from(offset)) as *const T) }
    }

    /// Reads a member that is itself a pointer.
    #[inline]
    pub fn follow(self, index: usize) -> Result<Self, i32> {
        self.read(index).map(Self)
    }
}
