//! Lua that leaves a worker without descriptors or memory, for as long as one request takes.

/// Takes every descriptor that the worker has left, until the request is logged. In a location;
/// needs [`LUA`].
pub const EAT: &str = "rewrite_by_lua_block { eat() } log_by_lua_block { spew() }";

/// In `http`: the functions `eat()`, `spew()`, and `limit(mebibytes)` of the address space, which
/// without a number puts it back.
pub const LUA: &str = r"
    init_worker_by_lua_block {
        local ffi = require 'ffi'
        ffi.cdef[[ int dup(int fd); int close(int fd);
            struct limits { unsigned long soft, hard; };
            int getrlimit(int what, struct limits *to);
            int setrlimit(int what, const struct limits *to); ]]
        local eaten = {}
        function _G.eat()
            while true do
                local fd = ffi.C.dup(0)
                if fd < 0 then return end
                eaten[#eaten + 1] = fd
            end
        end
        function _G.spew()
            for _, fd in ipairs(eaten) do ffi.C.close(fd) end
            eaten = {}
        end
        function _G.limit(mebibytes)
            local now = ffi.new('struct limits')
            ffi.C.getrlimit(9, now)
            now.soft = mebibytes and mebibytes * 1048576 or now.hard
            ffi.C.setrlimit(9, now)
        end
    }";
