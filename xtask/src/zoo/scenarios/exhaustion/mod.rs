//! Something has run out.

mod disk_body;
mod disk_cache;
mod fds_accept;
mod fds_file;
mod fds_upstream;
mod memory;
mod memory_self;
mod slots_accept;
mod slots_upstream;

use super::Scenario;

pub(super) const ALL: &[Scenario] = &[
    fds_accept::SCENARIO,
    fds_upstream::SCENARIO,
    fds_file::SCENARIO,
    slots_accept::SCENARIO,
    slots_upstream::SCENARIO,
    memory::SCENARIO,
    memory_self::SCENARIO,
    disk_body::SCENARIO,
    disk_cache::SCENARIO,
];
