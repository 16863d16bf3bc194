//! Why a process is in the programs' table.

/// It is nginx: a master, its child, or what may become one. Its children are followed too.
pub const NGINX: u8 = 1;
/// It is, or belongs to, a program behind nginx: only its births and deaths count.
pub const BACKEND: u8 = 2;
