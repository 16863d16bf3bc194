//! What a program needs of the C library, read from its version symbols.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use object::Endianness;
use object::read::elf::ElfFile64;

/// What the dynamic linker looks for before a program starts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// The oldest release of glibc that has every symbol, such as `2.34`.
    pub(crate) glibc: Option<Release>,
    /// Each library and version: `libc.so.6` and `GLIBC_2.34`.
    pub(crate) versions: Vec<(String, String)>,
}

/// A release of glibc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Release(pub(crate) u32, pub(crate) u32);

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Reads a program's needs.
///
/// # Errors
/// When it is no 64-bit ELF file.
pub(crate) fn of(program: &Path) -> Result<Needs> {
    let data = fs::read(program).with_context(|| format!("reading {}", program.display()))?;
    let versions = versions(&data)
        .with_context(|| format!("reading the version symbols of {}", program.display()))?;
    let glibc = versions.iter().filter_map(|(_, name)| release(name)).max();
    Ok(Needs { glibc, versions })
}

fn versions(data: &[u8]) -> object::Result<Vec<(String, String)>> {
    let file = ElfFile64::<Endianness>::parse(data)?;
    let (endian, sections) = (file.endian(), file.elf_section_table());
    let mut found = Vec::new();
    let Some((mut needs, link)) = sections.gnu_verneed(endian, data)? else {
        return Ok(found);
    };
    let strings = sections.strings(endian, data, link)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    while let Some((need, mut names)) = needs.next()? {
        let library = text(need.file(endian, strings)?);
        while let Some(name) = names.next()? {
            found.push((library.clone(), text(name.name(endian, strings)?)));
        }
    }
    found.sort();
    Ok(found)
}

/// The release in the name of a version symbol: `GLIBC_2.34`, `GLIBC_2.2.5`.
fn release(name: &str) -> Option<Release> {
    let mut numbers = name.strip_prefix("GLIBC_")?.split('.');
    let mut next = || numbers.next()?.parse().ok();
    Some(Release(next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_symbol_names_the_oldest_release() {
        assert_eq!(release("GLIBC_2.2.5"), Some(Release(2, 2)));
        assert_eq!(release("GCC_3.0"), None);
        assert!(release("GLIBC_2.9") < release("GLIBC_2.34"));
    }

    #[test]
    fn this_very_program_needs_some_glibc() {
        let needs = of(&std::env::current_exe().unwrap()).unwrap();
        assert!(needs.glibc > Some(Release(2, 2)), "{needs:?}");
        assert!(
            needs
                .versions
                .iter()
                .any(|(library, _)| library == "libc.so.6")
        );
    }
}
