//! DWARF call frame information: how the caller's registers follow from a function's.
//!
//! Debian builds nginx without frame pointers, so its stacks can only be followed with the
//! `.eh_frame` section. It is a program in an untrusted file: instructions per function and steps
//! per expression are bounded. (That is why ready-made unwinders are not used: those looked at let
//! an expression that jumps backwards run for ever.)

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, EhFrame, Encoding, EndianSlice, Evaluation, EvaluationResult,
    FrameDescriptionEntry, LittleEndian, Location, Register, RegisterRule, UnwindContext,
    UnwindExpression, UnwindSection, Value,
};

use super::registers::{Arch, RegisterFile, Stack};

/// The largest entry (of one function, or of what functions share) followed, in bytes; compilers
/// write up to a few KiB.
const MAX_ENTRY: usize = 64 * 1024;
/// Entries looked at in a file without an index.
const MAX_SCANNED: usize = 500_000;
/// Operations of one expression; compilers write up to about 10.
const MAX_OPERATIONS: u32 = 256;

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Fde<'a> = FrameDescriptionEntry<Slice<'a>>;

/// A section and the address the file gives to it.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) address: u64,
    pub(super) bytes: Vec<u8>,
}

/// The unwind information of one file.
#[derive(Debug)]
pub(super) struct Cfi {
    frames: Section,
    index: Option<Section>,
    bases: BaseAddresses,
}

/// The caller of a frame.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) address: u64,
    pub(super) registers: RegisterFile,
    /// The address is where a signal interrupted, not where a call returns to.
    pub(super) interrupted: bool,
}

impl Caller {
    /// An address in the frame's code: a return address may be the first one behind it.
    pub(super) fn code(&self) -> u64 {
        self.address.saturating_sub(u64::from(!self.interrupted))
    }
}

/// Why a stack was not followed further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The outermost frame was reached.
    End,
    /// The file says nothing about the address.
    NoInformation,
    /// The information cannot be used, or a register or stack word it needs is not known.
    Lost,
}

impl Cfi {
    pub(super) fn new(frames: Section, index: Option<Section>, text: u64, got: u64) -> Self {
        let bases = BaseAddresses::default()
            .set_eh_frame(frames.address)
            .set_text(text)
            .set_got(got);
        Self {
            frames,
            index,
            bases,
        }
    }

    /// Memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.frames.bytes.capacity()
            + self
                .index
                .as_ref()
                .map_or(0, |index| index.bytes.capacity())
    }

    /// Finds the caller of the frame at an address of the file. `innermost` frames may not have
    /// moved the stack pointer yet; all others must move it.
    pub(super) fn caller(
        &self,
        address: u64,
        registers: &RegisterFile,
        stack: &Stack<'_>,
        innermost: bool,
    ) -> Result<Caller, Stop> {
        let mut section = EhFrame::new(&self.frames.bytes, LittleEndian);
        section.set_address_size(8);
        section.set_vendor(Arch::VENDOR);
        let fde = self
            .entry_for(&section, address)
            .ok_or(Stop::NoInformation)?;
        if fde.entry_len() > MAX_ENTRY || fde.cie().entry_len() > MAX_ENTRY {
            return Err(Stop::Lost);
        }
        let mut context = UnwindContext::new();
        let row = fde
            .unwind_info_for_address(&section, &self.bases, &mut context, address)
            .map_err(|_| Stop::Lost)?;

        let encoding = fde.cie().encoding();
        let evaluator = Evaluator {
            section: &section,
            encoding,
            registers,
            stack,
        };
        let cfa = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => registers
                .get(*register)
                .and_then(|base| base.checked_add_signed(*offset)),
            CfaRule::Expression(expression) => evaluator.expression(expression, None),
        }
        .ok_or(Stop::Lost)?;

        let return_column = fde.cie().return_address_register();
        let mut caller = registers.after_call(cfa);
        let mut address = Arch::unsaved_return_address(registers, innermost);
        for (register, rule) in row.registers() {
            let value = evaluator.register(*register, rule, cfa);
            if *register == return_column {
                if matches!(rule, RegisterRule::Undefined) {
                    return Err(Stop::End);
                }
                address = Some(value.ok_or(Stop::Lost)?);
            }
            caller.set(*register, value);
        }
        let address = Arch::strip_signature(address.ok_or(Stop::End)?);
        if address == 0 {
            return Err(Stop::End);
        }
        let interrupted = fde.is_signal_trampoline();
        let moved = caller
            .get(Arch::STACK_POINTER)
            .zip(registers.get(Arch::STACK_POINTER));
        if !interrupted && !moved.is_some_and(|(to, from)| to > from || innermost && to == from) {
            return Err(Stop::Lost);
        }
        Ok(Caller {
            address,
            registers: caller,
            interrupted,
        })
    }

    /// The entry of the function that holds an address.
    fn entry_for<'a>(&self, section: &EhFrame<Slice<'a>>, address: u64) -> Option<Fde<'a>> {
        if let Some(offset) = self
            .index
            .as_ref()
            .and_then(|index| index_lookup(index, address))
        {
            let offset = offset.checked_sub(self.frames.address)?;
            let offset = gimli::EhFrameOffset(usize::try_from(offset).ok()?);
            let fde = section
                .fde_from_offset(&self.bases, offset, EhFrame::cie_from_offset)
                .ok()?;
            return fde.contains(address).then_some(fde);
        }
        let mut entries = section.entries(&self.bases);
        for _ in 0..MAX_SCANNED {
            if let CieOrFde::Fde(partial) = entries.next().ok()?? {
                let fde = partial.parse(EhFrame::cie_from_offset).ok()?;
                if fde.contains(address) {
                    return Some(fde);
                }
            }
        }
        None
    }
}

/// Looks an address up in an `.eh_frame_hdr` of the one encoding that linkers write: a table of
/// pairs, function and entry, each a signed 32-bit distance from the section's start.
fn index_lookup(index: &Section, address: u64) -> Option<u64> {
    const VERSION: u8 = 1;
    const COUNT_UDATA4: u8 = 0x03;
    const TABLE_DATAREL_SDATA4: u8 = 0x3b;
    let [VERSION, _, COUNT_UDATA4, TABLE_DATAREL_SDATA4] = *index.bytes.first_chunk()? else {
        return None;
    };
    let pairs = index.bytes.get(12..)?.as_chunks::<8>().0;
    let distance = |bytes: [u8; 4]| {
        index
            .address
            .checked_add_signed(i32::from_le_bytes(bytes).into())
            .unwrap_or(u64::MAX)
    };
    let function = |pair: &[u8; 8]| distance([pair[0], pair[1], pair[2], pair[3]]);
    let after = pairs.partition_point(|pair| function(pair) <= address);
    let pair = pairs.get(after.checked_sub(1)?)?;
    Some(distance([pair[4], pair[5], pair[6], pair[7]]))
}

/// Evaluates the rules of one row against one frame.
struct Evaluator<'a, 'b> {
    section: &'b EhFrame<Slice<'a>>,
    encoding: Encoding,
    registers: &'b RegisterFile,
    stack: &'b Stack<'b>,
}

impl Evaluator<'_, '_> {
    fn register(&self, register: Register, rule: &RegisterRule<usize>, cfa: u64) -> Option<u64> {
        match rule {
            RegisterRule::SameValue => self.registers.get(register),
            RegisterRule::Offset(offset) => self.stack.word(cfa.checked_add_signed(*offset)?),
            RegisterRule::ValOffset(offset) => cfa.checked_add_signed(*offset),
            RegisterRule::Register(other) => self.registers.get(*other),
            RegisterRule::Expression(expression) => {
                self.stack.word(self.expression(expression, Some(cfa))?)
            }
            RegisterRule::ValExpression(expression) => self.expression(expression, Some(cfa)),
            RegisterRule::Constant(value) => Some(*value),
            _ => None,
        }
    }

    fn expression(&self, expression: &UnwindExpression<usize>, first: Option<u64>) -> Option<u64> {
        let expression = expression.get(self.section).ok()?;
        let mut evaluation = Evaluation::new(expression.0, self.encoding);
        evaluation.set_max_iterations(MAX_OPERATIONS);
        if let Some(value) = first {
            evaluation.set_initial_value(value);
        }
        let mut state = evaluation.evaluate().ok()?;
        // Each turn uses up an operation, of which there are `MAX_OPERATIONS`.
        loop {
            state = match state {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresRegister { register, .. } => {
                    let value = Value::Generic(self.registers.get(register)?);
                    evaluation.resume_with_register(value).ok()?
                }
                EvaluationResult::RequiresMemory {
                    address, size: 8, ..
                } => {
                    let value = Value::Generic(self.stack.word(address)?);
                    evaluation.resume_with_memory(value).ok()?
                }
                _ => return None,
            };
        }
        match evaluation.as_result().last()?.location {
            Location::Address { address } => Some(address),
            _ => None,
        }
    }
}
