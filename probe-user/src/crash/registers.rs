//! Registers and stack of a frame, and what differs between processors.
//!
//! Register numbers and which registers a call keeps are those of the System V ABI's x86-64
//! supplement and of the Arm 64-bit ABI (DWARF and procedure call documents).

use gimli::{Register, Vendor};

/// The registers at a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// Instruction pointer.
    pub ip: u64,
    /// Stack pointer.
    pub sp: u64,
    /// Frame pointer register: rbp or x29, whatever it is used for.
    pub fp: u64,
    /// Link register: x30; not used on x86-64.
    pub lr: u64,
}

/// The processor the agent was built for.
pub(super) struct Arch;

#[cfg(target_arch = "x86_64")]
impl Arch {
    /// Whether stacks can be followed.
    pub(super) const SUPPORTED: bool = true;
    pub(super) const VENDOR: Vendor = Vendor::Default;
    pub(super) const STACK_POINTER: Register = gimli::X86_64::RSP;
    pub(super) const FRAME_POINTER: Register = gimli::X86_64::RBP;
    const LINK: Option<Register> = None;
    /// rbx, rbp, r12 to r15.
    const KEPT: &[u16] = &[3, 6, 12, 13, 14, 15];
}

#[cfg(target_arch = "aarch64")]
impl Arch {
    /// Whether stacks can be followed.
    pub(super) const SUPPORTED: bool = true;
    pub(super) const VENDOR: Vendor = Vendor::AArch64;
    pub(super) const STACK_POINTER: Register = gimli::AArch64::SP;
    pub(super) const FRAME_POINTER: Register = gimli::AArch64::X29;
    const LINK: Option<Register> = Some(gimli::AArch64::X30);
    /// x19 to x29.
    const KEPT: &[u16] = &[19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29];
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
impl Arch {
    /// Whether stacks can be followed.
    pub(super) const SUPPORTED: bool = false;
    pub(super) const VENDOR: Vendor = Vendor::Default;
    pub(super) const STACK_POINTER: Register = Register(0);
    pub(super) const FRAME_POINTER: Register = Register(1);
    const LINK: Option<Register> = None;
    const KEPT: &[u16] = &[];
}

impl Arch {
    /// The return address of a function that has not saved it: on aarch64 it is still in the link
    /// register, which only the innermost frame can have.
    pub(super) fn unsaved_return_address(registers: &RegisterFile, innermost: bool) -> Option<u64> {
        Self::LINK
            .filter(|_| innermost)
            .and_then(|link| registers.get(link))
    }

    /// A return address without the signature that pointer authentication puts in its top bits;
    /// user addresses have 48 bits (52 only for a process that asks for them).
    pub(super) fn strip_signature(address: u64) -> u64 {
        if cfg!(target_arch = "aarch64") {
            address & ((1 << 48) - 1)
        } else {
            address
        }
    }
}

/// The registers of one frame by DWARF number, as far as they are known.
#[derive(Clone, Debug)]
pub(super) struct RegisterFile([Option<u64>; 32]);

impl RegisterFile {
    pub(super) fn new(registers: &Registers) -> Self {
        let mut file = Self::with_stack_pointer(registers.sp);
        file.set(Arch::FRAME_POINTER, Some(registers.fp));
        if let Some(link) = Arch::LINK {
            file.set(link, Some(registers.lr));
        }
        file
    }

    /// Nothing known but the stack pointer.
    pub(super) fn with_stack_pointer(stack_pointer: u64) -> Self {
        let mut file = Self([None; 32]);
        file.set(Arch::STACK_POINTER, Some(stack_pointer));
        file
    }

    pub(super) fn get(&self, register: Register) -> Option<u64> {
        self.0.get(usize::from(register.0)).copied().flatten()
    }

    pub(super) fn set(&mut self, register: Register, value: Option<u64>) {
        if let Some(slot) = self.0.get_mut(usize::from(register.0)) {
            *slot = value;
        }
    }

    /// The registers a call keeps, with the stack pointer the caller has.
    pub(super) fn after_call(&self, stack_pointer: u64) -> Self {
        let mut file = Self::with_stack_pointer(stack_pointer);
        for &number in Arch::KEPT {
            file.set(Register(number), self.get(Register(number)));
        }
        file
    }
}

/// The part of a crashed thread's stack that was saved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stack<'a> {
    /// Address of the first byte.
    pub(super) start: u64,
    pub(super) bytes: &'a [u8],
}

impl Stack<'_> {
    /// The 64-bit word at an address.
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        let offset = usize::try_from(address.checked_sub(self.start)?).ok()?;
        self.bytes
            .get(offset..)?
            .first_chunk()
            .map(|bytes| u64::from_le_bytes(*bytes))
    }
}
