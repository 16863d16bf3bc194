//! Archives as others make them, and damaged ones.

use std::io::{Cursor, Write as _};

use flate2::{Compression, write::DeflateEncoder};

use super::*;

fn tar_file(name: &str, kind: u8, text: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..136].copy_from_slice(format!("{:011o}\0", text.len()).as_bytes());
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header.extend_from_slice(text);
    header.resize(header.len().next_multiple_of(512), 0);
    header
}

fn zip_file(name: &str, text: &[u8], deflated: bool, sizes_behind: bool) -> Vec<u8> {
    let mut data = text.to_vec();
    if deflated {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).expect("written");
        data = encoder.finish().expect("finished");
    }
    let size = u32::try_from(data.len()).expect("small");
    let mut file = b"PK\x03\x04\x14\0".to_vec();
    file.extend_from_slice(&[
        if sizes_behind { 8 } else { 0 },
        0,
        if deflated { 8 } else { 0 },
        0,
    ]);
    file.extend_from_slice(&[0; 8]);
    let sizes = if sizes_behind { 0 } else { size };
    file.extend_from_slice(&sizes.to_le_bytes());
    file.extend_from_slice(&[0; 4]);
    file.extend_from_slice(&[u8::try_from(name.len()).expect("short"), 0, 0, 0]);
    file.extend_from_slice(name.as_bytes());
    file.extend_from_slice(&data);
    if sizes_behind {
        file.extend_from_slice(b"PK\x07\x08\0\0\0\0");
        file.extend_from_slice(&size.to_le_bytes());
        file.extend_from_slice(&[0; 4]);
    }
    file
}

fn read(bytes: &[u8]) -> Vec<(String, Result<String, io::ErrorKind>)> {
    let archive = Archive::of(bytes).expect("an archive");
    let members = archive.members(Box::new(Cursor::new(bytes.to_vec())));
    let text = |mut member: Member| {
        let mut text = String::new();
        let read = member.bytes.read_to_string(&mut text);
        (
            member.name,
            read.map(|_| text).map_err(|error| error.kind()),
        )
    };
    members
        .map(|member| member.map_or_else(|error| (String::new(), Err(error.kind())), text))
        .collect()
}

fn of(files: &[(&str, &str)]) -> Vec<(String, Result<String, io::ErrorKind>)> {
    let file = |(name, text): &(&str, &str)| ((*name).to_owned(), Ok((*text).to_owned()));
    files.iter().map(file).collect()
}

#[test]
fn files_of_a_tar_are_read_in_their_order() {
    let long = "n".repeat(200);
    let pax = "19 path=by/pax.log\n";
    let tar = [
        tar_file("logs/", b'5', b""),
        tar_file("logs/a.log", b'0', b"one\n"),
        tar_file("empty", b'0', b""),
        tar_file("././@LongLink", b'L', format!("{long}\0").as_bytes()),
        tar_file("cut", b'0', &[b'x'; 513]),
        tar_file("pax", b'x', pax.as_bytes()),
        tar_file("b", 0, b"two"),
        vec![0; 1024],
    ]
    .concat();
    let x = "x".repeat(513);
    assert_eq!(
        read(&tar),
        of(&[("logs/a.log", "one\n"), (&long, &x), ("by/pax.log", "two")])
    );
    // A file that nobody reads is passed.
    let mut members = Archive::Tar.members(Box::new(Cursor::new(tar.clone())));
    let names: Vec<_> = members
        .by_ref()
        .map(|member| member.expect("read").name)
        .collect();
    assert_eq!(names.len(), 3);
    let cut = read(&tar[..1200]);
    assert_eq!(
        cut.last().map(|(_, read)| read.is_ok()),
        Some(true),
        "{cut:?}"
    );
    for end in [2700, 3700] {
        let cut = read(&tar[..end]);
        let last = cut.last().map(|(_, read)| read.clone());
        assert_eq!(last, Some(Err(io::ErrorKind::UnexpectedEof)), "{end}");
    }
}

#[test]
fn files_of_a_zip_are_read_in_their_order() {
    let zip = [
        zip_file("logs/", b"", false, false),
        zip_file("logs/a.log", b"one\n", false, false),
        zip_file("b.log", &[b'y'; 5000], true, false),
        zip_file("c.log", b"three", true, true),
        zip_file("d.log", b"four", true, true),
        b"PK\x01\x02and so on".to_vec(),
    ]
    .concat();
    let y = "y".repeat(5000);
    let expected = of(&[
        ("logs/a.log", "one\n"),
        ("b.log", &y),
        ("c.log", "three"),
        ("d.log", "four"),
    ]);
    assert_eq!(read(&zip), expected);
    for end in 30..zip.len() {
        let _ = read(&zip[..end]);
    }
}
