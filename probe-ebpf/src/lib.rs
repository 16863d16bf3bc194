//! What the eBPF programs and the agent share: the records that go through the ring buffer, the
//! offsets that the running kernel's BTF decides, and the choices that both sides must make alike.
//!
//! `no_std` when built for bpf; a host build is tested like any library.
#![cfg_attr(not(test), no_std)]

pub mod call;
pub mod connection;
pub mod layout;
pub mod record;
pub mod signal;
pub mod table;
pub mod tracking;
