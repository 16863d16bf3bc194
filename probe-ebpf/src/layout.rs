//! Where the running kernel keeps what the programs read.
//!
//! No offset is written into the programs. The agent looks each one up in the kernel's BTF and
//! passes them as the read-only global `LAYOUT`, an array of words in the order of [`FIELDS`].

/// The value of an offset or a fact that this kernel does not have.
pub const ABSENT: u32 = u32::MAX;

/// How a word of the layout is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// The byte offset of a struct member: the struct, then the member's path below it.
    Member(&'static str, &'static [&'static str]),
    /// As [`Find::Member`], plus a number of bytes: an element of an array.
    Element(&'static str, &'static [&'static str], u32),
    /// The size of a struct in bytes.
    Size(&'static str),
    /// 1 when the enumeration (first) has the value named (second), else absent.
    Enumerator(&'static str, &'static str),
    /// 1 when the first argument of the tracepoint is a pointer, 0 when it is a number. Named by the
    /// typedef that BTF keeps of the tracepoint's arguments.
    PointerArgument(&'static str),
}

/// One word of the layout.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// How it is found in BTF.
    pub find: Find,
    /// Without it the programs cannot run at all.
    pub required: bool,
}

macro_rules! layout {
    ($($(#[$doc:meta])* $name:ident = $index:literal, $required:literal, $find:expr;)*) => {
        /// Indices into the layout.
        #[allow(missing_docs, reason = "each is documented by the struct member that it names")]
        pub mod index {
            $($(#[$doc])* pub const $name: usize = $index;)*
        }
        /// Every word of the layout, in order.
        pub const FIELDS: &[Field] = &[$(Field { find: $find, required: $required },)*];
        const _: () = {
            let mut next = 0;
            $(assert!(index::$name == next); next += 1;)*
            assert!(next == FIELDS.len());
        };
    };
}

layout! {
    TASK_TGID = 0, true, Find::Member("task_struct", &["tgid"]);
    TASK_PID = 1, true, Find::Member("task_struct", &["pid"]);
    TASK_SIGNAL = 2, true, Find::Member("task_struct", &["signal"]);
    TASK_EXIT_CODE = 3, true, Find::Member("task_struct", &["exit_code"]);
    TASK_GROUP_LEADER = 4, true, Find::Member("task_struct", &["group_leader"]);
    SIGNAL_LIVE = 5, true, Find::Member("signal_struct", &["live"]);
    SIGNAL_FLAGS = 6, true, Find::Member("signal_struct", &["flags"]);
    SIGNAL_GROUP_EXIT_CODE = 7, true, Find::Member("signal_struct", &["group_exit_code"]);
    SIGINFO_CODE = 8, true, Find::Member("kernel_siginfo", &["si_code"]);
    SIGINFO_ADDRESS = 9, true,
        Find::Member("kernel_siginfo", &["_sifields", "_sigfault", "_addr"]);
    SIGACTION_HANDLER = 10, true, Find::Member("k_sigaction", &["sa", "sa_handler"]);
    /// Since Linux 6.8 (and in stable kernels that took the change over) `mark_victim` takes a task,
    /// before that a process id.
    VICTIM_IS_TASK = 11, false, Find::PointerArgument("btf_trace_mark_victim");
    TASK_MM = 12, false, Find::Member("task_struct", &["mm"]);
    /// Since Linux 6.2 an array of `percpu_counter`.
    MM_RSS_COUNTERS = 13, false, Find::Member("mm_struct", &["rss_stat"]);
    /// Before Linux 6.2 an array of `atomic_long_t` in `struct mm_rss_stat`.
    MM_RSS_ATOMICS = 14, false, Find::Member("mm_struct", &["rss_stat", "count"]);
    COUNTER_SIZE = 15, false, Find::Size("percpu_counter");
    COUNTER_COUNT = 16, false, Find::Member("percpu_counter", &["count"]);
    /// `bpf_task_pt_regs` came with Linux 5.15.
    HAS_TASK_PT_REGS = 17, false, Find::Enumerator("bpf_func_id", "BPF_FUNC_task_pt_regs");
    REGS_IP = 18, false, REGISTERS.0;
    REGS_SP = 19, false, REGISTERS.1;
    REGS_FP = 20, false, REGISTERS.2;
    REGS_LR = 21, false, REGISTERS.3;
    /// The number of the system call, and its arguments, as they are when it returns.
    REGS_CALL = 22, true, CALL.0;
    REGS_ARG0 = 23, true, CALL.1;
    REGS_ARG1 = 24, true, CALL.2;
    REGS_ARG2 = 25, true, CALL.3;
    REGS_ARG3 = 26, true, CALL.4;
    /// Of a socket and of the thread that uses it: where both sides of a request are seen by their
    /// sockets.
    TASK_SLEEPS = 27, false, Find::Member("task_struct", &["nvcsw"]);
    SOCK_FAMILY = 28, false, Find::Member("sock_common", &["skc_family"]);
    SOCK_PORT = 29, false, Find::Member("sock_common", &["skc_dport"]);
    SOCK_ADDRESS = 30, false, Find::Member("sock_common", &["skc_daddr"]);
    SOCK_ADDRESS6 = 31, false, Find::Member("sock_common", &["skc_v6_daddr"]);
    SOCK_TYPE = 32, false, Find::Member("sock", &["sk_type"]);
    SOCK_ERROR = 33, false, Find::Member("sock", &["sk_err"]);
    UNIX_ADDRESS = 34, false, Find::Member("unix_sock", &["addr"]);
    UNIX_PEER = 35, false, Find::Member("unix_sock", &["peer"]);
    UNIX_NAME = 36, false, Find::Member("unix_address", &["name"]);
}

/// Number of words in the layout.
pub const WORDS: usize = FIELDS.len();

/// Instruction pointer, stack pointer, frame pointer and link register. The words are found by the
/// agent, so its architecture decides; the programs are the same on every one.
#[cfg(not(target_arch = "aarch64"))]
const REGISTERS: (Find, Find, Find, Find) = (
    Find::Member("pt_regs", &["ip"]),
    Find::Member("pt_regs", &["sp"]),
    Find::Member("pt_regs", &["bp"]),
    Find::Member("pt_regs", &["no_link_register"]),
);
#[cfg(target_arch = "aarch64")]
const REGISTERS: (Find, Find, Find, Find) = (
    Find::Member("pt_regs", &["pc"]),
    Find::Member("pt_regs", &["sp"]),
    Find::Element("pt_regs", &["regs"], 29 * 8),
    Find::Element("pt_regs", &["regs"], 30 * 8),
);

/// The system call's number and its first four arguments. The register that holds the result keeps
/// its argument elsewhere on arm64 (`orig_x0`).
#[cfg(not(target_arch = "aarch64"))]
const CALL: (Find, Find, Find, Find, Find) = (
    Find::Member("pt_regs", &["orig_ax"]),
    Find::Member("pt_regs", &["di"]),
    Find::Member("pt_regs", &["si"]),
    Find::Member("pt_regs", &["dx"]),
    Find::Member("pt_regs", &["r10"]),
);
#[cfg(target_arch = "aarch64")]
const CALL: (Find, Find, Find, Find, Find) = (
    Find::Member("pt_regs", &["syscallno"]),
    Find::Member("pt_regs", &["orig_x0"]),
    Find::Element("pt_regs", &["regs"], 8),
    Find::Element("pt_regs", &["regs"], 2 * 8),
    Find::Element("pt_regs", &["regs"], 3 * 8),
);
