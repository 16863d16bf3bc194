//! Facts about the host that every source stands on.

use std::fs;

use caps::Capability;

use super::{ALL, Verdict, missing_capabilities, without};
use crate::kernel::BTF_PATH;

/// Facts about the host that every source stands on.
#[must_use]
pub fn of_host() -> Vec<(&'static str, Verdict)> {
    vec![
        ("kernel", of_kernel()),
        ("btf", of_btf()),
        ("privileges", of_privileges()),
        ("pid_namespace", of_pid_namespace()),
        ("proc", of_proc()),
    ]
}

fn of_kernel() -> Verdict {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u32>);
    let version = (numbers.next(), numbers.next());
    let detail = format!("Linux {release} {}", uname.machine().to_string_lossy());
    match version {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) < (5, 8) => Verdict::bad(
            format!("{detail} has no ring buffers"),
            "use Linux 5.8 or later",
        ),
        _ => Verdict::ok(detail),
    }
}

fn of_btf() -> Verdict {
    match fs::metadata(BTF_PATH) {
        Ok(metadata) => Verdict::ok(format!("{BTF_PATH}, {} KiB", metadata.len() / 1024)),
        Err(error) => Verdict::bad(
            format!("{BTF_PATH}: {error}"),
            "boot a kernel that is built with CONFIG_DEBUG_INFO_BTF=y",
        ),
    }
}

fn of_privileges() -> Verdict {
    let mut needs: Vec<_> = ALL
        .iter()
        .flat_map(|source| source.needs)
        .copied()
        .collect();
    needs.sort_unstable_by_key(Capability::index);
    needs.dedup();
    if missing_capabilities(&needs).is_empty() {
        let names: Vec<_> = needs.iter().map(ToString::to_string).collect();
        Verdict::ok(names.join(" "))
    } else {
        without(&needs)
    }
}

fn of_pid_namespace() -> Verdict {
    // The inode number of the initial pid namespace (`PROC_PID_INIT_INO`).
    const INITIAL: &str = "pid:[4026531836]";
    match fs::read_link("/proc/self/ns/pid") {
        Ok(link) if link.as_os_str() == INITIAL => Verdict::ok("the host's"),
        Ok(_) => Verdict::bad(
            "this is not the host's pid namespace: the kernel's process ids mean nothing here",
            "run on the host, or the container with --pid=host (hostPID: true)",
        ),
        Err(error) => Verdict::bad(format!("/proc/self/ns/pid: {error}"), "mount /proc"),
    }
}

fn of_proc() -> Verdict {
    match fs::read_to_string("/proc/1/stat") {
        Ok(_) => Verdict::ok("every process can be seen"),
        Err(error) => Verdict::bad(
            format!("/proc hides other users' processes (hidepid): /proc/1/stat: {error}"),
            "run with CAP_SYS_PTRACE, or with the group of /proc's gid= mount option",
        ),
    }
}
