//! Stacks of real processes, stopped at their fatal signal.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::elf::Module;
use super::registers::{RegisterFile, Stack};
use super::{Frame, Mappings, Registers, Symbolizer};

const PROC: &str = "/proc";
const STACK_BYTES: usize = 16 * 1024;

/// A process stopped at its SIGSEGV, and what the kernel half would have sent about it.
struct Crashed {
    child: Child,
    program: PathBuf,
    mappings: Mappings,
    registers: Registers,
    stack: Vec<u8>,
    _folder: tempfile::TempDir,
}

impl Crashed {
    fn new(mode: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = compile(folder.path());
        let mut child = Command::new(&program)
            .arg(mode)
            .stdin(Stdio::piped())
            .spawn()
            .expect("the compiled program starts");
        let pid = Pid::from_raw(child.id().cast_signed());
        ptrace::seize(pid, ptrace::Options::empty()).expect("tracing a child is allowed");
        child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(b"x")
            .expect("the program reads");
        loop {
            match waitpid(pid, None).expect("the child is ours") {
                WaitStatus::Stopped(_, Signal::SIGSEGV) => break,
                WaitStatus::Stopped(_, signal) => {
                    ptrace::cont(pid, signal).expect("it is stopped");
                }
                WaitStatus::PtraceEvent(..) => ptrace::cont(pid, None).expect("it is stopped"),
                other => panic!("the program ended without a crash: {other:?}"),
            }
        }
        let registers = registers(pid);
        let memory = fs::File::open(format!("{PROC}/{pid}/mem")).expect("its memory");
        let mut stack = vec![0; STACK_BYTES];
        let read = memory.read_at(&mut stack, registers.sp).expect("its stack");
        stack.truncate(read);
        let mappings = Mappings::read(Path::new(PROC), child.id()).expect("its mappings");
        Self {
            child,
            program,
            mappings,
            registers,
            stack,
            _folder: folder,
        }
    }

    fn resolve(&self, symbolizer: &mut Symbolizer, pids: &[u32]) -> Vec<Frame> {
        symbolizer.resolve(
            &self.mappings,
            Path::new(PROC),
            pids,
            self.registers,
            &self.stack,
        )
    }

    /// What a symbolizer that has seen nothing yet makes of it.
    fn frames(&self) -> Vec<Frame> {
        self.resolve(&mut Symbolizer::new(), &[self.pid()])
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Crashed {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Compiles the helper as distributions do: optimised, without frame pointers, stripped.
fn compile(folder: &Path) -> PathBuf {
    let program = folder.join("crasher");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/crash/crasher.c");
    let flags = [
        "-O1",
        "-fomit-frame-pointer",
        "-fasynchronous-unwind-tables",
        "-rdynamic",
        "-s",
    ];
    let done = Command::new("cc")
        .args(flags)
        .arg("-o")
        .arg(&program)
        .arg(source)
        .status();
    assert!(done.expect("the test needs a C compiler, cc").success());
    program
}

#[cfg(target_arch = "x86_64")]
fn registers(pid: Pid) -> Registers {
    let all = ptrace::getregs(pid).expect("it is stopped");
    Registers {
        ip: all.rip,
        sp: all.rsp,
        fp: all.rbp,
        lr: 0,
    }
}

#[cfg(target_arch = "aarch64")]
fn registers(pid: Pid) -> Registers {
    let all = ptrace::getregs(pid).expect("it is stopped");
    Registers {
        ip: all.pc,
        sp: all.sp,
        fp: all.regs[29],
        lr: all.regs[30],
    }
}

/// The program's own functions in the stack, without the distances.
fn own_functions(frames: &[Frame]) -> Vec<&str> {
    let names = frames.iter().filter_map(|frame| frame.symbol.as_deref());
    names
        .map(|symbol| symbol.split_once('+').expect("a distance").0)
        .filter(|name| name.starts_with("crash_") || *name == "main")
        .collect()
}

#[test]
fn names_the_chain_through_a_stripped_library() {
    let crashed = Crashed::new("plain");
    let frames = crashed.frames();
    assert_eq!(
        own_functions(&frames),
        ["crash_inner", "crash_compare", "crash_outer", "main"],
        "{frames:#x?}"
    );
    let first = &frames[0];
    assert_eq!(first.address, crashed.registers.ip);
    assert_eq!(first.module.as_deref(), crashed.program.to_str());
    let library = frames[2].module.as_deref().expect("qsort is in a file");
    assert!(
        library.contains("libc"),
        "the C library's qsort is between: {library}"
    );
    // The start of the program itself is reached, and nothing is made up behind it.
    let last = frames.last().and_then(|frame| frame.module.as_deref());
    assert_eq!(last, crashed.program.to_str(), "{frames:#x?}");
}

#[test]
fn the_offset_is_what_addr2line_takes() {
    let crashed = Crashed::new("plain");
    let frames = crashed.frames();
    let listed = Command::new("nm")
        .arg("-D")
        .arg(&crashed.program)
        .output()
        .expect("nm runs");
    let listed = String::from_utf8(listed.stdout).expect("ASCII");
    let line = listed
        .lines()
        .find(|line| line.ends_with(" crash_inner"))
        .expect("exported");
    let start = u64::from_str_radix(&line[..16], 16).expect("an address");
    let distance = frames[0].offset.expect("known") - start;
    assert_eq!(frames[0].symbol, Some(format!("crash_inner+{distance:#x}")));
}

#[test]
fn a_jump_to_nowhere_names_the_caller() {
    let crashed = Crashed::new("wild");
    let frames = crashed.frames();
    assert_eq!(
        frames[0],
        Frame {
            address: crashed.registers.ip,
            module: None,
            offset: None,
            symbol: None,
            guessed: false
        }
    );
    assert_eq!(
        own_functions(&frames),
        ["crash_wild", "crash_compare", "crash_outer", "main"]
    );
}

/// Code in no file, as compiled by `LuaJIT`: it has a frame of unknown size, so the return address
/// is not on top of the stack, and the frame pointer is another value.
#[test]
fn unknown_code_is_left_by_searching() {
    let mut crashed = Crashed::new("plain");
    crashed.registers = Registers {
        ip: 0x10_0000,
        sp: crashed.registers.sp - 64,
        ..Registers::default()
    };
    // Something that is a code address, but not one a call left there.
    let stray = crashed.mappings.iter().next().expect("code").start + 0x100;
    let unknown = [0, stray, 0, stray, 0, stray, 0, 0]
        .map(u64::to_le_bytes)
        .concat();
    crashed.stack.splice(0..0, unknown);
    let frames = crashed.frames();
    assert_eq!(
        own_functions(&frames),
        ["crash_compare", "crash_outer", "main"],
        "{frames:#x?}"
    );
    let guessed: Vec<_> = frames.iter().map(|frame| frame.guessed).collect();
    assert!(guessed[1] && guessed.iter().filter(|guessed| **guessed).count() == 1);
}

// On aarch64 the frame a signal returns through is in the vDSO, which is no file.
#[cfg(target_arch = "x86_64")]
#[test]
fn goes_through_a_signal_handler() {
    let crashed = Crashed::new("handler");
    let frames = crashed.frames();
    assert_eq!(
        own_functions(&frames),
        [
            "crash_inner",
            "crash_compare",
            "crash_outer",
            "crash_handler",
            "main"
        ],
        "{frames:#x?}"
    );
}

#[test]
fn endless_unwind_information_ends() {
    let crashed = Crashed::new("endless");
    let frames = crashed.frames();
    assert_eq!(own_functions(&frames), ["crash_endless"]);
}

#[test]
fn kept_files_serve_after_the_process_is_gone() {
    let mut crashed = Crashed::new("plain");
    let mut symbolizer = Symbolizer::new();
    let alive = crashed.resolve(&mut symbolizer, &[crashed.pid()]);
    crashed.kill();
    assert_eq!(crashed.resolve(&mut symbolizer, &[crashed.pid()]), alive);

    assert!(symbolizer.bytes() > 0);
    symbolizer.forget_idle(Duration::ZERO);
    assert_eq!(symbolizer.bytes(), 0);
    let frames = crashed.resolve(&mut symbolizer, &[crashed.pid()]);
    assert_eq!(frames[0].module, alive[0].module);
    assert_eq!((frames[0].offset, &frames[0].symbol), (None, &None));
}

#[test]
fn a_deleted_file_is_still_read() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root may open /proc/PID/map_files");
        return;
    }
    let mut crashed = Crashed::new("plain");
    fs::remove_file(&crashed.program).expect("ours to remove");
    fs::write(&crashed.program, "another file").expect("the folder is ours");
    crashed.mappings = Mappings::read(Path::new(PROC), crashed.pid()).expect("its mappings");
    let frames = crashed.frames();
    assert_eq!(own_functions(&frames).first(), Some(&"crash_inner"));
    assert_eq!(frames[0].module.as_deref(), crashed.program.to_str());
}

#[test]
fn another_file_at_the_path_is_not_taken() {
    let crashed = Crashed::new("plain");
    // A tree like /proc without `map_files`, as for an agent without the capability for it.
    let proc_root = tempfile::tempdir().expect("a temporary folder");
    let process = proc_root.path().join(crashed.pid().to_string());
    fs::create_dir(&process).expect("ours");
    std::os::unix::fs::symlink("/", process.join("root")).expect("ours");
    let resolve = || {
        let pids = [crashed.pid()];
        let (mappings, stack) = (&crashed.mappings, &crashed.stack);
        Symbolizer::new().resolve(mappings, proc_root.path(), &pids, crashed.registers, stack)
    };
    assert_eq!(own_functions(&resolve()).first(), Some(&"crash_inner"));

    let copy = crashed.program.with_extension("copy");
    fs::copy(&crashed.program, &copy).expect("ours");
    fs::rename(&copy, &crashed.program).expect("ours");
    assert_eq!(resolve()[0].symbol, None);
    fs::remove_file(&crashed.program).expect("ours");
    nix::unistd::mkfifo(&crashed.program, nix::sys::stat::Mode::S_IRWXU).expect("ours");
    assert_eq!(resolve()[0].symbol, None);
}

#[test]
fn damaged_files_and_stacks_are_survived() {
    let crashed = Crashed::new("plain");
    let good = fs::read(&crashed.program).expect("the program");
    let damaged = crashed.program.with_extension("damaged");
    // A generator with a fixed start, so that a failure comes again.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).expect("below a usize")
    };
    let began = Instant::now();
    let (mut readable, mut followed) = (0, 0);
    for round in 0..400 {
        let mut bytes = good.clone();
        for _ in 0..=round % 40 {
            // Half of the damage goes to the ELF header, the rest anywhere.
            let reach = if random(2) == 0 { 64 } else { bytes.len() };
            let at = 16 + random(reach - 16);
            bytes[at] = u8::try_from(random(256)).expect("a byte");
        }
        if round % 5 == 0 {
            bytes.truncate(random(bytes.len()));
        }
        fs::write(&damaged, &bytes).expect("ours");
        let Ok(module) = Module::read(&fs::File::open(&damaged).expect("ours")) else {
            continue;
        };
        readable += 1;
        let mut stack = crashed.stack.clone();
        for _ in 0..64 {
            let at = random(stack.len());
            stack[at] ^= 0xff;
        }
        let stack = Stack {
            start: crashed.registers.sp,
            bytes: &stack,
        };
        let registers = RegisterFile::new(&crashed.registers);
        for offset in (0..good.len()).step_by(97) {
            let Some(address) = module.address_of(offset as u64) else {
                continue;
            };
            module.symbols.find(address);
            let Some(cfi) = &module.cfi else { continue };
            followed += usize::from(cfi.caller(address, &registers, &stack, true).is_ok());
        }
    }
    assert!(
        readable > 20 && followed > 20,
        "{readable} readable, {followed} frames"
    );
    assert!(began.elapsed() < Duration::from_mins(1));
}
