//! What unwinding and naming need of an ELF file, read with bounds.
//!
//! The file may belong to a container's owner, who can have written anything in it and can cut it
//! while it is read. So it is read with pread(2), never mapped (a cut file would then kill the
//! agent with SIGBUS), each part has a largest size, and every number in it is checked.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use object::LittleEndian as LE;
use object::elf::{
    ELFCLASS64, ELFDATA2LSB, ELFMAG, FileHeader64, PF_X, PT_LOAD, ProgramHeader64, SHT_DYNSYM,
    SHT_NOBITS, SHT_SYMTAB, STT_OBJECT, SectionHeader64, Sym64,
};
use object::pod::{Pod, from_bytes, slice_from_bytes};

use super::cfi::{Cfi, Section};
use super::symbols::{Builder, Symbols};

/// Bytes read of one file in all.
const MAX_READ: u64 = 64 << 20;
/// Program headers read; linkers write about 13.
const MAX_SEGMENTS: u16 = 256;
/// Section headers read; linkers write about 40.
const MAX_SECTIONS: u16 = 4096;
/// Section names, in bytes.
const MAX_SECTION_NAMES: u64 = 1 << 20;
/// Unwind information kept, in bytes; glibc has 150 KiB, a large runtime a few MiB.
const MAX_EH_FRAME: u64 = 6 << 20;
/// The unwind information's index kept, in bytes: 8 for each function.
const MAX_EH_FRAME_HDR: u64 = 2 << 20;
/// A string table read (of which only the functions' names are kept), in bytes.
const MAX_STRINGS: u64 = 8 << 20;
/// Symbols read at a time.
const SYMBOL_CHUNK: u64 = 2048;

/// A file that could not be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ElfError {
    /// Reading failed, or the file ends before the part.
    #[error("cannot read {0}: {1}")]
    Read(&'static str, io::Error),
    /// A part is larger than is ever read, or the file's parts are in all.
    #[error("{0} is too large")]
    TooLarge(&'static str),
    /// Not a 64-bit little-endian ELF file.
    #[error("not a 64-bit little-endian ELF file")]
    NotElf,
}

/// One file of a process: its segments, unwind information and function symbols.
#[derive(Debug)]
pub(super) struct Module {
    segments: Vec<Segment>,
    /// Absent in files without unwind information, such as musl's C library.
    pub(super) cfi: Option<Cfi>,
    pub(super) symbols: Symbols,
}

#[derive(Debug)]
struct Segment {
    executable: bool,
    file_offset: u64,
    file_size: u64,
    address: u64,
}

impl Module {
    /// Reads a module. What is missing or cannot be used is left out.
    pub(super) fn read(file: &File) -> Result<Self, ElfError> {
        let mut reader = Reader {
            file,
            left: MAX_READ,
        };
        let header: FileHeader64<LE> = reader.one("the ELF header", 0)?;
        let ident = header.e_ident;
        if ident.magic != ELFMAG || ident.class != ELFCLASS64 || ident.data != ELFDATA2LSB {
            return Err(ElfError::NotElf);
        }
        let segments = read_segments(&mut reader, &header)?;
        // The section headers are not needed to run a program, so they may be missing.
        let sections = Sections::read(&mut reader, &header).unwrap_or_default();
        let cfi = sections.cfi(&mut reader);
        let symbols = sections.symbols(&mut reader);
        Ok(Self {
            segments,
            cfi,
            symbols,
        })
    }

    /// The address the file gives to a byte of it, as `addr2line` and the symbols have it.
    pub(super) fn address_of(&self, file_offset: u64) -> Option<u64> {
        let holds = |segment: &&Segment| {
            file_offset
                .checked_sub(segment.file_offset)
                .is_some_and(|at| at < segment.file_size)
        };
        let mut found = self.segments.iter().filter(holds);
        let first = found.next()?;
        let segment = if first.executable {
            first
        } else {
            found.find(|s| s.executable).unwrap_or(first)
        };
        segment
            .address
            .checked_add(file_offset - segment.file_offset)
    }

    /// Where in the file a function begins.
    pub(super) fn offset_of(&self, function: &str) -> Option<u64> {
        let address = self.symbols.address_of(function)?;
        let segment = self.segments.iter().find(|segment| {
            segment.executable
                && address
                    .checked_sub(segment.address)
                    .is_some_and(|at| at < segment.file_size)
        })?;
        segment.file_offset.checked_add(address - segment.address)
    }

    /// Memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.symbols.bytes() + self.cfi.as_ref().map_or(0, Cfi::bytes)
    }
}

/// Where the variables of these names lie that a file exports, in bytes from where its first byte is
/// or would be once its code is loaded.
pub(super) fn variables<const N: usize>(
    file: &File,
    names: [&str; N],
) -> Result<[Option<u64>; N], ElfError> {
    let mut reader = Reader {
        file,
        left: MAX_READ,
    };
    let header: FileHeader64<LE> = reader.one("the ELF header", 0)?;
    let segments = read_segments(&mut reader, &header)?;
    let code = segments.iter().find(|segment| segment.executable);
    let ahead = code.map_or(0, |code| code.address.wrapping_sub(code.file_offset));
    let sections = Sections::read(&mut reader, &header)?;
    let exported = |section: &&SectionHeader64<LE>| section.sh_type.get(LE) == SHT_DYNSYM;
    let Some(table) = sections.headers.iter().find(exported) else {
        return Ok([None; N]);
    };
    let mut found = [None; N];
    sections.each_symbol(&mut reader, table, |symbol, strings| {
        let start = usize::try_from(symbol.st_name.get(LE)).ok();
        let rest = start.and_then(|start| strings.get(start..)).unwrap_or(&[]);
        let is = |name: &str| {
            rest.strip_prefix(name.as_bytes())
                .is_some_and(|end| end.first() == Some(&0))
        };
        if symbol.st_type() == STT_OBJECT
            && symbol.st_shndx.get(LE) != 0
            && let Some(at) = names.iter().position(|name| is(name))
            && let Some(found) = found.get_mut(at)
        {
            *found = Some(symbol.st_value.get(LE).wrapping_sub(ahead));
        }
        true
    })?;
    Ok(found)
}

/// Reads parts of a file up to a number of bytes in all.
struct Reader<'a> {
    file: &'a File,
    left: u64,
}

impl Reader<'_> {
    fn bytes(
        &mut self,
        what: &'static str,
        offset: u64,
        size: u64,
        largest: u64,
    ) -> Result<Vec<u8>, ElfError> {
        if size > largest || size > self.left {
            return Err(ElfError::TooLarge(what));
        }
        self.left -= size;
        let mut bytes = vec![0; usize::try_from(size).map_err(|_| ElfError::TooLarge(what))?];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(|error| ElfError::Read(what, error))?;
        Ok(bytes)
    }

    fn one<T: Pod>(&mut self, what: &'static str, offset: u64) -> Result<T, ElfError> {
        let size = size_of::<T>() as u64;
        let bytes = self.bytes(what, offset, size, size)?;
        from_bytes(&bytes)
            .map(|(value, _)| *value)
            .map_err(|()| ElfError::NotElf)
    }

    fn table<T: Pod>(
        &mut self,
        what: &'static str,
        offset: u64,
        count: u64,
    ) -> Result<Vec<T>, ElfError> {
        let size = count.saturating_mul(size_of::<T>() as u64);
        let bytes = self.bytes(what, offset, size, MAX_READ)?;
        let count = usize::try_from(count).map_err(|_| ElfError::TooLarge(what))?;
        slice_from_bytes(&bytes, count)
            .map(|(all, _)| all.to_vec())
            .map_err(|()| ElfError::NotElf)
    }
}

fn read_segments(
    reader: &mut Reader<'_>,
    header: &FileHeader64<LE>,
) -> Result<Vec<Segment>, ElfError> {
    let count = header.e_phnum.get(LE).min(MAX_SEGMENTS);
    let headers: Vec<ProgramHeader64<LE>> =
        reader.table("the program headers", header.e_phoff.get(LE), count.into())?;
    let loaded = headers
        .iter()
        .filter(|segment| segment.p_type.get(LE) == PT_LOAD);
    Ok(loaded
        .map(|segment| Segment {
            executable: segment.p_flags.get(LE) & PF_X != 0,
            file_offset: segment.p_offset.get(LE),
            file_size: segment.p_filesz.get(LE),
            address: segment.p_vaddr.get(LE),
        })
        .collect())
}

#[derive(Default)]
struct Sections {
    headers: Vec<SectionHeader64<LE>>,
    names: Vec<u8>,
}

impl Sections {
    fn read(reader: &mut Reader<'_>, header: &FileHeader64<LE>) -> Result<Self, ElfError> {
        let count = header.e_shnum.get(LE).min(MAX_SECTIONS);
        let headers: Vec<SectionHeader64<LE>> =
            reader.table("the section headers", header.e_shoff.get(LE), count.into())?;
        let names = match headers.get(usize::from(header.e_shstrndx.get(LE))) {
            Some(table) => {
                let (offset, size) = (table.sh_offset.get(LE), table.sh_size.get(LE));
                reader.bytes("the section names", offset, size, MAX_SECTION_NAMES)?
            }
            None => Vec::new(),
        };
        Ok(Self { headers, names })
    }

    fn named(&self, wanted: &[u8]) -> Option<&SectionHeader64<LE>> {
        self.headers.iter().find(|section| {
            let start = usize::try_from(section.sh_name.get(LE)).ok();
            let rest = start
                .and_then(|start| self.names.get(start..))
                .unwrap_or(&[]);
            section.sh_type.get(LE) != SHT_NOBITS
                && rest
                    .strip_prefix(wanted)
                    .is_some_and(|end| end.first() == Some(&0))
        })
    }

    fn cfi(&self, reader: &mut Reader<'_>) -> Option<Cfi> {
        let mut content = |name: &[u8], what, largest| {
            let section = self.named(name)?;
            let (offset, size) = (section.sh_offset.get(LE), section.sh_size.get(LE));
            let bytes = reader.bytes(what, offset, size, largest).ok()?;
            Some(Section {
                address: section.sh_addr.get(LE),
                bytes,
            })
        };
        let frames = content(b".eh_frame", ".eh_frame", MAX_EH_FRAME)?;
        let index = content(b".eh_frame_hdr", ".eh_frame_hdr", MAX_EH_FRAME_HDR);
        let address = |name| {
            self.named(name)
                .map_or(0, |section| section.sh_addr.get(LE))
        };
        Some(Cfi::new(frames, index, address(b".text"), address(b".got")))
    }

    /// The symbols of `.symtab` if the file was not stripped, else those it exports.
    fn symbols(&self, reader: &mut Reader<'_>) -> Symbols {
        for kind in [SHT_SYMTAB, SHT_DYNSYM] {
            let table = self
                .headers
                .iter()
                .find(|section| section.sh_type.get(LE) == kind);
            let Some(table) = table else { continue };
            match self.read_symbols(reader, table) {
                Ok(symbols) if !symbols.is_empty() => return symbols,
                _ => {}
            }
        }
        Symbols::default()
    }

    fn read_symbols(
        &self,
        reader: &mut Reader<'_>,
        table: &SectionHeader64<LE>,
    ) -> Result<Symbols, ElfError> {
        let mut builder = Builder::default();
        let strings = self.each_symbol(reader, table, |symbol, _| builder.add(symbol))?;
        Ok(builder.finish(&strings))
    }

    /// Gives `add` each symbol with all their names until it has enough; gives the names.
    fn each_symbol(
        &self,
        reader: &mut Reader<'_>,
        table: &SectionHeader64<LE>,
        mut add: impl FnMut(&Sym64<LE>, &[u8]) -> bool,
    ) -> Result<Vec<u8>, ElfError> {
        let linked = usize::try_from(table.sh_link.get(LE)).ok();
        let strings = linked
            .and_then(|at| self.headers.get(at))
            .ok_or(ElfError::NotElf)?;
        let (offset, size) = (strings.sh_offset.get(LE), strings.sh_size.get(LE));
        let strings = reader.bytes("the symbol names", offset, size, MAX_STRINGS)?;

        let entry = size_of::<Sym64<LE>>() as u64;
        let count = table.sh_size.get(LE) / entry;
        let mut done = 0;
        while done < count {
            let chunk = SYMBOL_CHUNK.min(count - done);
            let offset = table
                .sh_offset
                .get(LE)
                .saturating_add(done.saturating_mul(entry));
            let symbols: Vec<Sym64<LE>> = reader.table("the symbols", offset, chunk)?;
            if !symbols.iter().all(|symbol| add(symbol, &strings)) {
                break;
            }
            done += chunk;
        }
        Ok(strings)
    }
}
