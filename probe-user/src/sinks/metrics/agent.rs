//! The agent itself: its sources, its events, its memory in the kernel.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};

use super::labels::{OfKind, OfSource};
use crate::source::{ALL as SOURCES, Stem};
use nginx_probe_ebpf::record::Kind;

pub(super) struct Agent {
    source_up: Family<OfSource, Gauge>,
    events: Family<OfKind, Counter>,
    events_lost: Family<OfKind, Counter>,
    pub(super) kernel_memory: Gauge,
    pub(super) journal_lost: Counter,
}

impl Agent {
    pub(super) fn new(r: &mut Registry) -> Self {
        let new = Self {
            source_up: Family::default(),
            events: Family::default(),
            events_lost: Family::default(),
            kernel_memory: Gauge::default(),
            journal_lost: Counter::default(),
        };
        r.register(
            "nginx_probe_source_up",
            "1 while a source of the agent works",
            new.source_up.clone(),
        );
        r.register(
            "nginx_probe_events",
            "Records received from the kernel side",
            new.events.clone(),
        );
        r.register(
            "nginx_probe_events_lost",
            "Records that the kernel side could not deliver",
            new.events_lost.clone(),
        );
        r.register(
            "nginx_probe_kernel_memory_bytes",
            "Kernel memory of the agent's maps and programs",
            new.kernel_memory.clone(),
        );
        r.register(
            "nginx_probe_journal_records_lost",
            "Records that the journal could not take",
            new.journal_lost.clone(),
        );
        r.register(
            "nginx_probe_build",
            "The agent's version",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        for kind in Kind::ALL {
            new.event(kind, 0);
            new.lost(kind, 0);
        }
        for source in SOURCES {
            new.set_source(source.stem, false);
        }
        new
    }

    pub(super) fn set_source(&self, stem: Stem, up: bool) {
        let source = stem.as_str();
        self.source_up
            .get_or_create(&OfSource { source })
            .set(i64::from(up));
    }

    pub(super) fn source_is_up(&self, stem: Stem) -> bool {
        let source = stem.as_str();
        self.source_up.get_or_create(&OfSource { source }).get() > 0
    }

    pub(super) fn event(&self, kind: Kind, count: u64) {
        let kind = kind.as_str();
        self.events.get_or_create(&OfKind { kind }).inc_by(count);
    }

    pub(super) fn lost(&self, kind: Kind, count: u64) {
        let kind = kind.as_str();
        self.events_lost
            .get_or_create(&OfKind { kind })
            .inc_by(count);
    }
}
