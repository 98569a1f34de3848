//! Which call sites a block uses, and with which arguments: a shape is a call site and the codes of its arguments.
//!
//! A call site in the source has one shape. One that stands for many (those of other libraries' events) may have several: then it stands in the block's
//! table once for each.

use crate::raw::{self, Raw};
use foldhash::fast::FixedState;
use std::collections::HashMap;

/// A call site's global number, and what its arguments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    pub(crate) site: u32,
    pub(crate) count: u32,
    pub(crate) codes: u64,
}

impl Shape {
    #[inline]
    pub(crate) fn of(site: u32, raw: &Raw<'_>) -> Self {
        Self { site, count: raw.count() as u32, codes: raw.codes() }
    }

    /// The codes of the arguments.
    #[inline]
    pub(crate) fn codes(&self) -> impl Iterator<Item = u8> {
        let codes = self.codes;
        (0..self.count as usize).map(move |index| raw::code(codes, index))
    }
}

/// Gives dense local numbers to shapes, in the order of first use. A look-up is an index; a hash where a call site's shape is not that of its last event.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    /// By global number of the call site: the local number of its latest shape + 1, 0 where it has none.
    slots: Vec<u32>,
    used: Vec<Shape>,
    numbers: HashMap<Shape, u32, FixedState>,
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
        let Self { used, numbers, args, .. } = self;
        let number = *numbers.entry(shape).or_insert_with(|| {
            used.push(shape);
            *args += shape.count as usize;
            used.len() as u32 - 1
        });
        self.slots[index] = number + 1;
        number
    }

    /// The shapes, by local number.
    pub(crate) fn used(&self) -> &[Shape] {
        &self.used
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.used.len()
    }

    /// Arguments of all shapes.
    #[inline]
    pub(crate) fn args(&self) -> usize {
        self.args
    }

    pub(crate) fn clear(&mut self) {
        for shape in &self.used {
            self.slots[shape.site as usize] = 0;
        }
        self.used.clear();
        self.numbers.clear();
        self.args = 0;
    }
}
