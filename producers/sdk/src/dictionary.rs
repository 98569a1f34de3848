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
    /// Numbers of threads that ended and of which nothing recorded waits to be sealed.
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

    /// The number may stand for another thread from now on.
    pub(crate) fn remove_thread(&mut self, id: ThreadId) {
        self.free_threads.push(id.0);
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
