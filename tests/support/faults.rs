//! Real faults, caused inside the worker that serves the request.
//!
//! Lua only opens the door: the fault itself is a native call through `LuaJIT`'s FFI, so the worker
//! crashes, exits or is killed exactly as by a bug in a C module.

use std::fmt::Write as _;

/// What happens to the worker that serves the fault's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGSEGV inside nginx's own code: one of its functions gets a null request.
    Segv,
    /// SIGSEGV inside libc: a write to a wild address.
    WildWrite,
    /// SIGABRT: `abort()`, as glibc does on a corrupted heap.
    Abort,
    /// `_exit(3)`.
    Exit,
    /// Touches memory until the kernel kills it, or up to 1 GiB: only of use inside a memory
    /// control group, see [`crate::cgroup`].
    EatMemory,
    /// Blocks the worker's event loop for 5 seconds; it lives on and answers 200.
    Hang,
    /// No death: a Lua error, which nginx answers with 500.
    LuaError,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 7] = [
        Self::Segv,
        Self::WildWrite,
        Self::Abort,
        Self::Exit,
        Self::EatMemory,
        Self::Hang,
        Self::LuaError,
    ];

    /// The path that causes it, on the fixture's main port.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Segv => "/fault/segv",
            Self::WildWrite => "/fault/wild-write",
            Self::Abort => "/fault/abort",
            Self::Exit => "/fault/exit",
            Self::EatMemory => "/fault/eat-memory",
            Self::Hang => "/fault/hang",
            Self::LuaError => "/fault/lua-error",
        }
    }

    fn lua(self) -> &'static str {
        match self {
            Self::Segv => "ffi.C.ngx_http_free_request(nil, 0)",
            Self::WildWrite => "ffi.C.memset(ffi.cast('void *', 0x10), 0, 64)",
            Self::Abort => "ffi.C.abort()",
            Self::Exit => "ffi.C._exit(3)",
            // The blocks are never freed: the worker is meant to die of them.
            Self::EatMemory => {
                "for _ = 1, 1024 do ffi.C.memset(ffi.C.malloc(1048576), 1, 1048576) end"
            }
            Self::Hang => "ffi.C.sleep(5)",
            Self::LuaError => "error('asked for')",
        }
    }
}

/// The `location` blocks of all faults, for a server that listens on loopback only.
#[must_use]
pub fn locations() -> String {
    let mut text = String::new();
    for fault in Fault::ALL {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "
        location = {path} {{
            allow 127.0.0.1;
            deny all;
            content_by_lua_block {{
                local ffi = require 'ffi'
                {lua}
                ngx.say('survived')
            }}
        }}",
            path = fault.path(),
            lua = fault.lua(),
        );
    }
    text
}

/// The `init_by_lua` text that declares the C functions once, in the master.
pub const INIT_LUA: &str = "
        require('ffi').cdef[[
            void ngx_http_free_request(void *request, intptr_t rc);
            void *malloc(size_t size);
            void *memset(void *to, int value, size_t size);
            void abort(void);
            void _exit(int status);
            unsigned int sleep(unsigned int seconds);
        ]]";

#[cfg(test)]
mod tests {
    use anyhow::Result;

    use super::*;
    use crate::http::Answer;
    use crate::nginx::Nginx;
    use crate::wait::{DEADLINE, until_true};

    #[test]
    fn each_deadly_fault_ends_a_worker_in_its_own_way() -> Result<()> {
        let nginx = Nginx::builder().log_level("notice").start()?;
        for (fault, trace) in [
            (Fault::Segv, "exited on signal 11"),
            (Fault::WildWrite, "exited on signal 11"),
            (Fault::Abort, "exited on signal 6"),
            (Fault::Exit, "exited with code 3"),
        ] {
            let before = nginx.workers()?;
            let lines = count(&nginx.error_log(), trace);
            let answer = nginx.cause(fault);
            assert!(
                matches!(answer, Answer::Broken(_)),
                "{fault:?} answered {answer:?}"
            );
            until_true("the master's line about it", DEADLINE, || {
                Ok(count(&nginx.error_log(), trace) == lines + 1)
            })?;
            let after = nginx.wait_serving()?;
            assert_eq!(
                before.iter().filter(|pid| after.contains(pid)).count(),
                1,
                "{fault:?}"
            );
        }
        Ok(())
    }

    #[test]
    fn a_lua_error_is_a_500_and_kills_nothing() -> Result<()> {
        let nginx = Nginx::builder().start()?;
        let before = nginx.workers()?;
        assert_eq!(nginx.cause(Fault::LuaError), Answer::Status(500));
        assert_eq!(nginx.workers()?, before);
        Ok(())
    }

    fn count(text: &str, part: &str) -> usize {
        text.matches(part).count()
    }
}
