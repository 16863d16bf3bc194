//! Error numbers of other systems: nginx on a BSD, macOS or Windows logs that kernel's numbers.
//!
//! The text behind a number tells which error it is. Windows' numbers of sockets stand for
//! themselves, because its texts may be in any language.

/// Linux's number for an error of which a line tells.
pub(super) fn of_linux(number: u32, text: &[u8]) -> u32 {
    match number {
        10_000..12_000 => of_winsock(number).unwrap_or(number),
        _ => of_text(text).unwrap_or(number),
    }
}

/// The error that a text stands for, where systems differ on its number.
fn of_text(text: &[u8]) -> Option<u32> {
    Some(match text {
        b"Operation not permitted" => 1,
        b"No such file or directory"
        | b"The system cannot find the file specified"
        | b"The system cannot find the path specified" => 2,
        b"Resource temporarily unavailable" => 11,
        b"Cannot allocate memory"
        | b"Out of memory"
        | b"Not enough memory resources are available to process this command"
        | b"Not enough storage is available to process this command" => 12,
        b"Permission denied" | b"Access is denied" => 13,
        b"Device or resource busy"
        | b"Resource busy"
        | b"The process cannot access the file because it is being used by another process" => 16,
        b"File exists" | b"Cannot create a file when that file already exists" => 17,
        b"Not a directory" | b"The directory name is invalid" => 20,
        b"Invalid argument"
        | b"The filename, directory name, or volume label syntax is incorrect" => 22,
        b"Too many open files in system" => 23,
        b"Too many open files"
        | b"No file descriptors available"
        | b"The system cannot open the file" => 24,
        b"No space left on device" | b"There is not enough space on the disk" => 28,
        b"Read-only file system" | b"The media is write protected" => 30,
        b"Broken pipe" => 32,
        b"File name too long" | b"Filename too long" => 36,
        b"Function not implemented" => 38,
        b"Directory not empty" | b"The directory is not empty" => 39,
        b"Too many levels of symbolic links" | b"Symbolic link loop" => 40,
        b"Address already in use" | b"Address in use" => 98,
        b"Can't assign requested address"
        | b"Cannot assign requested address"
        | b"Address not available" => 99,
        b"Network is down" => 100,
        b"Network is unreachable" | b"Network unreachable" => 101,
        b"Software caused connection abort" | b"Connection aborted" => 103,
        b"Connection reset by peer" => 104,
        b"No buffer space available" => 105,
        b"Socket is not connected" | b"Transport endpoint is not connected" => 107,
        b"Operation timed out" | b"Connection timed out" => 110,
        b"Connection refused" => 111,
        b"Host is down" => 112,
        b"No route to host" | b"Host is unreachable" => 113,
        b"Stale file handle" | b"Stale NFS file handle" => 116,
        b"Disc quota exceeded" | b"Disk quota exceeded" | b"Quota exceeded" => 122,
        _ => return None,
    })
}

/// The errors of Windows' sockets (`WSAE…`).
const fn of_winsock(number: u32) -> Option<u32> {
    Some(match number {
        10_013 => 13,
        10_022 => 22,
        10_024 => 24,
        10_035 => 11,
        10_048 => 98,
        10_049 => 99,
        10_050 => 100,
        10_051 => 101,
        10_053 => 103,
        10_054 => 104,
        10_055 => 105,
        10_057 => 107,
        10_060 => 110,
        10_061 => 111,
        10_064 => 112,
        10_065 => 113,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::of_linux;

    #[test]
    fn the_text_tells_where_the_number_differs() {
        for (number, text, linux) in [
            (111, "Connection refused", 111),
            (61, "Connection refused", 111),
            (146, "Connection refused", 111),
            (10061, "Es konnte keine Verbindung hergestellt werden", 111),
            (54, "Connection reset by peer", 104),
            (60, "Operation timed out", 110),
            (5, "Access is denied", 13),
            (49, "Can't assign requested address", 99),
            (69, "Disc quota exceeded", 122),
            // What nothing is known of stays.
            (5, "Input/output error", 5),
            (61, "No data available", 61),
            (4242, "", 4242),
        ] {
            assert_eq!(of_linux(number, text.as_bytes()), linux, "{number} {text}");
        }
    }
}
