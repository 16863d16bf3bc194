use std::fs;

use super::*;

/// A `/proc` with one worker in it.
struct Fake(tempfile::TempDir);

impl Fake {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("temp folder");
        fs::create_dir_all(folder.path().join("7/task/7")).expect("folders");
        let fake = Self(folder);
        fake.is('S', EPOLL, 0, 0);
        fake
    }

    /// State, the line of its call, its processor time and its sleeps.
    fn is(&self, state: char, call: &str, user_ticks: u64, switches: u64) {
        let task = self.0.path().join("7/task/7");
        let zeros = " 0".repeat(9);
        let stat = format!("7 (nginx) {state} 1{zeros} {user_ticks} 0");
        for (name, text) in [
            ("stat", stat.as_str()),
            ("syscall", call),
            ("status", &format!("voluntary_ctxt_switches:\t{switches}\n")),
            ("wchan", "do_wait"),
        ] {
            fs::write(task.join(name), text).expect("written");
        }
    }
}

/// `epoll_pwait` and `wait4`, which all architectures have.
const EPOLL: &str = if cfg!(target_arch = "x86_64") {
    "281 0x8 0x1"
} else {
    "22 0x8 0x1"
};
const WAIT: &str = if cfg!(target_arch = "x86_64") {
    "61 0x8 0x1"
} else {
    "260 0x8 0x1"
};

struct Looks {
    watch: Watch,
    now: Instant,
}

impl Looks {
    fn at(fake: &Fake) -> Self {
        Self::that_hangs_after(5, fake)
    }

    fn that_hangs_after(seconds: u64, fake: &Fake) -> Self {
        Self {
            watch: Watch::new(fake.0.path(), Duration::from_secs(seconds)),
            now: Instant::now(),
        }
    }

    fn after(&mut self, seconds: u64, turns: Option<u64>) -> Option<Change> {
        self.now += Duration::from_secs(seconds);
        let subject = Subject {
            pid: 7,
            instance: "/n".into(),
            draining: false,
        };
        let mut changes = self.watch.look(self.now, &[subject], |_| turns);
        assert!(changes.len() <= 1, "{changes:?}");
        changes.pop().map(|(_, change)| change)
    }

    /// Looks once a second, for so long that it must be told.
    fn until_hung(&mut self, turns: Option<u64>) -> Option<Hung> {
        (0..8).find_map(|_| match self.after(1, turns) {
            Some(Change::Hung(hung)) => Some(*hung),
            _ => None,
        })
    }
}

#[test]
fn a_blocked_worker_is_told_once_and_its_return_too() {
    let fake = Fake::new();
    let mut looks = Looks::at(&fake);
    fake.is('S', WAIT, 0, 0);
    for _ in 0..5 {
        assert_eq!(looks.after(1, Some(1)), None);
    }
    let Some(Change::Hung(hung)) = looks.after(1, Some(1)) else {
        panic!("not told after five seconds");
    };
    assert_eq!((hung.how, hung.state), (How::Blocked, 'S'));
    assert_eq!(hung.call.as_deref(), Some("wait4"));
    assert_eq!(hung.stack, ["do_wait"]);
    assert_eq!(looks.until_hung(Some(1)), None, "told twice");
    let Some(Change::Returned(returned)) = looks.after(1, Some(2)) else {
        panic!("its return is not told");
    };
    assert!(!returned.ended && returned.lasted >= Duration::from_secs(13));
}

#[test]
fn who_waits_or_turns_does_not_hang() {
    let fake = Fake::new();
    let mut looks = Looks::at(&fake);
    assert_eq!(looks.until_hung(Some(1)), None, "waits for events");
    fake.is('t', WAIT, 0, 0);
    assert_eq!(looks.until_hung(Some(1)), None, "is traced");
    fake.is('R', "running", 0, 0);
    for turns in 2..20 {
        assert_eq!(looks.after(1, Some(turns)), None, "turns");
    }
}

#[test]
fn what_runs_spins_or_starves() {
    let fake = Fake::new();
    let of_ticks = [(100, How::Spinning), (1, How::Starved)];
    // After one second the first look that finds it stuck does not say yet what it uses.
    for (ticks, how, after) in [1, 5]
        .into_iter()
        .flat_map(|after| of_ticks.map(|(t, h)| (t, h, after)))
    {
        let mut looks = Looks::that_hangs_after(after, &fake);
        let told = (0..8).find_map(|second| {
            fake.is('R', "running", second * ticks, 0);
            looks.after(1, Some(1))
        });
        let Some(Change::Hung(hung)) = told else {
            panic!("not told");
        };
        assert_eq!((hung.how, hung.cpu_percent, hung.call), (how, ticks, None));
    }
}

#[test]
fn stopped_is_stopped_wherever_it_was() {
    let fake = Fake::new();
    let mut looks = Looks::at(&fake);
    fake.is('T', EPOLL, 0, 0);
    let hung = looks.until_hung(Some(1)).expect("told");
    assert_eq!(hung.how, How::Stopped);
    // It waits in the call that it was stopped in, and has not turned.
    fake.is('S', EPOLL, 0, 0);
    assert!(matches!(
        looks.after(1, Some(1)),
        Some(Change::Returned(Returned { ended: false, .. }))
    ));
}

#[test]
fn a_gap_hangs_nobody() {
    let fake = Fake::new();
    let mut looks = Looks::at(&fake);
    fake.is('S', WAIT, 0, 0);
    looks.after(1, Some(1));
    assert_eq!(looks.after(3600, Some(1)), None);
    assert_eq!(looks.after(3600, Some(1)), None);
}

#[test]
fn without_counted_turns_only_proof_counts() {
    let fake = Fake::new();
    let mut looks = Looks::at(&fake);
    // Each look finds it in a call, but it sleeps in between.
    for second in 0..10 {
        fake.is('S', WAIT, 0, second);
        assert_eq!(looks.after(1, None), None);
    }
    assert_eq!(
        looks.until_hung(None).map(|hung| hung.how),
        Some(How::Blocked)
    );
    fs::remove_dir_all(fake.0.path().join("7")).expect("removed");
    assert!(matches!(
        looks.after(1, None),
        Some(Change::Returned(Returned { ended: true, .. }))
    ));
}
