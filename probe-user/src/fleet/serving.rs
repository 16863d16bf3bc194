//! What the kernel half tells of the requests of workers.

use nginx_probe_ebpf::record;

use super::{Fleet, Track};
use crate::{
    config::error_page::{ErrorPage, PageStatus},
    errnos::Failure,
    facts::{Dropped, Event},
    requests::{self, Answer, Lost, LostRequest},
};

impl<T: Track> Fleet<T> {
    pub(super) fn answered(&mut self, record: &record::Request) {
        let mut answer = Answer::of(record);
        answer.message = self.messages.of_answer(record);
        if answer.opaque
            && let Some(made) = answer.made
            && self.may_replace(answer.pid, made)
        {
            answer.status = None;
        }
        if answer.cut
            && let Some(process) = self.processes.get_mut(&answer.pid)
            && let Some(child) = process.child_mut()
        {
            child.cut(record.header.time_ns, LostRequest::of(&answer));
        }
        self.of_worker(&record.header, Event::Answer(Box::new(answer)));
    }

    /// Whether an `error_page` may give an error another status; so it is where nobody knows.
    fn may_replace(&self, pid: u32, code: u16) -> bool {
        let master = self.processes.get(&pid).map(|process| process.parent);
        let config = master
            .and_then(|master| self.masters.get(&master))
            .and_then(|master| master.config.as_ref());
        config.is_none_or(|config| {
            let settings = &config.settings;
            let replaced =
                |page: &ErrorPage| page.status != PageStatus::Keep && page.codes.contains(&code);
            !settings
                .places(|effective| effective.error_pages.iter().any(replaced))
                .is_empty()
        })
    }

    pub(super) fn call_failed(&mut self, record: &record::Errno) {
        let failure = Failure::of(record);
        self.of_worker(&record.header, Event::CallFailed(Box::new(failure)));
    }

    pub(super) fn dropped(&mut self, record: &record::AcceptDrop) {
        let dropped = Dropped {
            pid: record.header.pid,
            for_memory: record.memory_errno != 0,
            client: requests::address(&record.client),
            count: 1,
        };
        self.of_worker(&record.header, Event::Dropped(dropped));
    }

    /// A fact about a worker's instance. A process that is none any more, or not yet known for one,
    /// has no instance that it could be told of.
    fn of_worker(&mut self, header: &record::Header, event: Event) {
        let instance = self
            .processes
            .get(&header.pid)
            .and_then(|process| process.child())
            .map(|child| child.instance.clone());
        match instance {
            Some(instance) => self.fact(header.time_ns, &instance, event),
            None => log::debug!("process {} is of no known nginx: {event:?}", header.pid),
        }
    }

    /// What a worker had open when it died; nothing where requests are not followed.
    pub(super) fn lost(&mut self, pid: u32, time_ns: u64) -> Option<Lost> {
        let connections = self.kernel.take(pid)?;
        Some(Lost::of(connections, time_ns))
    }
}
