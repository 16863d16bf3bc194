//! The system calls that the programs follow, apart from the numbers that an architecture gives them.

/// What a followed system call does, as far as the programs care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Call {
    /// Not followed: only its failure counts.
    Other = 0,
    /// Takes a connection from a listener.
    Accept = 1,
    /// Ends a descriptor.
    Close = 2,
    /// Begins a connection to an upstream.
    Connect = 3,
    /// Changes what a worker waits for.
    EpollControl = 4,
    /// A turn of the event loop ends.
    Wait = 5,
    /// Asks for a connection's error, among other things.
    GetOption = 6,
    /// Makes a socket.
    Socket = 7,
    /// Reads from a socket into one buffer.
    Receive = 8,
    /// Reads from anything into one buffer.
    Read = 9,
    /// Reads into a vector of buffers.
    ReadVector = 10,
    /// Writes to a socket from one buffer.
    Send = 11,
    /// Writes to anything from one buffer.
    Write = 12,
    /// Writes from a vector of buffers.
    WriteVector = 13,
    /// Its first argument is a path.
    Path = 14,
    /// Its second argument is a path.
    PathAt = 15,
}

/// Calls with a number from this on are none of nginx's.
pub const CALLS: usize = 512;

/// The kind of call by system call number, zero where it is not followed.
pub type Table = [u8; CALLS];
