//! The functions of nginx through which it answers with an error of its own and writes its error
//! log: they run for failures only, and tell of them whatever becomes of the answer or of the log.

use aya_ebpf::{
    helpers::{bpf_get_current_pid_tgid, generated::bpf_probe_read_user_str},
    macros::{map, uprobe},
    maps::PerCpuArray,
    programs::ProbeContext,
};
use nginx_probe_ebpf::{
    connection::{self, Connection, ENDED_EARLY, Message, Worker, phase, role},
    record::{ARGUMENT_LEN, FORMAT_LEN, Kind, LogMessage},
};

use crate::{
    requests::client,
    ring::{header, reserve_common},
    user, workers,
};

/// The first code that says that somebody failed.
const BAD_REQUEST: u64 = 400;
/// No code is larger.
const MAX_CODE: u64 = 999;
/// The codes of nginx's own that a client gets as 400: a header too large, a certificate that is
/// missing or wrong, plain HTTP on a port for TLS (`ngx_http_request.h`).
const SENT_AS_400: core::ops::RangeInclusive<u64> = 494..=497;

/// `stderr` (0) is no level; `debug` (8) is of builds that debug, and too frequent.
const LEVELS: core::ops::RangeInclusive<u64> = 1..=7;
/// The mildest level of a failure.
const ERROR: u8 = 4;
/// The mildest level that may explain an answer: limits may be set to be logged so.
const NOTICE: u8 = 6;

/// The first words of a request, of which one points to the request itself when it is no
/// subrequest (`r->main`). Which one depends on nginx's version; nothing before it, nor in the
/// rest of these, ever points there.
const REQUEST_WORDS: usize = 160;

#[map]
static REQUEST: PerCpuArray<[u64; REQUEST_WORDS]> = PerCpuArray::with_max_entries(1, 0);

/// The worker that runs now, in its main thread: the threads of a pool answer no request.
#[inline]
fn current() -> Option<(u32, bool, &'static mut Worker)> {
    let ids = bpf_get_current_pid_tgid();
    let pid = (ids >> 32) as u32;
    let (is_main, worker) = (ids as u32 == pid, workers::get(pid)?);
    if is_main && worker.sleeps != 0 {
        workers::note_sleep(worker);
    }
    Some((pid, is_main, worker))
}

/// `ngx_http_special_response_handler(request, error)`: nginx begins an error answer of its own.
/// An error page may still change what is sent.
#[uprobe]
pub fn error_path_answer(ctx: ProbeContext) -> u32 {
    let Some(code) = ctx.arg::<u64>(1) else {
        return 0;
    };
    if !(BAD_REQUEST..=MAX_CODE).contains(&code) {
        return 0; // a redirect, or an error that is no answer (`NGX_ERROR`)
    }
    let (Some((pid, true, worker)), Some(request)) = (current(), ctx.arg::<u64>(0)) else {
        return 0;
    };
    if !is_main(request) {
        return 0;
    }
    let code = if SENT_AS_400.contains(&code) {
        BAD_REQUEST
    } else {
        code
    };
    let Some(client) = whose(worker, pid) else {
        worker.made = code as u16;
        return 0;
    };
    if client.role == role::OPAQUE_CLIENT {
        // Another request on the same connection, not yet sent.
        if client.made != 0 && client.buffer != request {
            client::made_opaquely(pid, client, worker.focus - 1);
        }
        client.buffer = request;
        client.made = code as u16;
    } else if client.role == role::CLIENT && client.phase == phase::ASKED {
        client.made = code as u16;
    }
    0
}

/// The client that what nginx says and does now is for; none when it is not known, for it is another
/// one than that of the last event: one event may end several requests, as a name that cannot be
/// resolved does.
#[inline]
fn whose(worker: &Worker, pid: u32) -> Option<&'static mut Connection> {
    if worker.focus == 0 {
        return None;
    }
    let client = workers::connection(pid, worker.focus - 1)?;
    let is_answered = client.role == role::CLIENT && client.phase == phase::ANSWERED;
    (!is_answered).then_some(client)
}

/// The client whose upstream has just ended what it sent. What is said without that may be about
/// another client than that of the last event: time has run out for it, or it was refused.
#[inline]
fn ended(worker: &Worker, pid: u32) -> Option<&'static mut Connection> {
    if worker.focus == 0 || worker.ended != worker.focus {
        return None;
    }
    let client = workers::connection(pid, worker.focus - 1)?;
    (client.role == role::CLIENT && client.phase != phase::NEW).then_some(client)
}

/// Whether a request is a client's own and not a subrequest, whose answer is a part of another's.
#[inline]
fn is_main(request: u64) -> bool {
    let Some(words) = REQUEST.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: the value is this processor's, and no other program uses the map.
    let words = unsafe { &mut *words };
    // SAFETY: the buffer has that length.
    let read = unsafe {
        user::copy::<{ REQUEST_WORDS * 8 }>(
            core::ptr::from_mut(words).cast(),
            request,
            (REQUEST_WORDS * 8) as u64,
        )
    };
    read == 0 && words.contains(&request)
}

/// `ngx_log_error_core(level, log, error, format, ...)`: a message that the configured level lets
/// through, wherever it goes.
#[uprobe]
pub fn error_path_log(ctx: ProbeContext) -> u32 {
    let (Some((pid, is_main, worker)), Some(level)) = (current(), ctx.arg::<u64>(0)) else {
        return 0;
    };
    let (Some(log), Some(errno), Some(format)) =
        (ctx.arg::<u64>(1), ctx.arg::<u32>(2), ctx.arg::<u64>(3))
    else {
        return 0;
    };
    if !LEVELS.contains(&level) {
        return 0;
    }
    let level = level as u8;
    let message = Message {
        message: connection::message(level, format),
        pid,
        errno: errno as u16,
        about: u16::from(is_of_connection(log)),
    };
    if !workers::count_message(&message) && tell(&ctx, &message, format) {
        workers::first_message(&message);
    }
    if is_main && level <= NOTICE && message.about != 0 {
        note(worker, &message, level);
    }
    0
}

/// Whether a log is a connection's, whose number (`*7`) then stands before each of its messages: the
/// third word of `ngx_log_t`, from nginx 1.7 to this day.
#[inline]
fn is_of_connection(log: u64) -> bool {
    const NUMBER: u64 = 16;
    user::read::<u64>(log + NUMBER).is_ok_and(|number| number != 0)
}

/// Notes a message with the client whose event is handled, or for the one to whom something is sent
/// next: the worst one, the last of these.
#[inline]
fn note(worker: &mut Worker, message: &Message, level: u8) {
    if level <= ERROR
        && let Some(client) = ended(worker, message.pid)
    {
        if client.phase == phase::ANSWERED {
            client::said_late(message.pid, client, worker.focus - 1, message);
        } else {
            client.status = ENDED_EARLY;
        }
    }
    let (noted, errno) = match whose(worker, message.pid) {
        Some(client) => (&mut client.message, &mut client.message_errno),
        None => (&mut worker.message, &mut worker.message_errno),
    };
    let (before, _) = connection::message_parts(*noted);
    if before == 0 || level <= before {
        *noted = message.message;
        *errno = message.errno;
    }
}

/// Tells what a message says; `false` when that could not be sent, so that the next one is tried.
#[inline]
fn tell(ctx: &ProbeContext, message: &Message, format: u64) -> bool {
    let Some(mut entry) = reserve_common::<LogMessage>(Kind::LogMessage) else {
        return false;
    };
    let record = entry.as_mut_ptr();
    let (Some(first), Some(second)) = (ctx.arg::<u64>(4), ctx.arg::<u64>(5)) else {
        entry.discard(0);
        return false;
    };
    // SAFETY: `record` points to a whole reserved record, of which each field is written; the
    // helpers check the source and write no more than they are told.
    unsafe {
        (&raw mut (*record).header).write(header(Kind::LogMessage, message.pid));
        (&raw mut (*record).message).write(message.message);
        (&raw mut (*record).errno).write(message.errno);
        (&raw mut (*record).about).write(message.about);
        (&raw mut (*record).padding).write(0);
        let text = &raw mut (*record).format;
        text.write([0; FORMAT_LEN]);
        bpf_probe_read_user_str(text.cast(), FORMAT_LEN as u32, format as *const _);
        let text = &raw mut (*record).argument;
        text.write([0; ARGUMENT_LEN]);
        // The agent sees from the format whether it is a string, and then whether its length stands
        // before it (`%*s`), which is no address.
        let length = ARGUMENT_LEN as u32;
        if bpf_probe_read_user_str(text.cast(), length, first as *const _) < 0 {
            bpf_probe_read_user_str(text.cast(), length, second as *const _);
        }
    }
    entry.submit(0);
    true
}
