//! Looks up struct members in the kernel's type information.
//!
//! One pass over `/sys/kernel/btf/vmlinux`, keeping only what was asked for. The crates that read
//! BTF either keep their members private (aya-obj), or build an index of the whole of it
//! (100,000 types) and are LGPL (btf-rs); a start-up needs a dozen numbers. The format is the
//! kernel's `Documentation/bpf/btf.rst`.

use std::collections::HashMap;

use nginx_probe_ebpf::layout::{ABSENT, FIELDS, Find, WORDS};

/// Nesting of anonymous and named structs that a member path may go through.
const MAX_DEPTH: usize = 16;
/// Typedefs, qualifiers and arrays between a member and its struct.
const MAX_MODIFIERS: usize = 32;

const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_RESTRICT: u32 = 11;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_TYPE_TAG: u32 = 18;

/// Why the type information cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BtfError {
    /// Not BTF at all, or of the other byte order.
    #[error("this is not BTF of this machine's byte order")]
    NotBtf,
    /// It ends in the middle of something.
    #[error("the BTF is cut short or malformed at byte {0}")]
    Malformed(usize),
    /// The programs need this, and the kernel does not have it.
    #[error("the kernel's BTF has no {0}, which the probes need; this kernel is not supported")]
    Missing(String),
}

/// The type information of a kernel: where each type begins.
pub struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Byte offset into `types` by type id; id 0 is `void`.
    offsets: Vec<u32>,
    /// Ids of the structs, enumerations and typedefs that the layout asks for.
    named: HashMap<(u32, &'static str), u32>,
}

/// The first three words of a type.
#[derive(Clone, Copy)]
struct Type {
    at: usize,
    name: u32,
    info: u32,
    size_or_id: u32,
}

impl Type {
    const fn kind(self) -> u32 {
        (self.info >> 24) & 0x1f
    }
    const fn members(self) -> usize {
        (self.info & 0xffff) as usize
    }
}

impl<'a> Btf<'a> {
    /// Indexes the types of `data`, the contents of `/sys/kernel/btf/vmlinux`.
    ///
    /// # Errors
    /// When the data is not BTF, or is malformed.
    pub fn parse(data: &'a [u8]) -> Result<Self, BtfError> {
        let magic = data.get(..2).ok_or(BtfError::NotBtf)?;
        if magic != 0xeb9f_u16.to_ne_bytes() {
            return Err(BtfError::NotBtf);
        }
        let header = word(data, 4)? as usize;
        let section = |offset: usize, length: usize| {
            let start = header.checked_add(word(data, offset)? as usize);
            let end = start.and_then(|start| start.checked_add(word(data, length).ok()? as usize));
            start
                .zip(end)
                .and_then(|(start, end)| data.get(start..end))
                .ok_or(BtfError::Malformed(offset))
        };
        let (types, strings) = (section(8, 12)?, section(16, 20)?);
        let mut btf = Self {
            types,
            strings,
            offsets: vec![0],
            named: HashMap::new(),
        };
        btf.index()?;
        Ok(btf)
    }

    fn index(&mut self) -> Result<(), BtfError> {
        let wanted = wanted_names();
        let mut at = 0;
        while at < self.types.len() {
            let ty = self.type_at(at)?;
            let id = u32::try_from(self.offsets.len()).map_err(|_| BtfError::Malformed(at))?;
            self.offsets
                .push(u32::try_from(at).map_err(|_| BtfError::Malformed(at))?);
            if matches!(ty.kind(), KIND_STRUCT | KIND_ENUM | KIND_TYPEDEF) {
                let name = self.name(ty.name);
                if let Some(key) = wanted
                    .iter()
                    .find(|(kind, wanted)| *kind == ty.kind() && wanted.as_bytes() == name)
                {
                    self.named.entry(*key).or_insert(id);
                }
            }
            at += 12 + trailing(ty).ok_or(BtfError::Malformed(at))?;
        }
        Ok(())
    }

    /// Finds every word of the layout.
    ///
    /// # Errors
    /// When a word is missing that the programs cannot do without.
    pub fn layout(&self) -> Result<[u32; WORDS], BtfError> {
        let mut words = [ABSENT; WORDS];
        for (word, field) in words.iter_mut().zip(FIELDS) {
            match self.find(field.find) {
                Some(value) => *word = value,
                None if field.required => {
                    return Err(BtfError::Missing(describe(field.find)));
                }
                None => {}
            }
        }
        Ok(words)
    }

    fn find(&self, find: Find) -> Option<u32> {
        match find {
            Find::Member(name, path) => self.member(self.struct_named(name)?, path),
            Find::Element(name, path, bytes) => {
                Some(self.member(self.struct_named(name)?, path)? + bytes)
            }
            Find::Size(name) => Some(self.struct_named(name)?.size_or_id),
            Find::Enumerator(name, value) => {
                let ty = self.by_id(*self.named.get(&(KIND_ENUM, name))?)?;
                (0..ty.members())
                    .filter_map(|n| word(self.types, ty.at + 12 + n * 8).ok())
                    .any(|name| self.name(name) == value.as_bytes())
                    .then_some(1)
            }
            Find::PointerArgument(name) => self.argument_is_pointer(name),
        }
    }

    fn struct_named(&self, name: &'static str) -> Option<Type> {
        self.by_id(*self.named.get(&(KIND_STRUCT, name))?)
    }

    /// Offset of a member in bytes, looking into anonymous structs and unions on the way.
    fn member(&self, ty: Type, path: &[&str]) -> Option<u32> {
        let (name, rest) = path.split_first()?;
        let (bits, inner) = self.direct_member(ty, name, 0)?;
        let bytes = bits / 8;
        if rest.is_empty() {
            Some(bytes)
        } else {
            Some(bytes + self.member(inner?, rest)?)
        }
    }

    /// Offset in bits and, when it is a struct or union, the type of the member of that name.
    fn direct_member(&self, ty: Type, wanted: &str, depth: usize) -> Option<(u32, Option<Type>)> {
        if depth > MAX_DEPTH || !matches!(ty.kind(), KIND_STRUCT | KIND_UNION) {
            return None;
        }
        let bitfields = ty.info >> 31 == 1;
        for n in 0..ty.members() {
            let at = ty.at + 12 + n * 12;
            let (name, id) = (word(self.types, at).ok()?, word(self.types, at + 4).ok()?);
            let offset = word(self.types, at + 8).ok()?;
            let bits = if bitfields {
                offset & 0x00ff_ffff
            } else {
                offset
            };
            let inner = self.resolve(id);
            if self.name(name) == wanted.as_bytes() {
                return Some((bits, inner));
            }
            if name == 0
                && let Some(inner) = inner
                && let Some((more, found)) = self.direct_member(inner, wanted, depth + 1)
            {
                return Some((bits + more, found));
            }
        }
        None
    }

    /// Whether the first argument of `typedef void (*NAME)(void *, …)` after the private one is a
    /// pointer (1) or not (0).
    fn argument_is_pointer(&self, name: &'static str) -> Option<u32> {
        let typedef = self.by_id(*self.named.get(&(KIND_TYPEDEF, name))?)?;
        let pointer = self.by_id(typedef.size_or_id)?;
        let proto = self.by_id(pointer.size_or_id)?;
        if pointer.kind() != KIND_PTR || proto.kind() != KIND_FUNC_PROTO || proto.members() < 2 {
            return None;
        }
        let argument = self.resolve(word(self.types, proto.at + 12 + 8 + 4).ok()?)?;
        Some(u32::from(argument.kind() == KIND_PTR))
    }

    /// The type behind typedefs, qualifiers and arrays.
    fn resolve(&self, mut id: u32) -> Option<Type> {
        for _ in 0..MAX_MODIFIERS {
            let ty = self.by_id(id)?;
            id = match ty.kind() {
                KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST | KIND_RESTRICT | KIND_TYPE_TAG => {
                    ty.size_or_id
                }
                KIND_ARRAY => return None,
                _ => return Some(ty),
            };
        }
        None
    }

    fn by_id(&self, id: u32) -> Option<Type> {
        if id == 0 {
            return None;
        }
        self.type_at(*self.offsets.get(id as usize)? as usize).ok()
    }

    fn type_at(&self, at: usize) -> Result<Type, BtfError> {
        Ok(Type {
            at,
            name: word(self.types, at)?,
            info: word(self.types, at + 4)?,
            size_or_id: word(self.types, at + 8)?,
        })
    }

    fn name(&self, offset: u32) -> &'a [u8] {
        let rest = self.strings.get(offset as usize..).unwrap_or_default();
        rest.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

/// Bytes that follow the three words of a type, by its kind.
fn trailing(ty: Type) -> Option<usize> {
    let count = ty.members();
    Some(match ty.kind() {
        1 | 14 | 17 => 4, // INT, VAR, DECL_TAG
        KIND_ARRAY => 12,
        KIND_STRUCT | KIND_UNION | 15 | 19 => 12 * count, // and DATASEC, ENUM64
        KIND_ENUM | KIND_FUNC_PROTO => 8 * count,
        2 | 7..=12 | 16 | 18 => 0, // PTR, FWD, TYPEDEF, qualifiers, FUNC, FLOAT, TYPE_TAG
        _ => return None,
    })
}

fn word(bytes: &[u8], at: usize) -> Result<u32, BtfError> {
    at.checked_add(4)
        .and_then(|end| bytes.get(at..end))
        .and_then(|bytes| bytes.try_into().ok())
        .map(u32::from_ne_bytes)
        .ok_or(BtfError::Malformed(at))
}

/// The type names that the layout mentions, each once.
fn wanted_names() -> Vec<(u32, &'static str)> {
    let mut names: Vec<_> = FIELDS
        .iter()
        .map(|field| match field.find {
            Find::Member(name, _) | Find::Element(name, ..) | Find::Size(name) => {
                (KIND_STRUCT, name)
            }
            Find::Enumerator(name, _) => (KIND_ENUM, name),
            Find::PointerArgument(name) => (KIND_TYPEDEF, name),
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn describe(find: Find) -> String {
    match find {
        Find::Member(name, path) | Find::Element(name, path, _) => {
            format!("`struct {name}` with a member `{}`", path.join("."))
        }
        Find::Size(name) => format!("`struct {name}`"),
        Find::Enumerator(_, value) => format!("`{value}`"),
        Find::PointerArgument(name) => format!("`{name}`"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nginx_probe_ebpf::layout::index;

    use super::*;

    fn kernel() -> Vec<u8> {
        fs::read(crate::kernel::BTF_PATH).expect("this kernel has BTF")
    }

    #[test]
    fn this_kernel_has_what_the_probes_need() {
        let data = kernel();
        let layout = Btf::parse(&data).expect("BTF").layout().expect("complete");
        assert!(layout[index::TASK_PID] < 16_384);
        assert_eq!(
            layout[index::TASK_TGID],
            layout[index::TASK_PID] + 4,
            "pid_t pid, tgid"
        );
        // Part of the ABI: `si_signo`, `si_errno`, `si_code`, then the union.
        assert_eq!(layout[index::SIGINFO_CODE], 8);
        assert_eq!(layout[index::SIGINFO_ADDRESS], 16);
        assert_eq!(layout[index::SIGACTION_HANDLER], 0);
        if cfg!(target_arch = "x86_64") {
            assert_eq!(
                [index::REGS_IP, index::REGS_SP, index::REGS_FP].map(|n| layout[n]),
                [128, 152, 32]
            );
        }
        assert_ne!(layout[index::VICTIM_IS_TASK], ABSENT);
        let counters = [
            index::MM_RSS_COUNTERS,
            index::COUNTER_SIZE,
            index::COUNTER_COUNT,
        ];
        assert!(
            layout[index::MM_RSS_ATOMICS] != ABSENT
                || counters.iter().all(|n| layout[*n] != ABSENT),
            "resident memory is counted one way or the other"
        );
    }

    #[test]
    fn every_cut_is_survived() {
        let data = kernel();
        assert_eq!(Btf::parse(&[]).err(), Some(BtfError::NotBtf));
        assert_eq!(Btf::parse(b"\x7fELF").err(), Some(BtfError::NotBtf));
        for end in (0..data.len()).step_by(data.len() / 200) {
            if let Ok(btf) = Btf::parse(&data[..end]) {
                let _ = btf.layout();
            }
        }
    }

    #[test]
    fn damage_is_survived() {
        let mut data = kernel();
        let strings = 24 + word(&data, 16).expect("header") as usize;
        // Every word of the types' part, spread over it, turned into nonsense.
        for at in (24..strings - 4).step_by(strings / 300 * 4) {
            let kept = data[at..at + 4].to_vec();
            data[at..at + 4].copy_from_slice(&u32::MAX.to_ne_bytes());
            if let Ok(btf) = Btf::parse(&data) {
                let _ = btf.layout();
            }
            data[at..at + 4].copy_from_slice(&kept);
        }
    }
}
