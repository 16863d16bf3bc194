//! Follows a stack frame by frame and names the functions, keeping the files it read for the next
//! crash.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::cache::Modules;
use super::cfi::{Caller, Stop};
use super::elf::Module;
use super::mappings::{Mapping, Mappings};
use super::registers::{Arch, RegisterFile, Registers, Stack};

/// Frames followed.
const MAX_FRAMES: usize = 32;
/// Stack words searched for a return address.
const MAX_SEARCHED: u64 = 1024;
/// Code addresses among them that are tried.
const MAX_TRIED: usize = 64;
/// Callers a found address must have for it to be believed.
const MIN_CALLERS: usize = 3;

/// One frame of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The instruction pointer in the first frame, the return address in the others.
    pub address: u64,
    /// Path of the file the address is in, as the process sees it, without control characters.
    /// Absent for code that is in no file (compiled by a just-in-time compiler) and for a wild jump.
    pub module: Option<String>,
    /// The same address as the file has it, which is what `addr2line` takes. (For the line of the
    /// call itself in a frame other than the first, take one less.)
    pub offset: Option<u64>,
    /// Function and distance, as `ngx_http_core_run_phases+0x5b`, in printable ASCII. Absent when
    /// the file does not name the function: a static one of a stripped file.
    pub symbol: Option<String>,
    /// Found by searching the stack, because the frame before is in code about which nothing is
    /// known; frames between may be missing.
    pub guessed: bool,
}

/// Names stacks, and keeps up to 16 files (12 MiB) for the next time.
#[derive(Debug, Default)]
pub struct Symbolizer {
    modules: Modules,
}

impl Symbolizer {
    /// Makes one that has read nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the frames of a stack, innermost first; at most 32, and always the first.
    ///
    /// `mappings` are those of the crashed process or of its master. `pids` are processes that may
    /// still hold the files, the master first; they are needed for a file not yet kept. `stack` is
    /// memory from the stack pointer on. What cannot be found out is left out.
    ///
    /// Reads files, so it may wait for a disk.
    pub fn resolve(
        &mut self,
        mappings: &Mappings,
        proc_root: &Path,
        pids: &[u32],
        registers: Registers,
        stack: &[u8],
    ) -> Vec<Frame> {
        let stack = Stack {
            start: registers.sp,
            bytes: stack,
        };
        let mut walk = Walk {
            modules: &mut self.modules,
            mappings,
            proc_root,
            pids,
            stack,
        };
        let mut here = Caller {
            address: registers.ip,
            registers: RegisterFile::new(&registers),
            interrupted: true,
        };
        let mut place = walk.locate(&here);
        let mut frames = vec![place.frame(&here, false)];
        while frames.len() < MAX_FRAMES && Arch::SUPPORTED {
            let (next, guessed) = match place.caller(&here, &walk.stack) {
                Ok(caller) => (Some(caller), false),
                Err(Stop::End | Stop::Lost) => (None, false),
                Err(Stop::NoInformation) => match walk.conventional_caller(&here) {
                    Some(caller) => (Some(caller), false),
                    None => (walk.search(&here), true),
                },
            };
            let Some(next) = next else { break };
            here = next;
            place = walk.locate(&here);
            frames.push(place.frame(&here, guessed));
        }
        self.modules.evict();
        frames
    }

    /// Forgets the files no crash has needed for `idle`; zero forgets all.
    pub fn forget_idle(&mut self, idle: Duration) {
        self.modules.forget_idle(idle);
    }

    /// Memory held by the kept files, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.modules.bytes()
    }
}

/// One stack, and where its files are.
struct Walk<'a> {
    modules: &'a mut Modules,
    mappings: &'a Mappings,
    proc_root: &'a Path,
    pids: &'a [u32],
    stack: Stack<'a>,
}

impl<'a> Walk<'a> {
    fn locate(&mut self, here: &Caller) -> Place<'a> {
        let code = here.code();
        let Some(mapping) = self.mappings.find(code) else {
            return Place::default();
        };
        let module = self.modules.get(mapping, self.proc_root, self.pids);
        let file_offset = (code - mapping.start).checked_add(mapping.offset);
        let address = module
            .as_ref()
            .zip(file_offset)
            .and_then(|(m, at)| m.address_of(at));
        Place {
            mapping: Some(mapping),
            module,
            address,
        }
    }

    /// The caller of code about which nothing is known, if it keeps to a convention.
    ///
    /// A call through a bad pointer, or into a small function without a frame of its own, leaves
    /// the return address on top of the stack (x86-64) or in the link register (aarch64). Else
    /// the code may keep a frame pointer.
    fn conventional_caller(&self, here: &Caller) -> Option<Caller> {
        let registers = &here.registers;
        let sp = registers.get(Arch::STACK_POINTER)?;
        if here.interrupted {
            let (address, after) = if cfg!(target_arch = "x86_64") {
                (self.stack.word(sp), sp.checked_add(8)?)
            } else {
                (Arch::unsaved_return_address(registers, true), sp)
            };
            if let Some(address) = address
                .map(Arch::strip_signature)
                .filter(|&a| self.is_code(a))
            {
                let registers = registers.after_call(after);
                return Some(Caller {
                    address,
                    registers,
                    interrupted: false,
                });
            }
        }
        let fp = registers
            .get(Arch::FRAME_POINTER)
            .filter(|&fp| fp >= sp && fp % 8 == 0)?;
        let address = Arch::strip_signature(self.stack.word(fp.checked_add(8)?)?);
        let mut caller = registers.after_call(fp.checked_add(16)?);
        caller.set(Arch::FRAME_POINTER, self.stack.word(fp));
        let caller = Caller {
            address,
            registers: caller,
            interrupted: false,
        };
        self.is_code(address).then_some(caller)
    }

    /// The nearest word of the stack that looks like a return address and has callers itself: the
    /// way out of code that `LuaJIT` compiled, which runs on its interpreter's frame.
    fn search(&mut self, here: &Caller) -> Option<Caller> {
        let start = here
            .registers
            .get(Arch::STACK_POINTER)?
            .checked_next_multiple_of(8)?;
        let mut tried = 0;
        for index in 0..MAX_SEARCHED {
            let slot = start.checked_add(index * 8)?;
            let address = Arch::strip_signature(self.stack.word(slot)?);
            if !self.is_code(address) {
                continue;
            }
            tried += 1;
            if tried > MAX_TRIED {
                break;
            }
            let registers = RegisterFile::with_stack_pointer(slot.checked_add(8)?);
            let found = Caller {
                address,
                registers,
                interrupted: false,
            };
            if self.has_callers(&found) {
                return Some(found);
            }
        }
        None
    }

    fn has_callers(&mut self, frame: &Caller) -> bool {
        let mut here = frame.clone();
        for _ in 0..MIN_CALLERS {
            let place = self.locate(&here);
            match place.caller(&here, &self.stack) {
                Ok(caller) if self.is_code(caller.address) => here = caller,
                _ => return false,
            }
        }
        true
    }

    fn is_code(&self, return_address: u64) -> bool {
        self.mappings
            .find(return_address.saturating_sub(1))
            .is_some()
    }
}

/// Where in which file an address is, as far as known.
#[derive(Default)]
struct Place<'a> {
    mapping: Option<&'a Mapping>,
    module: Option<Arc<Module>>,
    address: Option<u64>,
}

impl Place<'_> {
    fn frame(&self, here: &Caller, guessed: bool) -> Frame {
        let back = u64::from(!here.interrupted);
        let symbol = self
            .module
            .as_ref()
            .zip(self.address)
            .and_then(|(module, address)| {
                let (name, distance) = module.symbols.find(address)?;
                Some(format!("{name}+{:#x}", distance.saturating_add(back)))
            });
        Frame {
            address: here.address,
            module: self.mapping.map(Mapping::display_path),
            offset: self.address.map(|address| address.saturating_add(back)),
            symbol,
            guessed,
        }
    }

    fn caller(&self, here: &Caller, stack: &Stack<'_>) -> Result<Caller, Stop> {
        let cfi = self.module.as_ref().and_then(|module| module.cfi.as_ref());
        let (cfi, address) = cfi.zip(self.address).ok_or(Stop::NoInformation)?;
        cfi.caller(address, &here.registers, stack, here.interrupted)
    }
}
