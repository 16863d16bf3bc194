//! Keeps what repeats once, and the whole model within bounds.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

/// What the model of one configuration may cost, in bytes. 10,000 servers of 10 locations,
/// each with a log, names and a target of its own, take 30 MB.
pub(super) const MAX_MODEL: usize = 64 * 1024 * 1024;

/// The longest text that is kept whole, in bytes.
const MAX_TEXT: usize = 4096;

/// A word as text for people and for comparing: what is not UTF-8 is replaced, a long one is cut.
pub(super) fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word.get(..MAX_TEXT).unwrap_or(word)).into_owned()
}

/// Texts, each once, and how much room is left.
#[derive(Debug)]
pub(super) struct Pool {
    texts: HashSet<Arc<str>>,
    room: usize,
    exhausted: bool,
}

impl Pool {
    pub(super) fn new(room: usize) -> Self {
        Self {
            texts: HashSet::new(),
            room,
            exhausted: false,
        }
    }

    /// The text of `word`. With no room left it is empty.
    pub(super) fn text(&mut self, word: &[u8]) -> Arc<str> {
        let text = String::from_utf8_lossy(word.get(..MAX_TEXT).unwrap_or(word));
        if let Some(known) = self.texts.get(&*text) {
            return Arc::clone(known);
        }
        // The pointer in the set, its hash, and the counters of the Arc come on top.
        if !self.take_bytes(text.len() + 48) {
            return Arc::from("");
        }
        let text: Arc<str> = Arc::from(&*text);
        self.texts.insert(Arc::clone(&text));
        text
    }

    /// Whether one more `T` has room; it is taken then.
    pub(super) fn take<T>(&mut self) -> bool {
        self.take_bytes(size_of::<T>())
    }

    /// Whether `bytes` more have room; they are taken then.
    pub(super) fn take_bytes(&mut self, bytes: usize) -> bool {
        let left = self.room.checked_sub(bytes);
        self.exhausted |= left.is_none();
        self.room = left.unwrap_or(self.room);
        left.is_some()
    }

    /// Whether something had no room.
    pub(super) fn exhausted(&self) -> bool {
        self.exhausted
    }
}

/// Things in the order they were first named, each once, known by number.
#[derive(Debug)]
pub(super) struct Table<T> {
    items: Vec<T>,
    numbers: HashMap<T, u32>,
}

impl<T: Clone + Eq + Hash> Table<T> {
    pub(super) fn new() -> Self {
        Self {
            items: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    /// The number of `item`.
    pub(super) fn add(&mut self, item: T) -> u32 {
        if let Some(&number) = self.numbers.get(&item) {
            return number;
        }
        let number = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
        self.items.push(item.clone());
        self.numbers.insert(item, number);
        number
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.items.get(usize::try_from(number).ok()?)
    }

    pub(super) fn contains(&self, item: &T) -> bool {
        self.numbers.contains_key(item)
    }

    pub(super) fn into_items(self) -> Vec<T> {
        self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_kept_once() {
        let mut pool = Pool::new(200);
        let (one, two) = (pool.text(b"a"), pool.text(b"a"));
        assert!(Arc::ptr_eq(&one, &two));
        assert_eq!(&*pool.text(b"\xff"), "\u{fffd}");
        assert_eq!(pool.text(&vec![b'x'; 100_000]).len(), 0);
        assert!(pool.exhausted());
        let mut table = Table::new();
        assert_eq!([3, 1, 3, 1].map(|item| table.add(item)), [0, 1, 0, 1]);
        assert_eq!(table.get(1), Some(&1));
        assert_eq!(table.into_items(), [3, 1]);
    }
}
