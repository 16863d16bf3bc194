//! What to do next, by cause, about what was seen.

use super::{
    Cause, down,
    subjects::{
        Subject::{
            Class, File, Module, Place, Protocol, Reason, Request, Rule, Sender, Unconnected,
            Upstream,
        },
        Subjects,
    },
};
use crate::facts::detail;

/// A configuration is changed safely so.
const RELOAD: &str = "check with nginx -t, then reload: a refused configuration leaves the old one \
                      serving";

pub(super) fn advice(cause: Cause, of: &Subjects) -> Vec<String> {
    let upstream = of.or(Upstream, "the upstream");
    let request = of.or(Request, "");
    let of_request = if request.is_empty() {
        String::new()
    } else {
        format!(" for {request}")
    };
    let take_out = format!(
        "if {upstream} is one of several servers of an upstream block, mark it as down there while \
         the others serve; {RELOAD}"
    );
    let pool = pool(of);
    match cause {
        Cause::UpstreamResponse | Cause::UpstreamMasked => vec![
            format!(
                "look into the log of the application at {upstream}{of_request}: the failure is its \
                 own answer"
            ),
            take_out,
        ],
        Cause::UpstreamIntercepted => vec![
            format!(
                "look at error_page and *_intercept_errors where {} is served: the page or named \
                 location that they lead to is missing, or fails itself",
                of.or(Request, "it")
            ),
            "give error_page a static page that exists, with the status it should have (=404 …)"
                .to_owned(),
        ],
        Cause::UpstreamRefused => vec![
            if of.has(Class, "resolve_failed") {
                "see whether the name that the error log has is right, and whether the resolver \
                 answers"
                    .to_owned()
            } else {
                format!(
                    "see whether {pool} listens at {upstream}{of_request}, and start it if it does \
                     not"
                )
            },
            take_out,
        ],
        Cause::UpstreamTimeout if of.any(Unconnected) => vec![
            format!(
                "nothing answers who connects to {upstream}: see whether its host runs, whether a \
                 firewall drops the packets, and whether its listen queue is full (ss -ltn there)"
            ),
            take_out,
        ],
        Cause::UpstreamTimeout => vec![
            format!(
                "find out what keeps {pool} at {upstream} from answering{of_request}; give it more \
                 workers if none is free"
            ),
            format!(
                "raise {} only for what is meant to be slow",
                if of.has(Protocol, "fastcgi") {
                    "fastcgi_read_timeout"
                } else if of.has(Protocol, "uwsgi") {
                    "uwsgi_read_timeout"
                } else {
                    "proxy_read_timeout (or that of its protocol)"
                }
            ),
            take_out,
        ],
        Cause::UpstreamClosed => vec![
            format!(
                "look into the log of {pool} at {upstream}{of_request}, and into the kernel's for \
                 its end; restart it"
            ),
            "an answer that nginx takes for invalid may also be a header larger than \
             proxy_buffer_size"
                .to_owned(),
        ],
        Cause::BackendCrash => vec![
            format!(
                "see what runs again behind {upstream}, and restart {pool} if nothing does; the \
                 evidence says what ended it"
            ),
            "for more look into its own log, and the kernel's".to_owned(),
        ],
        Cause::NginxDown => down::advice(of),
        Cause::ReloadFailed => reload_failed(of),
        _ => of_configuration(cause, of, &of_request).unwrap_or_else(|| {
            of_host(cause)
                .iter()
                .map(|line| (*line).to_owned())
                .collect()
        }),
    }
}

/// What runs behind an upstream, as far as its protocol tells.
fn pool(of: &Subjects) -> &'static str {
    if of.has(Protocol, "fastcgi") {
        "the FastCGI pool (php-fpm)"
    } else if of.has(Protocol, "uwsgi") {
        "the uWSGI pool"
    } else {
        "the application"
    }
}

/// Where one request, its place in the configuration, or one file is at fault.
fn of_configuration(cause: Cause, of: &Subjects, of_request: &str) -> Option<Vec<String>> {
    Some(match cause {
        Cause::RedirectCycle => vec![
            format!(
                "find the rewrite, try_files, index or error_page that leads back to its own \
                     location{of_request}"
            ),
            RELOAD.to_owned(),
        ],
        Cause::ConfigResponse => vec![
            format!(
                "the configuration asks for it ({}){of_request}: change that if it is not meant",
                of.or(Place, "return, or error_page with =")
            ),
            RELOAD.to_owned(),
        ],
        Cause::ConfigError => vec![
            format!(
                "the error log names the directive's mistake{of_request}, which nginx -t does \
                     not see: a named location, variable or resolver that is missing"
            ),
            RELOAD.to_owned(),
        ],
        Cause::PermissionDenied => vec![format!(
            "let the user of the workers read {}, and enter the folders above it (namei -l \
                 shows them)",
            of.or(File, "the file that the error log names")
        )],
        Cause::DiskFull => vec![format!(
            "make room where {} is (df -h, df -i), or move client_body_temp_path, \
                 proxy_temp_path, the cache or the log",
            of.or(File, "the file")
        )],
        Cause::WorkerKilled => vec![format!(
            "ask whoever runs {}; with no sender named, look for a limit that the kernel \
                 enforces (ulimit -f, ulimit -t)",
            of.or(Sender, "the sender that the evidence names")
        )],
        Cause::AuthRequest => vec![format!(
            "the service behind auth_request answers with neither 2xx, 401 nor 403{of_request}: \
                 look into its log, and whether it runs"
        )],
        Cause::WorkerCrash if !of.has(Reason, "crash") => vec![
            "a worker ended itself: what it wrote to the error log just before, at level emerg, \
             alert or crit, says why"
                .to_owned(),
            "else a module or a library called exit: the requests that were in flight lead to it"
                .to_owned(),
        ],
        Cause::LuaError => vec![format!(
            "the error log has the Lua traceback{of_request}: mend the handler that it names"
        )],
        Cause::ScriptResponse => vec![format!(
            "a script inside nginx (Lua, njs or perl) answers so{of_request}: look into the script, \
                 and into what it logs"
        )],
        Cause::ModuleError => vec![format!(
            "the error log has what {} could not do{of_request}, and on what: mend the file, the \
                 script or the directive that it names",
            of.or(Module, "the module")
        )],
        Cause::DeniedByRule => vec![
            format!(
                "the firewall refused it{of_request} by {}: see whether that rule was right",
                of.or(Rule, "the rule that the error log names")
            ),
            "for requests that it should let pass take the rule out for that place only".to_owned(),
        ],
        _ => return None,
    })
}

/// Where nginx as a whole, or its host, is at fault.
const fn of_host(cause: Cause) -> &'static [&'static str] {
    match cause {
        Cause::WorkerCrash => &[
            "look up the module and offset with addr2line or gdb; the requests that were in flight \
             are named above",
            "take out or update the module that the stack names; third-party modules first",
            "for a core file set worker_rlimit_core and working_directory, then reload",
        ],
        Cause::WorkerOomKill => &[
            "compare the memory limit with workers × (connections × buffers + cache zones)",
            "raise the limit, or lower worker_processes, proxy_buffers and client_body_buffer_size",
        ],
        Cause::WorkerShutdown => &[
            "requests that take longer than worker_shutdown_timeout are cut off at each reload: raise \
             it above the slowest that is meant to be, or reload less often",
        ],
        Cause::MasterDied => &[
            "start nginx again: the orphaned workers keep the listening sockets until they end, so \
             send them QUIT first",
        ],
        Cause::WorkerHung => &[
            "look at what serves the requests in flight: a Lua or njs handler that loops, a module \
             or a name look-up that blocks, a disk or network file system that does not answer",
            "a worker that spins shows where with perf top -p PID, a blocked one with the kernel \
             stack in /proc/PID/stack; kill -9 of that one worker has the master replace it",
            "for slow disks use aio threads; to let a stopped worker go on send it SIGCONT",
        ],
        Cause::BacklogOverflow => &[
            "find out why workers do not accept: a hung worker, no processor left, no descriptor or \
             connection slot left",
            "if bursts are the reason, raise backlog= of that listen directive and \
             net.core.somaxconn, then reload",
        ],
        Cause::FdExhaustion => &[
            "raise worker_rlimit_nofile above 2 × worker_connections and reload; the service's \
             LimitNOFILE may cap it",
            "see what holds the descriptors: ls -l /proc/PID/fd of the worker; Lua code that opens \
             files or sockets must close them",
        ],
        Cause::WorkerConnections => &[
            "raise worker_connections, and worker_rlimit_nofile to twice that, and reload",
            "see what holds the connections: slow clients, long polls, an upstream that does not \
             answer",
        ],
        Cause::MemoryExhaustion => &[
            "compare the host's or the control group's memory with what workers use; see ulimit -v",
            "a shared zone that is full is made larger where it is defined (keys_zone, limit_req_zone \
             …)",
        ],
        Cause::Limited => {
            &["expected when limits work; else raise limit_req's rate and burst, or limit_conn"]
        }
        _ => &[
            "log $status and $upstream_status (and $upstream_addr, $request_time) in log_format: \
             they tell the application's failures from nginx's own",
            "read the error log of the same seconds; nginx-probe doctor says what the agent cannot \
             see",
        ],
    }
}

fn reload_failed(of: &Subjects) -> Vec<String> {
    let mut advice = vec!["run nginx -t: it names the file and the line"];
    if of.has(Reason, detail::REFUSED_BEFORE_SIGNAL) {
        advice.push(
            "if it finds nothing wrong, see whether the pid file is there and names the master",
        );
        advice.push(
            "where the error log has nothing of it, whoever ran the reload was told: under systemd \
             journalctl -u nginx has it",
        );
    }
    advice.push(
        "nothing is lost yet: the workers of the last good configuration go on serving, but a \
         restart would fail",
    );
    advice.into_iter().map(str::to_owned).collect()
}
