//! Whose answer each client was sent, from system calls alone: no access log, an error log that
//! holds next to nothing, and an agent that reads neither.

#[path = "requests/applications.rs"]
mod applications;
#[path = "requests/flood.rs"]
mod flood;
#[path = "requests/lost.rs"]
mod lost;
#[path = "requests/mixed.rs"]
mod mixed;
#[path = "requests/older.rs"]
mod older;
#[path = "requests/opaque.rs"]
mod opaque;
#[path = "requests/origins.rs"]
mod origins;
#[path = "requests/quiet.rs"]
mod quiet;
#[path = "requests/scene.rs"]
mod scene;
#[path = "requests/wire.rs"]
mod wire;
