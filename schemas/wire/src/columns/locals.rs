//! Which of the process's call sites (threads, property sets) a block uses, and under which number.

/// Gives dense local numbers to dense global ones, in the order of first use. A look-up is an index, no hash.
#[derive(Debug, Default)]
pub(crate) struct Locals {
    /// By global number: the local one + 1, 0 where it has none.
    slots: Vec<u32>,
    used: Vec<u32>,
}

impl Locals {
    #[inline]
    pub(crate) fn number(&mut self, global: u32) -> u32 {
        match self.slots.get(global as usize) {
            Some(&slot) if slot != 0 => slot - 1,
            _ => self.add(global),
        }
    }

    #[cold]
    fn add(&mut self, global: u32) -> u32 {
        let index = global as usize;
        if index >= self.slots.len() {
            self.slots.resize(index + 1, 0);
        }
        self.used.push(global);
        self.slots[index] = self.used.len() as u32;
        self.slots[index] - 1
    }

    /// The global numbers, by local number.
    pub(crate) fn used(&self) -> &[u32] {
        &self.used
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.used.len()
    }

    pub(crate) fn clear(&mut self) {
        for &global in &self.used {
            self.slots[global as usize] = 0;
        }
        self.used.clear();
    }
}
