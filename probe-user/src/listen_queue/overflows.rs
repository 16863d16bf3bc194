//! `ListenOverflows`: how often a namespace's kernel found a listen queue full.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

/// As much of the file is read, in bytes; it has 3 to 6 KiB.
const MAX_FILE: u64 = 64 * 1024;

/// `ListenOverflows` of the network namespace of process `pid`: connections, or tries at one, that found
/// a full queue since the namespace was made.
///
/// # Errors
/// When the process is gone or the kernel does not tell.
pub fn of(proc_root: &Path, pid: u32) -> io::Result<u64> {
    let file = File::open(proc_root.join(pid.to_string()).join("net/netstat"))?;
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text)?;
    find(&text, "ListenOverflows").ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// A counter of a line of names and the line of values below it.
fn find(text: &str, name: &str) -> Option<u64> {
    let mut lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("TcpExt:"))
        .map(str::split_ascii_whitespace);
    let place = lines.next()?.position(|column| column == name)?;
    lines.next()?.nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_its_name() {
        let text =
            "TcpExt: A ListenOverflows B\nTcpExt: 1 22 3\nIpExt: ListenOverflows\nIpExt: 4\n";
        assert_eq!(find(text, "ListenOverflows"), Some(22));
        assert_eq!(find(text, "C"), None);
        assert_eq!(find("TcpExt: ListenOverflows\n", "ListenOverflows"), None);
        assert_eq!(find("TcpExt: A\nTcpExt: x\n", "A"), None);
        assert!(of(Path::new("/proc"), std::process::id()).is_ok());
    }
}
