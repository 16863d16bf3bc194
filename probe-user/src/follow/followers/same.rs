//! A file that several paths lead to is read by one of them.

use std::collections::HashMap;

use super::{Followers, Reader};

impl<K> Followers<K> {
    /// Opens what has appeared at the paths of these logs, and lets go of those whose file another
    /// log has.
    pub(super) fn part(&mut self, ids: impl Iterator<Item = u32>, reader: &mut impl Reader<K>) {
        let mut found = Vec::new();
        for id in ids {
            if let Some(log) = self.logs.get_mut(&id) {
                log.follower.look();
                if let Some(file) = log.follower.identity()
                    && log.alone_at != Some(file)
                {
                    found.push((id, file));
                }
            }
        }
        if found.is_empty() {
            return;
        }
        let at = self.by_file();
        for (id, file) in found {
            let others = at.get(&file).map(Vec::as_slice).unwrap_or_default();
            if others.iter().any(|&other| self.is_of(id, other, reader)) {
                self.unwatch(id);
                self.logs.remove(&id);
            } else if let Some(log) = self.logs.get_mut(&id) {
                log.alone_at = Some(file);
            }
        }
    }

    /// Whether a log is to be left to `other`.
    fn is_of(&self, id: u32, other: u32, reader: &mut impl Reader<K>) -> bool {
        let (Some(log), Some(before)) = (self.logs.get(&id), self.logs.get(&other)) else {
            return false;
        };
        // Who has begun goes on; of those that have not, the first.
        let file = log.follower.identity();
        let first = before.alone_at == file || other < id;
        id != other && first && reader.same(&log.key, &before.key)
    }

    /// The logs by the files that they read, and by those at their paths: a log that is about to
    /// move on to a new file has that one, too.
    fn by_file(&self) -> HashMap<(u64, u64), Vec<u32>> {
        let mut logs: HashMap<_, Vec<u32>> = HashMap::new();
        for (&id, log) in &self.logs {
            let (open, named) = (log.follower.identity(), log.follower.at_path());
            for file in open.into_iter().chain(named.filter(|_| named != open)) {
                logs.entry(file).or_default().push(id);
            }
        }
        logs
    }
}
