//! Property sets of metrics, interned so that an event carries a number.

use crate::crash::names;
use framelake_wire::limits::{PROPERTIES_MAX, STRING_BYTES_MAX};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

/// Most different sets in a process. A set per player or per request is a mistake this bound makes visible; further sets are taken for empty.
const SETS_MAX: usize = 65_536;

/// A set of key-value pairs that measurements can carry; cheap to copy. Make it once, keep it: making one takes a lock.
///
/// ```
/// let arena = framelake::PropertySet::new([("map", "arena"), ("mode", "duel")]);
/// framelake::metric!("players", "1", 2, arena);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PropertySet {
    /// The number in the registry plus one; 0 is the empty set.
    pub(crate) id: u32,
}

/// The pairs of one set, sorted by key.
pub(crate) type Pairs = &'static [(String, String)];

#[derive(Default)]
struct Registry {
    by_pairs: Option<HashMap<Pairs, u32>>,
    sets: Vec<Pairs>,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { by_pairs: None, sets: Vec::new() });

impl PropertySet {
    /// The set without properties.
    pub const EMPTY: PropertySet = PropertySet { id: 0 };

    /// The set of these pairs; of pairs with the same key the last holds, and at most 256 are kept. A process keeps at most 65,536
    /// different sets; beyond that this gives the empty one.
    pub fn new<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let pairs: BTreeMap<String, String> =
            pairs.into_iter().map(|(key, value)| (cut(key.into()), cut(value.into()))).collect();
        let pairs: Vec<(String, String)> = pairs.into_iter().take(PROPERTIES_MAX).collect();
        if pairs.is_empty() {
            return Self::EMPTY;
        }
        let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
        let Registry { by_pairs, sets } = &mut *registry;
        let by_pairs = by_pairs.get_or_insert_default();
        if let Some(id) = by_pairs.get(&pairs[..]) {
            return Self { id: *id };
        }
        if sets.len() == SETS_MAX {
            return Self::EMPTY;
        }
        let pairs: Pairs = pairs.leak();
        sets.push(pairs);
        names::sets(sets);
        let id = sets.len() as u32;
        by_pairs.insert(pairs, id);
        Self { id }
    }
}

/// Calls `f` with all sets while none is added.
pub(crate) fn with_all(f: impl FnOnce(&[Pairs])) {
    f(&REGISTRY.lock().unwrap_or_else(PoisonError::into_inner).sets);
}

/// Appends to `known` the sets made since.
pub(crate) fn refresh(known: &mut Vec<Pairs>) {
    let registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
    known.extend_from_slice(&registry.sets[known.len()..]);
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(STRING_BYTES_MAX));
    text
}
