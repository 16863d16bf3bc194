//! The function symbols of one file, kept small.

use object::LittleEndian as LE;
use object::elf::{STB_GLOBAL, STT_FUNC, STT_GNU_IFUNC, Sym64};

/// Symbols kept of one file, 16 bytes each.
const MAX_SYMBOLS: usize = 256 * 1024;
/// Bytes of names kept of one file.
const MAX_NAMES: usize = 3 * 1024 * 1024;
/// Bytes kept of one name; C++ names can be much longer.
const MAX_NAME: usize = 256;
/// Symbols looked at before an address for one that is large enough to hold it.
const MAX_NESTING: usize = 8;

/// Function symbols by address.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    entries: Vec<Symbol>,
    /// Names, each ended by a zero byte.
    names: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Symbol {
    address: u64,
    /// Zero when the file does not say, as for functions written in assembler.
    size: u32,
    /// Offset of the name.
    name: u32,
}

/// Collects symbols; the names are still in the file's own string table.
#[derive(Default)]
pub(super) struct Builder {
    found: Vec<(Symbol, bool)>,
}

impl Builder {
    /// Adds a symbol if it is a defined function; `false` when there is no room for another.
    pub(super) fn add(&mut self, symbol: &Sym64<LE>) -> bool {
        if self.found.len() == MAX_SYMBOLS {
            return false;
        }
        let address = symbol.st_value.get(LE);
        let is_function = matches!(symbol.st_type(), STT_FUNC | STT_GNU_IFUNC);
        if is_function && symbol.st_shndx.get(LE) != 0 && address != 0 {
            let size = u32::try_from(symbol.st_size.get(LE)).unwrap_or(u32::MAX);
            let name = symbol.st_name.get(LE);
            self.found.push((
                Symbol {
                    address,
                    size,
                    name,
                },
                symbol.st_bind() == STB_GLOBAL,
            ));
        }
        true
    }

    /// Sorts the symbols and copies their names out of the file's string table. Of several names
    /// for one address it keeps the most public one: sized, global, without a leading underscore.
    pub(super) fn finish(mut self, strings: &[u8]) -> Symbols {
        let rank = |(symbol, global): &(Symbol, bool)| {
            let name = raw_name(strings, symbol.name);
            (
                symbol.size == 0,
                name.starts_with(b"_"),
                !global,
                name.len(),
            )
        };
        self.found.sort_by(|a, b| {
            a.0.address
                .cmp(&b.0.address)
                .then_with(|| rank(a).cmp(&rank(b)))
        });
        self.found.dedup_by_key(|(symbol, _)| symbol.address);

        let mut symbols = Symbols::default();
        symbols.entries.reserve_exact(self.found.len());
        for (symbol, _) in self.found {
            let name = raw_name(strings, symbol.name);
            let start = symbols.names.len();
            let Ok(offset) = u32::try_from(start) else {
                break;
            };
            if name.is_empty() || start + name.len() >= MAX_NAMES {
                continue;
            }
            symbols.names.extend(name.iter().map(|&byte| match byte {
                b'!'..=b'~' => byte,
                _ => b'?',
            }));
            symbols.names.push(0);
            symbols.entries.push(Symbol {
                name: offset,
                ..symbol
            });
        }
        symbols.entries.shrink_to_fit();
        symbols.names.shrink_to_fit();
        symbols
    }
}

impl Symbols {
    /// The function that holds an address, and how far into it the address lies. An address in the
    /// gap behind a function belongs to one the file does not name (a static one).
    pub(super) fn find(&self, address: u64) -> Option<(&str, u64)> {
        let after = self
            .entries
            .partition_point(|symbol| symbol.address <= address);
        let before = self.entries.get(..after)?;
        let holds = |symbol: &&Symbol| address - symbol.address < u64::from(symbol.size);
        let sized = before.iter().rev().take(MAX_NESTING).find(holds);
        let symbol = sized.or_else(|| before.last().filter(|symbol| symbol.size == 0))?;
        let name = raw_name(&self.names, symbol.name);
        Some((str::from_utf8(name).ok()?, address - symbol.address))
    }

    /// Where a function is.
    pub(super) fn address_of(&self, function: &str) -> Option<u64> {
        let named = |symbol: &&Symbol| raw_name(&self.names, symbol.name) == function.as_bytes();
        self.entries.iter().find(named).map(|symbol| symbol.address)
    }

    /// Whether the file names no function.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Symbol>() + self.names.capacity()
    }
}

/// The name at an offset of a string table, cut to what is kept; empty when there is none.
fn raw_name(strings: &[u8], offset: u32) -> &[u8] {
    let rest = usize::try_from(offset)
        .ok()
        .and_then(|start| strings.get(start..))
        .unwrap_or(&[]);
    let rest = rest.get(..MAX_NAME).unwrap_or(rest);
    rest.split(|&byte| byte == 0).next().unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use object::endian::{U16, U32, U64};

    use super::*;

    fn function(name: u32, address: u64, size: u64, bind: u8) -> Sym64<LE> {
        Sym64 {
            st_name: U32::new(LE, name),
            st_info: (bind << 4) | STT_FUNC,
            st_other: 0,
            st_shndx: U16::new(LE, 1),
            st_value: U64::new(LE, address),
            st_size: U64::new(LE, size),
        }
    }

    fn build(list: &[Sym64<LE>], strings: &[u8]) -> Symbols {
        let mut builder = Builder::default();
        assert!(list.iter().all(|symbol| builder.add(symbol)));
        builder.finish(strings)
    }

    #[test]
    fn finds_the_function_that_holds_an_address() {
        let strings = b"\0__outer\0outer\0inner\0asm\0";
        let symbols = build(
            &[
                function(9, 0x1000, 0x100, 2),
                function(1, 0x1000, 0x100, STB_GLOBAL),
                function(15, 0x1010, 0x10, STB_GLOBAL),
                function(21, 0x2000, 0, STB_GLOBAL),
            ],
            strings,
        );
        assert_eq!(symbols.find(0xfff), None);
        assert_eq!(symbols.find(0x1000), Some(("outer", 0)));
        assert_eq!(symbols.find(0x101f), Some(("inner", 0xf)));
        assert_eq!(symbols.find(0x1020), Some(("outer", 0x20)));
        assert_eq!(symbols.find(0x1100), None, "the gap is an unnamed function");
        assert_eq!(symbols.find(0x2080), Some(("asm", 0x80)));
    }

    #[test]
    fn names_are_printable_and_bounded() {
        let mut strings = b"\0bad\x1b[31m\xff\0".to_vec();
        let long = u32::try_from(strings.len()).expect("small");
        strings.extend([b'x'; 5000]);
        let symbols = build(
            &[
                function(1, 1, 1, STB_GLOBAL),
                function(long, 2, 1, STB_GLOBAL),
                function(u32::MAX, 3, 1, STB_GLOBAL),
            ],
            &strings,
        );
        assert_eq!(symbols.find(1), Some(("bad?[31m?", 0)));
        assert_eq!(symbols.find(2).map(|(name, _)| name.len()), Some(MAX_NAME));
        assert_eq!(symbols.find(3), None);
    }

    #[test]
    fn many_symbols_with_one_long_name_stay_small() {
        let strings = [b'n'; MAX_NAME];
        let list: Vec<_> = (1..100_000)
            .map(|at| function(0, at, 1, STB_GLOBAL))
            .collect();
        let symbols = build(&list, &strings);
        assert!(symbols.names.len() <= MAX_NAMES);
        assert!(symbols.find(1).is_some() && symbols.find(99_999).is_none());
    }
}
