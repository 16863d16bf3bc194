//! Any end, stop and failed start of a whole nginx.

use proptest::{option, prelude::*, sample::select};

use super::{ends::ended, name};
use crate::{
    clock::Time,
    facts::{
        Down, Event, FailedStart, MasterExit, Orphans, Reload, ReloadResult, Stop, Task, detail,
    },
    names::Name,
};

const TASKS: [Task; 3] = [Task::Serve, Task::Test, Task::Unknown];

fn details() -> impl Strategy<Value = Option<Name>> {
    option::of(select(&detail::ALL[..]))
}

pub(super) fn event() -> BoxedStrategy<Event> {
    let master_exit = (any::<u32>(), ended(), any::<u32>(), details());
    let reload = (any::<bool>(), any::<u32>(), details());
    prop_oneof![
        master_exit.prop_map(|(pid, ended, orphans, detail)| {
            Event::MasterExit(MasterExit {
                pid,
                reason: ended.0,
                signal: ended.1,
                exit_code: ended.2,
                sender: ended.3,
                orphans,
                detail,
            })
        }),
        reload.prop_map(|(ok, generation, detail)| {
            let result = if ok {
                ReloadResult::Ok
            } else {
                ReloadResult::Failed
            };
            Event::Reload(Reload {
                result,
                generation,
                detail,
            })
        }),
        down().prop_map(Event::Down),
        failed().prop_map(Event::StartFailed),
        (any::<u32>(), any::<Option<u32>>())
            .prop_map(|(workers, master)| Event::Orphans(Orphans { workers, master })),
    ]
    .boxed()
}

fn down() -> impl Strategy<Value = Down> {
    let told = (
        0..=Time::LAST.0,
        name(),
        any::<bool>(),
        any::<Option<u64>>(),
    );
    (any::<u32>(), option::of(told), ended(), any::<[bool; 2]>()).prop_map(
        |(master, told, ended, [seen, left_pid_file])| Down {
            master,
            stop: told.map(|(time, signal, managed, after_oom_ms)| Stop {
                time: Time(time),
                signal,
                sender: ended.3,
                managed,
                after_oom_ms,
            }),
            reason: seen.then_some(ended.0),
            left_pid_file,
        },
    )
}

fn failed() -> impl Strategy<Value = FailedStart> {
    (any::<u32>(), select(&TASKS[..]), ended(), any::<bool>()).prop_map(
        |(pid, task, ended, managed)| FailedStart {
            pid,
            task,
            signal: ended.1,
            exit_code: ended.2,
            managed,
        },
    )
}
