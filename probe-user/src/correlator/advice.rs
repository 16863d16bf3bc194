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
        Cause::WorkerHung => vec![
            "look at what serves the requests in flight: a Lua or njs handler that loops, a module or a \
             name look-up that blocks, a disk or network file system that does not answer",
            "a worker that spins shows where with perf top -p PID, a blocked one with the kernel stack \
             in /proc/PID/stack; kill -9 of that one worker has the master replace it",
            "for slow disks use aio threads; to let a stopped worker go on send it SIGCONT",
        ],
        Cause::BacklogOverflow => vec![
            "find out why workers do not accept: a hung worker, no processor left, no descriptor or \
             connection slot left",
            "if bursts are the reason, raise backlog= of that listen directive and net.core.somaxconn, \
             then reload",
        ],
        Cause::UpstreamResponse | Cause::UpstreamMasked => vec![
            "look into the application's own log: the failure is its answer",
            "take a server that fails out of its upstream block (down) and reload, while others can \
             serve",
        ],
        Cause::UpstreamIntercepted => vec![
            "look at error_page and *_intercept_errors of that location: the page or named location \
             that they lead to is missing, or fails itself",
        ],
        Cause::UpstreamRefused => vec![
            "see whether the application listens at that address; restart it if it does not",
            "take the server out of its upstream block (down) and reload, while others can serve",
        ],
        Cause::UpstreamTimeout => vec![
            "find out what the application waits for; more workers of it if it has none free",
            "raise proxy_read_timeout (or that of its protocol) only for what is meant to be slow",
        ],
        Cause::BackendCrash => vec![
            "see what runs again in the pool that the evidence names, and restart it if nothing does",
            "the evidence says what ended it; for more look into its own log and the kernel's",
        ],
        Cause::UpstreamClosed => vec![
            "look into the application's own log and the kernel's for its death; restart its pool",
            "an answer that nginx takes for invalid may also be a header larger than proxy_buffer_size",
        ],
        Cause::FdExhaustion => vec![
            "raise worker_rlimit_nofile above 2 × worker_connections and reload; the service's \
             LimitNOFILE may cap it",
            "see what holds the descriptors: ls -l /proc/PID/fd of the worker",
        ],
        Cause::WorkerConnections => vec![
            "raise worker_connections, and worker_rlimit_nofile with it, and reload",
            "see what holds the connections: slow clients, long polls, an upstream that does not answer",
        ],
        Cause::MemoryExhaustion => vec![
            "compare the host's or the control group's memory with what workers use; see ulimit -v",
        ],
        Cause::DiskFull => vec![
            "make room where the evidence points: client_body_temp_path, proxy_temp_path, a cache or \
             a log",
        ],
        Cause::PermissionDenied => vec![
            "let the user of the workers read the file that the error log names, and enter its folders",
        ],
        Cause::RedirectCycle => vec![
            "find the rewrite, try_files, index or error_page that leads back to its own location",
        ],
        Cause::ConfigError => {
            vec!["the error log names the directive's mistake; nginx -t does not see it"]
        }
        Cause::AuthRequest => vec![
            "the auth_request service answers with neither 2xx, 401 nor 403: look into its log",
        ],
        Cause::LuaError => vec!["the error log has the Lua traceback"],
        Cause::Limited => {
            vec!["expected when limits work; else raise limit_req's rate and burst, or limit_conn"]
        }
        _ => vec![
            "add $upstream_status and $upstream_addr to log_format: they tell the application's \
             failures from nginx's own",
            "read the error log of the same seconds",
        ],
    }
}
