//! Which call sites a block uses, and with which arguments: a shape is a call site and the codes of its arguments.
//!
//! A call site in the source has one shape. One that stands for many (those of other libraries' events) may have several: then it stands in the block's
//! table once for each.

use crate::raw::{self, Raw};

/// A call site's global number, and what its arguments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) site: u32,
    pub(crate) count: u32,
    pub(crate) codes: u64,
}

impl Shape {
    pub(crate) fn of(site: u32, raw: &Raw<'_>) -> Self {
        Self { site, count: raw.count() as u32, codes: raw.codes() }
    }

    /// The codes of the arguments.
    pub(crate) fn codes(&self) -> impl Iterator<Item = u8> {
        let codes = self.codes;
        (0..self.count as usize).map(move |index| raw::code(codes, index))
    }
}

/// Gives dense local numbers to shapes, in the order of first use. A look-up is an index, no hash.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    /// By global number of the call site: the local number of its latest shape + 1, 0 where it has none.
    slots: Vec<u32>,
    used: Vec<Shape>,
    /// Arguments of all shapes.
    args: usize,
}

impl Shapes {
    /// The local number of a call site without arguments.
    #[inline]
    pub(crate) fn plain(&mut self, site: u32) -> u32 {
        self.number(Shape { site, count: 0, codes: 0 })
    }

    /// The local number of `shape`.
    #[inline]
    pub(crate) fn number(&mut self, shape: Shape) -> u32 {
        match self.slots.get(shape.site as usize) {
            Some(&slot) if slot != 0 && self.used[slot as usize - 1] == shape => slot - 1,
            _ => self.find(shape),
        }
    }

    #[cold]
    fn find(&mut self, shape: Shape) -> u32 {
        let index = shape.site as usize;
        if index >= self.slots.len() {
            self.slots.resize(index + 1, 0);
        }
        // A call site that changes its shape is rare, and a block has few of them.
        let known = (self.slots[index] != 0).then(|| self.used.iter().position(|used| *used == shape)).flatten();
        let number = known.unwrap_or_else(|| {
            self.used.push(shape);
            self.args += shape.count as usize;
            self.used.len() - 1
        });
        self.slots[index] = number as u32 + 1;
        number as u32
    }

    /// The shapes, by local number.
    pub(crate) fn used(&self) -> &[Shape] {
        &self.used
    }

    pub(crate) fn len(&self) -> usize {
        self.used.len()
    }

    /// Arguments of all shapes.
    pub(crate) fn args(&self) -> usize {
        self.args
    }

    pub(crate) fn clear(&mut self) {
        for shape in &self.used {
            self.slots[shape.site as usize] = 0;
        }
        self.used.clear();
        self.args = 0;
    }
}
