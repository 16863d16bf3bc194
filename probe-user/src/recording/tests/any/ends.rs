//! Any end of a process.

use std::sync::Arc;

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{maybe, name, role, text};
use crate::{
    backends::BackendExit,
    facts::{Crash, Memory, Reason, Sender, StackFrame, WorkerExit},
    names::Name,
    requests::LostRequest,
};

pub(super) type Ended = (Reason, Option<Name>, Option<u8>, Option<Sender>);

pub(super) fn ended() -> impl Strategy<Value = Ended> {
    let sender = (any::<u32>(), any::<u32>(), text());
    let sender = sender.prop_map(|(pid, uid, comm)| Sender { pid, uid, comm });
    (
        select(&Reason::ALL[..]),
        option::of(name()),
        any::<Option<u8>>(),
        option::of(sender),
    )
}

fn crash() -> impl Strategy<Value = Crash> {
    let frame = (
        any::<u64>(),
        maybe(),
        any::<Option<u64>>(),
        maybe(),
        any::<bool>(),
    );
    let frame = frame.prop_map(|(address, module, offset, symbol, guessed)| StackFrame {
        address,
        module,
        offset,
        symbol,
        guessed,
    });
    (maybe(), maybe(), maybe(), maybe(), vec(frame, 0..3)).prop_map(
        |(address, module, offset, symbol, stack)| Crash {
            address,
            module,
            offset,
            symbol,
            stack,
        },
    )
}

fn memory() -> impl Strategy<Value = Memory> {
    (
        any::<Option<u64>>(),
        any::<Option<u64>>(),
        option::of(name()),
    )
        .prop_map(|(rss_bytes, limit_bytes, scope)| Memory {
            rss_bytes,
            limit_bytes,
            scope,
        })
}

pub(super) fn lost() -> impl Strategy<Value = LostRequest> {
    (maybe(), maybe(), maybe(), maybe(), any::<u64>(), maybe()).prop_map(
        |(client, method, path, host, age_ms, upstream)| LostRequest {
            client,
            method,
            path,
            host,
            age_ms,
            upstream,
        },
    )
}

pub(super) fn worker_exit() -> impl Strategy<Value = WorkerExit> {
    let numbers = (any::<u32>(), any::<u32>(), any::<Option<u64>>());
    let lost = (option::of(vec(lost(), 0..3)), any::<Option<u64>>());
    let flags = (any::<bool>(), any::<bool>(), 0.0..1e9_f64);
    let places = (option::of(crash()), option::of(memory()));
    (numbers, role(), ended(), lost, flags, places).prop_map(
        |(numbers, role, ended, lost, flags, places)| WorkerExit {
            pid: numbers.0,
            role,
            generation: numbers.1,
            reason: ended.0,
            signal: ended.1,
            exit_code: ended.2,
            core_dumped: flags.0,
            sender: ended.3,
            lost_connections: numbers.2,
            lost_requests: lost.0,
            lost_total: lost.1,
            crash: places.0,
            memory: places.1,
            uptime_s: flags.2,
            detail: ended.1,
            by_master: flags.1,
            with_master: !flags.1,
        },
    )
}

pub(super) fn backend_exit() -> impl Strategy<Value = BackendExit> {
    let keys = vec(text().prop_map(Arc::from), 0..3);
    let places = (option::of(crash()), option::of(memory()), keys);
    let flags = any::<(bool, bool, u64, u32)>();
    (ended(), text(), text(), places, flags).prop_map(|(ended, backend, address, places, flags)| {
        BackendExit {
            pid: flags.3,
            backend,
            address,
            reason: ended.0,
            signal: ended.1,
            exit_code: ended.2,
            core_dumped: flags.0,
            sender: ended.3,
            memory: places.1,
            crash: places.0,
            omitted: flags.2,
            keys: places.2,
            leader: flags.1,
        }
    })
}
