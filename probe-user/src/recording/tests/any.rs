//! Any fact that a source can give.

mod down;
mod ends;

use std::{sync::Arc, time::Duration};

use proptest::{collection::vec, option, prelude::*, sample::select};

use self::ends::{backend_exit, lost, worker_exit};
use crate::{
    access_log::how::How,
    backends::BackendServes,
    clock::Time,
    container::{Container, Identity, Runtime},
    errnos::Failure,
    error_log::{Level, classes, named},
    error_path::Message,
    facts::{Dropped, Event, Fact, Logged, Noted, Role, Sources, Upgrade, WorkerStart},
    hang::{How as Hang, Hung, Returned},
    listen_queue::{Listener, Overflow},
    names::Name,
    requests::{Answer, Attempt, End, RequestLine},
};

/// One that the tests need, whichever.
pub(super) fn some_fact(time: Time) -> Fact {
    Fact {
        time,
        instance: "/run/nginx.pid".into(),
        event: Event::Logged(Box::new(Logged::several(500, How::Untold, 2))),
    }
}

/// A message of that class.
pub(super) fn noted(class: &str, time: Time) -> Fact {
    let note = Noted {
        class: named(class).expect("a class"),
        level: Level::Error,
        errno: Some("EMFILE"),
        pid: 7,
        connection: Some(1),
        request: None,
        client: None,
        upstream: None,
        file: None,
        subrequest: None,
        words: None,
        rule: None,
    };
    Fact {
        time,
        instance: "/run/nginx.pid".into(),
        event: Event::Noted(Box::new(note)),
    }
}

/// Any.
pub(super) fn fact() -> impl Strategy<Value = Fact> {
    (0..=Time::LAST.0, text(), event()).prop_map(|(time, instance, event)| Fact {
        time: Time(time),
        instance: instance.into(),
        event,
    })
}

fn event() -> BoxedStrategy<Event> {
    prop_oneof![
        (any::<u32>(), role(), any::<u32>()).prop_map(|(pid, role, generation)| {
            Event::WorkerStart(WorkerStart {
                pid,
                role,
                generation,
            })
        }),
        worker_exit().prop_map(|exit| Event::WorkerExit(Box::new(exit))),
        down::event(),
        any::<[u32; 3]>().prop_map(|[old_master, new_master, generation]| {
            Event::Upgrade(Upgrade {
                old_master,
                new_master,
                generation,
            })
        }),
        proptest::collection::btree_map(any::<u16>(), any::<u64>(), 0..3)
            .prop_map(Event::Responses),
        logged().prop_map(|logged| Event::Logged(Box::new(logged))),
        note().prop_map(|note| Event::Noted(Box::new(note))),
        any::<[bool; 5]>().prop_map(
            |[requests, messages, access_log, upstream_status, error_log]| {
                Event::Sources(Sources {
                    requests,
                    messages,
                    access_log,
                    upstream_status,
                    error_log,
                })
            }
        ),
        text().prop_map(Event::ConfigRefused),
        (option::of([maybe(), maybe(), maybe(), maybe()]), maybe()).prop_map(
            |(container, unit)| {
                let container = container.map(|[id, name, pod, namespace]| Container {
                    id,
                    name,
                    pod,
                    namespace,
                    runtime: Some(Runtime::CriO),
                });
                Event::Identity(Arc::new(Identity { container, unit }))
            }
        ),
        Just(Event::Forgotten),
        answer().prop_map(|answer| Event::Answer(Box::new(answer))),
        failure().prop_map(|failure| Event::CallFailed(Box::new(failure))),
        (any::<u32>(), any::<bool>(), maybe(), any::<u64>()).prop_map(
            |(pid, for_memory, client, count)| Event::Dropped(Dropped {
                pid,
                for_memory,
                client,
                count
            })
        ),
        (text(), text(), any::<[u64; 3]>()).prop_map(
            |(instance, name, [length, limit, dropped])| {
                let instance = instance.into();
                let listener = Listener {
                    instance,
                    name,
                    length,
                    limit,
                };
                Event::Overflow(Box::new(Overflow { listener, dropped }))
            }
        ),
        hung().prop_map(|hung| Event::Hung(Box::new(hung))),
        (any::<u32>(), duration(), any::<bool>())
            .prop_map(|(pid, lasted, ended)| Event::Returned(Returned { pid, lasted, ended })),
        text().prop_map(|key| Event::BackendServes(BackendServes { key: key.into() })),
        backend_exit().prop_map(|exit| Event::BackendExit(Box::new(exit))),
        any::<u64>().prop_map(Event::Lost),
    ]
    .boxed()
}

/// What others may have chosen.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z/:.0-9]{0,20}",
        ".{0,8}",
        Just("? +0x1 \"\\\n".to_owned())
    ]
}

fn maybe() -> impl Strategy<Value = Option<String>> {
    option::of(text())
}

fn duration() -> impl Strategy<Value = Duration> {
    any::<u64>().prop_map(Duration::from_micros)
}

fn name() -> impl Strategy<Value = Name> {
    select(&["SIGSEGV", "EMFILE", "accept4", "http", "cgroup", "other"][..])
}

fn role() -> impl Strategy<Value = Role> {
    select(&Role::ALL[..])
}

fn request() -> impl Strategy<Value = Option<RequestLine>> {
    let line = (text(), text(), any::<bool>());
    option::of(line.prop_map(|(method, path, cut)| RequestLine { method, path, cut }))
}

fn logged() -> impl Strategy<Value = Logged> {
    let how = select(
        &[
            How::Upstream,
            How::Intercepted,
            How::Masked,
            How::NoConnection,
            How::TimedOut,
            How::Closed,
            How::NoAnswer,
            How::UpstreamOrNginx,
            How::Exhausted,
            How::Nginx,
            How::Untold,
        ][..],
    );
    let numbers = any::<(u16, Option<u64>, Option<u32>, u64)>();
    let statuses = vec(any::<Option<u16>>(), 0..4);
    let requests = (request(), any::<bool>());
    (how, numbers, statuses, maybe(), requests, maybe()).prop_map(
        |(how, numbers, upstream_status, upstream, (request, as_sent), client)| Logged {
            status: numbers.0,
            how,
            upstream_status,
            upstream,
            request,
            as_sent,
            client,
            connection: numbers.1,
            pid: numbers.2,
            count: numbers.3,
        },
    )
}

fn level() -> impl Strategy<Value = Level> {
    select(&Level::ALL[..])
}

fn class() -> impl Strategy<Value = &'static crate::error_log::Class> {
    select(classes().collect::<Vec<_>>())
}

fn note() -> impl Strategy<Value = Noted> {
    let numbers = any::<(u32, Option<u64>)>();
    let texts = (request(), maybe(), maybe(), maybe());
    let said = (maybe(), maybe(), maybe());
    (class(), level(), option::of(name()), numbers, texts, said).prop_map(
        |(class, level, errno, numbers, (request, client, upstream, file), said)| Noted {
            class,
            level,
            errno,
            pid: numbers.0,
            connection: numbers.1,
            request,
            client,
            upstream,
            file,
            subrequest: said.0,
            words: said.1,
            rule: said.2,
        },
    )
}

fn attempt() -> impl Strategy<Value = Attempt> {
    prop_oneof![
        any::<u16>().prop_map(Attempt::Status),
        Just(Attempt::Open),
        Just(Attempt::Unread),
        name().prop_map(|errno| Attempt::Ended(End::Error(errno))),
        select(
            &[
                End::Closed,
                End::Invalid,
                End::GaveUpConnecting,
                End::GaveUp
            ][..]
        )
        .prop_map(Attempt::Ended),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    (class(), level(), option::of(name()), option::of(name())).prop_map(
        |(class, level, errno, call)| Message {
            class,
            level,
            errno,
            call,
        },
    )
}

fn answer() -> impl Strategy<Value = Answer> {
    let numbers = any::<(u32, Option<u16>, u16, Option<u16>)>();
    let tried = (vec(attempt(), 0..4), maybe(), option::of(name()));
    let asked = (request(), maybe(), option::of((name(), name())));
    let times = (option::of(duration()), option::of(duration()));
    let flags = any::<[bool; 6]>();
    (numbers, tried, asked, option::of(message()), times, flags).prop_map(
        |(numbers, tried, asked, message, times, flags)| Answer {
            pid: numbers.0,
            status: numbers.1,
            attempts: tried.0,
            attempts_left_out: numbers.2,
            upstream: tried.1,
            protocol: tried.2,
            request: asked.0,
            client: asked.1,
            failed: asked.2,
            made: numbers.3,
            message,
            opaque: flags[0],
            until_header: times.0,
            duration: times.1,
            stderr: flags[1],
            adopted: flags[2],
            client_gone: flags[3],
            late: flags[4],
            cut: flags[5],
        },
    )
}

fn failure() -> impl Strategy<Value = Failure> {
    let numbers = any::<(u32, Option<u32>, u64, u64)>();
    (name(), name(), maybe(), numbers).prop_map(|(call, errno, about, numbers)| Failure {
        pid: numbers.0,
        call,
        errno,
        about,
        descriptor: numbers.1,
        suppressed: numbers.2,
        count: numbers.3,
    })
}

fn hung() -> impl Strategy<Value = Hung> {
    let how = [Hang::Spinning, Hang::Starved, Hang::Blocked, Hang::Stopped];
    let numbers = any::<(u32, bool, u64, u64)>();
    let place = (maybe(), maybe(), vec(text(), 0..3), vec(lost(), 0..3));
    (
        select(how.to_vec()),
        numbers,
        duration(),
        any::<char>(),
        place,
    )
        .prop_map(
            |(how, numbers, lasted, state, (call, file, stack, requests))| Hung {
                pid: numbers.0,
                draining: numbers.1,
                how,
                lasted,
                state,
                cpu_percent: numbers.2,
                call,
                file,
                stack,
                requests,
                requests_total: numbers.3,
            },
        )
}
