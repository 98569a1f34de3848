//! What the numbers in events stand for, as the background thread knows it.

use crate::properties::{self, Pairs};
use crate::site::{self, Registered};
use framelake_wire::encode::{self, PropertiesId, SiteId, ThreadId};

/// Call sites, property sets and threads, by number.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    sites: Vec<&'static Registered>,
    properties: Vec<Pairs>,
    threads: Vec<(String, u64)>,
    /// Numbers of threads that ended and of which nothing recorded waits to be sealed, unless an async span that began there is still open.
    ended_threads: Vec<ThreadId>,
    /// Numbers that nothing names any more.
    free_threads: Vec<u32>,
}

impl Dictionary {
    /// Learns what was registered since. Call it after the buffers' positions were read: then all that their events name is known.
    pub(crate) fn refresh(&mut self) {
        site::refresh(&mut self.sites);
        properties::refresh(&mut self.properties);
    }

    /// A number for a thread.
    pub(crate) fn add_thread(&mut self, name: &str, number: u64) -> ThreadId {
        let thread = (name.to_owned(), number);
        if let Some(id) = self.free_threads.pop() {
            self.threads[id as usize] = thread;
            return ThreadId(id);
        }
        self.threads.push(thread);
        ThreadId(self.threads.len() as u32 - 1)
    }

    /// Names and numbers of all threads.
    pub(crate) fn threads(&self) -> &[(String, u64)] {
        &self.threads
    }

    /// The number may stand for another thread from when [`Dictionary::free_threads`] finds it unnamed.
    pub(crate) fn remove_thread(&mut self, id: ThreadId) {
        self.ended_threads.push(id);
    }

    /// Has the numbers of ended threads ready for others, but for those that are still `named`.
    pub(crate) fn free_threads(&mut self, is_named: impl Fn(ThreadId) -> bool) {
        let free = self.ended_threads.extract_if(.., |id| !is_named(*id));
        self.free_threads.extend(free.map(|id| id.0));
    }
}

impl encode::Dictionary for Dictionary {
    fn site(&self, id: SiteId) -> encode::CallSite<'_> {
        self.sites.get(id.0 as usize).map(|site| site.as_wire()).unwrap_or_default()
    }

    fn properties(&self, id: PropertiesId) -> &[(String, String)] {
        self.properties.get(id.0 as usize).copied().unwrap_or_default()
    }

    fn thread(&self, id: ThreadId) -> (&str, u64) {
        self.threads.get(id.0 as usize).map(|(name, number)| (name.as_str(), *number)).unwrap_or_default()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_for_another_thread_once_nothing_names_it() {
        let mut dictionary = Dictionary::default();
        let ids = ["a", "b"].map(|name| dictionary.add_thread(name, 1));
        ids.into_iter().for_each(|id| dictionary.remove_thread(id));
        assert_eq!(dictionary.add_thread("c", 2), ThreadId(2), "they may still be named");
        dictionary.free_threads(|id| id == ids[1]);
        assert_eq!([dictionary.add_thread("d", 3), dictionary.add_thread("e", 4)], [ids[0], ThreadId(3)]);
        dictionary.free_threads(|_| false);
        assert_eq!(dictionary.add_thread("f", 5), ids[1]);
        let names: Vec<_> = dictionary.threads().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["d", "f", "c", "e"]);
    }
}
