//! The master and its children, and configurations.

use crate::correlator::Cause::{MemoryExhaustion, ReloadFailed, WorkerCrash, WorkerShutdown};

super::table! {
    worker_crashed: Some(WorkerCrash), NoAnswer, [Alert], Own, "ngx_process_get_status",
        "a worker crashed: a fault of nginx or of a module",
        [start("worker process % exited on signal 11"),
         start("worker process % exited on signal 6").ends(" 6"),
         start("worker process % exited on signal 7").ends(" 7"),
         start("worker process % exited on signal 8").ends(" 8"),
         start("worker process % exited on signal 4").ends(" 4"),
         start("worker process % exited on signal 5").ends(" 5"),
         start("worker process % exited on signal 31"),
         start("worker process % exited on signal %").ends(" (core dumped)")];
    worker_signal: None, NoAnswer, [Alert], Own, "ngx_process_get_status",
        "a worker was ended by a signal: an OOM kill and a kill look the same here",
        [start("worker process % exited on signal ")];
    worker_fatal: Some(WorkerCrash), NoAnswer, [Alert], Own, "ngx_process_get_status",
        "a worker could not start and is not started anew",
        [start("worker process % exited with fatal code ")];
    worker_exit_code: Some(WorkerCrash), NoAnswer, [Notice, Alert], Own, "ngx_process_get_status",
        "a worker ended itself because of an error",
        [start("worker process % exited with code 1"), start("worker process % exited with code 2"),
         start("worker process % exited with code 3"), start("worker process % exited with code 4"),
         start("worker process % exited with code 5"), start("worker process % exited with code 6"),
         start("worker process % exited with code 7"), start("worker process % exited with code 8"),
         start("worker process % exited with code 9"),
         // Windows' numbers of exceptions are hexadecimal.
         start("worker process % exited with code C0")];
    worker_exit: None, Unharmed, [Notice], Own, "ngx_process_get_status",
        "a child of the master ended by itself",
        [start("worker process % exited with code "),
         start("cache manager process % exited with code 0"),
         start("cache loader process % exited with code 0"),
         start("new binary process % exited with code 0")];
    cache_process_ended: None, Unharmed, [Alert, Notice], Own, "ngx_process_get_status",
        "a process that only keeps the cache crashed, failed or was killed: no client noticed",
        [start("cache manager process % exited "), start("cache loader process % exited ")];
    upgrade_failed: None, Unharmed, [Alert, Notice, Crit], Own,
        "ngx_process_get_status, ngx_exec_new_binary, ngx_reap_children",
        "a new binary did not start, or ended: the old one serves on",
        [start("new binary process % exited "), start("execve() failed while executing"),
         start("rename() /").has(&[" back to "]), start("rename() /").has(&[" before executing new binary"]),
         start("the changing binary signal is ignored")];
    respawn_failed: None, NoAnswer, [Alert], Own, "ngx_reap_children",
        "a worker ended and none replaces it", [start("could not respawn ")];
    spawn_failed: Some(MemoryExhaustion), NoAnswer, [Alert], Own, "ngx_spawn_process",
        "the master cannot make a child",
        [start("fork() failed"), start("socketpair() failed while spawning"),
         start("no more than % processes can be spawned")];
    socket_leak: None, Unharmed, [Alert], Own, "ngx_worker_process_exit",
        "a worker ended with connections still open: a leak in nginx or a module",
        [start("open socket #"), start("aborting").at(Level::Alert)];
    zone_locked: None, Unharmed, [Alert], Own, "ngx_unlock_mutexes",
        "a worker died while it held a shared zone; the lock was forced",
        [start("shared memory zone \"").at(Level::Alert)];
    shutdown_timeout: Some(WorkerShutdown), NoAnswer, [Warn, Notice, Info], Own, "ngx_shutdown_timer_handler",
        "worker_shutdown_timeout closed connections of a draining worker",
        [start("shutdown timeout")];
    worker_setup: None, Unharmed, [Alert, Emerg], Own, "ngx_worker_process_init",
        "a worker could not be given its limits, user or priority",
        [start("setrlimit("), start("setpriority("), start("sched_setaffinity() failed"),
         start("prctl("), start("setuid("), start("setgid("), start("initgroups("), start("capset("),
         start("chdir("), start("cpuset_setaffinity() failed"), start("epoll_create() failed"),
         start("kqueue() failed"), start("sigprocmask() failed")];
    feature_unavailable: None, Unharmed, [Emerg, Alert, Warn], Own,
        "ngx_epoll_aio_init, ngx_epoll_notify_init, ngx_configure_listening_sockets, ngx_quic_bpf_module_init",
        "the system lacks something that nginx can do without: it serves on",
        [start("io_setup() failed"), start("eventfd() failed"), start("ioctl(eventfd, "),
         start("epoll_ctl(EPOLL_CTL_ADD, eventfd) failed"),
         start("setsockopt(").has(&[" failed, ignored"]),
         start("getsockopt(").has(&[" failed, ignored"]),
         start("ngx_quic_bpf_module failed to initialize properly, ignored")];
    signal_failed: None, Unharmed, [Error], BeforeErrno, "ngx_signal_process, ngx_os_signal_process",
        "nginx -s, or a script, found no nginx that runs",
        [start("open() \"").at(Level::Error).alone().ends("pid\" failed"),
         start("open() \"").at(Level::Error).alone().ends(".oldbin\" failed"),
         start("CreateFile() \"").at(Level::Error).alone().ends("pid\" failed"),
         start("invalid PID number \""), start("OpenEvent(\"").at(Level::Error)];
    log_open_failed: None, Unharmed, [Emerg], Own, "ngx_init_cycle, ngx_reopen_files",
        "a log cannot be opened: the configuration is refused, or (reopening) the old file goes on",
        [start("open() \"").at(Level::Emerg).ends("\" failed")];
    config_refused: Some(ReloadFailed), Unharmed, [Emerg], Own,
        "ngx_conf_log_error, ngx_init_cycle, ngx_open_listening_sockets",
        "a configuration was refused; on a reload the old one serves on",
        [start("bind() to ").at(Level::Emerg), start("still could not bind()"),
         start("listen() to "), start("configuration file ").ends(" test failed"),
         start("").at(Level::Emerg).alone()];
    config_warning: None, Unharmed, [Warn, Alert, Notice], Own, "ngx_conf_log_error",
        "a configuration was taken, with doubts",
        [start("conflicting server name"), start("the \"").at(Level::Warn).alone(),
         start("\"").at(Level::Warn).alone(), start("duplicate ").at(Level::Warn).alone(),
         start("could not build optimal"), start("low address bits of"),
         start("server name \"").at(Level::Warn), start("could not open error log file")];
    signal_received: None, Unharmed, [Notice], Own, "ngx_signal_handler",
        "a process of nginx got a signal", [start("signal % (")];
    signal_sent: None, Unharmed, [Notice], Own, "ngx_signal_process",
        "nginx -s was called", [start("signal process started")];
    reload_started: None, Unharmed, [Notice], Own, "ngx_master_process_cycle",
        "the master reads its configuration anew", [start("reconfiguring")];
    reopening: None, Unharmed, [Notice], Own, "ngx_reopen_files", "logs are opened anew",
        [start("reopening logs")];
    upgrade_started: None, Unharmed, [Notice], Own, "ngx_master_process_cycle",
        "a new binary was started", [start("changing binary")];
    worker_started: None, Unharmed, [Notice], Own, "ngx_spawn_process", "a child was started",
        [start("start worker process"), start("start cache manager process"),
         start("start cache loader process"), start("start new binary process")];
    exiting: None, Unharmed, [Notice], Own, "ngx_worker_process_cycle, ngx_master_process_exit",
        "a process of nginx ends as it was told",
        [start("gracefully shutting down"), start("exiting"), start("exit").at(Level::Notice)];
    started: None, Unharmed, [Notice], Own, "main, ngx_os_status, ngx_event_module_init",
        "nginx says what it is",
        [start("using the \""), start("nginx/"), start("OS: "), start("built by "),
         start("getrlimit(RLIMIT_NOFILE): "), start("openresty/"), start("using inherited sockets")];
    system_call: None, Unharmed, [Alert, Crit, Error, Warn, Info], Own, "many",
        "the kernel refused something that no other class names",
        [start("epoll_ctl("), start("epoll_wait() failed"), start("setsockopt("), start("ioctl("),
         start("close() "), start("kill("), start("sendmsg() "), start("recvmsg() "),
         start("getsockname() failed"), start("fcntl("), start("shutdown() failed"), start("chmod() "),
         start("sendto() failed"), start("fstat() "), start("epoll_wait() returned "), start("epoll_wait() timed out"), start("epoll close() "),
         start("eventfd close() failed"), start("read(eventfd) "), start("write() to eventfd"),
         start("io_destroy() failed"), start("io_getevents() failed"), start("kevent(EVFILT"),
         start("kevent() failed"), start("kevent() error on "), start("poll() "), start("select() "),
         start("strange "), start("sigaction("), start("setitimer() failed"),
         start("getrlimit("), start("waitpid() failed"), start("munmap("), start("sem_"),
         start("pthread_"), start("getsockopt("), start("socketpair() failed"), start("sysctl"),
         start("uname() failed"), start("lock file "), start("sendto() incomplete")];
}
