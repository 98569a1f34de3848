//! What a recording is started with, defaults and bounds.

use crate::filter::Filter;
use crate::{Error, Result};
use framelake_wire::{ProcessId, limits::PROPERTIES_MAX};
use std::collections::BTreeMap;
use std::time::Duration;

/// The gateway's address on the same machine.
const ENDPOINT: &str = "http://127.0.0.1:8650";
/// Half a second on average from an event to its block; at 100,000 events a second, blocks of a few hundred kilobytes.
const DRAIN_PERIOD: Duration = Duration::from_secs(1);
/// Small beside a game's own memory, and minutes of what it records while the server is away.
const MEMORY_BUDGET: usize = 64 * 1024 * 1024;
const MEMORY_BUDGET_MIN: usize = 4 * 1024 * 1024;
/// How long the end of the program may wait for the server.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) endpoint: String,
    pub(crate) version: String,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) parent: Option<ProcessId>,
    pub(crate) filter: Filter,
    pub(crate) drain_period: Duration,
    pub(crate) memory_budget: usize,
    /// `None` is its greatest share of the memory budget.
    pub(crate) attachment_budget: Option<usize>,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) panic_hook: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: ENDPOINT.into(),
            version: String::new(),
            properties: BTreeMap::new(),
            parent: None,
            filter: Filter::default(),
            drain_period: DRAIN_PERIOD,
            memory_budget: MEMORY_BUDGET,
            attachment_budget: None,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            panic_hook: true,
        }
    }
}

impl Settings {
    pub(crate) fn check(mut self) -> Result<Self> {
        if !(Duration::from_millis(10)..=Duration::from_secs(60)).contains(&self.drain_period) {
            return Err(Error::DrainPeriod { text: format!("{:?}", self.drain_period) });
        }
        if self.memory_budget < MEMORY_BUDGET_MIN {
            return Err(Error::MemoryBudget { bytes: self.memory_budget });
        }
        if let Some(bytes) = self.attachment_budget
            && bytes > self.attachment_bytes_max()
        {
            return Err(Error::AttachmentBudget { bytes, memory_budget: self.memory_budget });
        }
        while self.properties.len() > PROPERTIES_MAX {
            self.properties.pop_last();
        }
        Ok(self)
    }

    /// What the threads' chunks may take of the budget: 16 MiB of 64, 256 chunks. Every thread that records holds one at least.
    pub(crate) fn chunk_bytes(&self) -> usize {
        self.memory_budget / 4
    }

    /// What attachments that wait to be sealed may take.
    pub(crate) fn attachment_bytes(&self) -> usize {
        self.attachment_budget.unwrap_or(self.attachment_bytes_max())
    }

    /// 8 MiB of 64. The sending queue has twice that left, so that it has room for any attachment beside what waits already.
    fn attachment_bytes_max(&self) -> usize {
        self.memory_budget / 8
    }

    /// What the sending queue may take: 24 MiB of 64 less what attachments may, seven minutes of 10,000 events a second. What is left is for
    /// encoders, a batch on its way, and what the allocator cannot give back; in a flood of one thread that was 25 MiB in all.
    pub(crate) fn queue_bytes(&self) -> usize {
        self.memory_budget / 8 * 3 - self.attachment_bytes()
    }
}
