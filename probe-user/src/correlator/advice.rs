//! What to do next, by cause.

use super::Cause;

pub(super) fn advice(cause: Cause) -> Vec<&'static str> {
    match cause {
        Cause::WorkerCrash => vec![
            "look up the module and offset with addr2line or gdb, and the requests of that moment \
             in the access log",
            "take out or update the module that the stack names; third-party modules first",
            "for a core file set worker_rlimit_core and working_directory, then reload",
        ],
        Cause::WorkerOomKill => vec![
            "compare the memory limit with workers × (connections × buffers + cache zones)",
            "raise the limit, or lower worker_processes, proxy_buffers and client_body_buffer_size",
        ],
        Cause::WorkerKilled => vec![
            "ask whoever runs the sender that the evidence names; with none named, look for a limit \
             that the kernel enforces (ulimit -f, ulimit -t)",
        ],
        Cause::MasterDied => vec![
            "start nginx again: the orphaned workers keep the listening sockets until they end, so \
             send them QUIT first",
        ],
        Cause::ReloadFailed => vec![
            "run nginx -t: it names the file and the line",
            "nothing is lost yet: the workers of the last good configuration go on serving, but a \
             restart would fail",
        ],
        _ => vec![
            "add $upstream_status and $upstream_addr to log_format: they tell the application's \
             failures from nginx's own",
            "read the error log of the same seconds",
        ],
    }
}
