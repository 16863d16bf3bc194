//! What is kept of a process behind nginx: flags, and above them the number of its group.

/// The agent found it by itself: its end is told whatever the status.
pub const FOUND: u32 = 1;
/// It runs another program than the process that it was forked from: a helper, whose end is not
/// told. The agent takes it for what it is when it finds it among the backends.
pub const HELPER: u32 = 2;
/// The lowest bit of the group's number.
const GROUP_SHIFT: u32 = 8;

/// A group's number must be below.
pub const GROUPS: u32 = 1 << (32 - GROUP_SHIFT);

/// What is kept of a process that the agent found in that group.
#[must_use]
pub const fn found(group: u32) -> u32 {
    group << GROUP_SHIFT | FOUND
}

/// What is kept of its child.
#[must_use]
pub const fn inherited(member: u32) -> u32 {
    member & !FOUND
}

/// The group's number.
#[must_use]
pub const fn group(member: u32) -> u32 {
    member >> GROUP_SHIFT
}

/// Whether signals to it, and its end, are told.
#[must_use]
pub const fn is_told(member: u32) -> bool {
    member & HELPER == 0
}

/// Whether its end with that status, as `wait` gives it, is told. Programs that fork for every
/// request would fill the ring buffer with ends that mean nothing.
#[must_use]
pub const fn is_end_told(member: u32, status: u32) -> bool {
    is_told(member) && (member & FOUND != 0 || status != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_inherited_and_being_found_is_not() {
        let parent = found(GROUPS - 1);
        let child = inherited(parent);
        assert_eq!((group(parent), group(child)), (GROUPS - 1, GROUPS - 1));
        assert_eq!((parent & FOUND, child & FOUND), (FOUND, 0));
        assert_eq!(inherited(child | HELPER), child | HELPER);
    }

    #[test]
    fn ends_are_told_where_they_can_mean_something() {
        let (leader, child) = (found(7), inherited(found(7)));
        for (member, status, told) in [
            (leader, 0, true),
            (leader, 9, true),
            (child, 0, false),
            (child, 9, true),
            (child, 1 << 8, true),
            (child | HELPER, 1 << 8, false),
            (child | HELPER, 9, false),
        ] {
            assert_eq!(is_end_told(member, status), told, "{member:x} {status}");
        }
    }
}
