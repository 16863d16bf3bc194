//! Several things at once, whose results come in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Does `work` for each number below `count`, so many at once, and hands each result to `take` in
/// the order of numbers. Nothing begins any more once `work` has given nothing.
pub(super) fn in_turn<T: Send>(
    at_once: usize,
    count: usize,
    work: impl Fn(usize) -> Option<T> + Sync,
    mut take: impl FnMut(T),
) {
    let begun = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..at_once {
            let (sender, work, begun) = (sender.clone(), &work, &begun);
            scope.spawn(move || {
                loop {
                    let number = begun.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let Some(result) = work(number) else {
                        begun.store(count, Ordering::Relaxed);
                        return;
                    };
                    if sender.send((number, result)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let (mut early, mut next) = (BTreeMap::new(), 0);
        for (number, result) in results {
            early.insert(number, result);
            while let Some(result) = early.remove(&next) {
                take(result);
                next += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_come_in_order_whoever_is_ready_first() {
        let mut got = Vec::new();
        let work = |number: usize| {
            let late = if number.is_multiple_of(3) { 20 } else { 0 };
            thread::sleep(Duration::from_millis(late));
            Some(number)
        };
        in_turn(3, 10, work, |number| got.push(number));
        assert_eq!(got, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_begins_after_an_end() {
        let mut got = Vec::new();
        in_turn(
            1,
            10,
            |number| (number < 4).then_some(number),
            |number| got.push(number),
        );
        assert_eq!(got, [0, 1, 2, 3]);
    }
}
