//! The spans of `tracing` that are open: where they are kept, and what entering, exiting and closing them records.
//!
//! They lie in slots that are never freed, and are found by number without a lock. All that is in a slot is atomic, so that a number used after its span
//! was closed reads another span's values at worst. A slot's `held` says whether a number still holds: what counts references also has the generation.

use super::fields::Fields;
use super::site::Site;
use crate::clock::{self, OFF};
use crate::event::{ASYNC_BEGIN, ASYNC_BEGIN_ARGS, ASYNC_END, ASYNC_END_ARGS, Lost, SPAN_BEGIN_ARGS};
use crate::record::{self, On};
use crate::thread;
use std::cell::{Cell, RefCell};
use std::ptr::null_mut;
use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex, PoisonError};
use tracing_core::span::Id;

/// How many spans may be open at once. 131,072 × 384 B are 48 MiB of address space; memory is what was ever used of it.
const SLOTS_MAX: usize = 1 << 17;
/// Words of fields that a slot holds itself: numbers, and texts of some 200 bytes in sum.
const WORDS: usize = 32;
/// Free slots that a thread keeps for itself, half of which it takes or gives back at once.
const FREE_MAX: usize = 64;
/// The number of spans that found no slot: nothing of them is recorded but that they are dropped.
const NOT_KEPT: u64 = u64::MAX;
/// Instead of an async span's number: there was no change.
const AS_BEFORE: u64 = u64::MAX;
/// Instead of an async span's number: its begin was not recorded, so nothing more of it is.
const NOT_BEGUN: u64 = u64::MAX;

/// What a span without fields needs is in its first cache lines.
#[repr(C, align(64))]
struct Slot {
    /// The generation, and in the lower half how many references there are.
    held: AtomicU64,
    site: AtomicPtr<Site>,
    /// The ticks when the span was made, or first entered: reading the clock is half of what a span costs, so that of a call site whose spans were never
    /// wanted in `async_spans` is not read when they are made. 0 while not known.
    made: AtomicU64,
    /// The span around it, 0 where there is none.
    parent: AtomicU64,
    /// The number of the async span around it when it was made, 0 where there was none or, as with `made`, it is not known.
    around: AtomicU64,
    /// The number of its own async span, 0 until it has one.
    async_id: AtomicU64,
    /// Other spans were made within it: their threads may ask for it at any time.
    has_children: AtomicBool,
    was_entered: AtomicBool,
    /// The fields are in `long`.
    is_long: AtomicBool,
    count: AtomicU32,
    /// How often fields were recorded after it was made; how often when it was last entered, and when its async span began.
    recorded: AtomicU32,
    carried: AtomicU32,
    told: AtomicU32,
    length: AtomicU32,
    codes: AtomicU64,
    words: [AtomicU64; WORDS],
    long: Mutex<Option<Arc<Fields>>>,
}

impl Slot {
    const fn new() -> Self {
        Self {
            held: AtomicU64::new(0),
            site: AtomicPtr::new(null_mut()),
            made: AtomicU64::new(0),
            has_children: AtomicBool::new(false),
            parent: AtomicU64::new(0),
            around: AtomicU64::new(0),
            async_id: AtomicU64::new(0),
            was_entered: AtomicBool::new(false),
            recorded: AtomicU32::new(0),
            carried: AtomicU32::new(0),
            told: AtomicU32::new(0),
            is_long: AtomicBool::new(false),
            count: AtomicU32::new(0),
            length: AtomicU32::new(0),
            codes: AtomicU64::new(0),
            words: [const { AtomicU64::new(0) }; WORDS],
            long: Mutex::new(None),
        }
    }

    fn site(&self) -> Option<&'static Site> {
        // SAFETY: null, or made of a `&'static Site`.
        unsafe { self.site.load(Relaxed).as_ref() }
    }

    fn set_fields(&self, fields: &Fields) {
        let words = fields.words();
        if words.len() > WORDS {
            return self.set_long(Arc::new(fields.clone()));
        }
        self.count.store(fields.count as u32, Relaxed);
        self.codes.store(fields.codes, Relaxed);
        self.length.store(words.len() as u32, Relaxed);
        for (slot, word) in self.words.iter().zip(words) {
            slot.store(word, Relaxed);
        }
    }

    fn set_long(&self, fields: Arc<Fields>) {
        *self.long.lock().unwrap_or_else(PoisonError::into_inner) = Some(fields);
        self.is_long.store(true, Release);
    }

    fn long(&self) -> Option<Arc<Fields>> {
        if !self.is_long.load(Acquire) {
            return None;
        }
        self.long.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn inline_words(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        let length = (self.length.load(Relaxed) as usize).min(WORDS);
        self.words[..length].iter().map(|word| word.load(Relaxed))
    }

    fn fields(&self) -> Fields {
        match self.long() {
            Some(long) => (*long).clone(),
            None => Fields::of(self.count.load(Relaxed) as usize, self.codes.load(Relaxed), self.inline_words()),
        }
    }

    /// Writes an event with the span's fields, whose words before those are `word` and `after`.
    fn write(&self, state: u32, tag: u64, ticks: Option<u64>, word: u64, after: &[u64], lost: Lost) -> bool {
        let mut head = [0; 4];
        let mut head = |count: u64, codes: u64| {
            head[0] = count << 32 | word;
            head[1..=after.len()].copy_from_slice(after);
            head[1 + after.len()] = codes;
            head
        };
        let words = 2 + after.len();
        if let Some(long) = self.long() {
            let head = head(long.count as u64, long.codes);
            return record::write_words(state, tag, ticks, &head[..words], long.words(), lost);
        }
        let head = head(u64::from(self.count.load(Relaxed)), self.codes.load(Relaxed));
        record::write_words(state, tag, ticks, &head[..words], self.inline_words(), lost)
    }

    fn has_fields(&self) -> bool {
        self.count.load(Relaxed) > 0 || self.is_long.load(Relaxed)
    }
}

/// All zeros, so nothing of it is in the program's file.
static SLOTS: [Slot; SLOTS_MAX] = [const { Slot::new() }; SLOTS_MAX];
/// Slots that no thread keeps for itself, and how many were ever used.
static FREE: Mutex<(Vec<u32>, u32)> = Mutex::new((Vec::new(), 0));

/// What a thread knows of spans, without a destructor: no check whether it is still there.
struct Hot {
    /// How many spans are entered, and which: the innermost last. Those beyond the array are in [`Keep`].
    depth: Cell<usize>,
    entered: [Place; ENTERED_MAX],
    /// Free slots.
    free_count: Cell<usize>,
    free: [Cell<u32>; FREE_MAX],
    /// [`Keep`] is there, and gives the free slots back when the thread ends.
    is_kept: Cell<bool>,
}

/// Spans entered in each other that a thread finds at once; deeper ones take some more steps. 32 × 24 B = 768 B for each thread.
const ENTERED_MAX: usize = 32;

#[derive(Clone, Copy)]
struct Entered {
    id: u64,
    /// The async span that is current again afterwards; [`AS_BEFORE`] where it was the same.
    around: u64,
    /// The state of recording under which its row began; [`OFF`] where it did not.
    state: u32,
    /// It was exited, before one within it was.
    is_exited: bool,
}

/// Where an [`Entered`] is kept, part by part: as a whole it is put together in memory, and reading it from there before its parts have arrived takes as long
/// as half a reading of the clock.
struct Place {
    id: Cell<u64>,
    around: Cell<u64>,
    state: Cell<u32>,
    is_exited: Cell<bool>,
}

impl Place {
    const fn new() -> Self {
        let Entered { id, around, state, is_exited } = Entered::NONE;
        Self { id: Cell::new(id), around: Cell::new(around), state: Cell::new(state), is_exited: Cell::new(is_exited) }
    }

    #[inline(always)]
    fn get(&self) -> Entered {
        Entered {
            id: self.id.get(),
            around: self.around.get(),
            state: self.state.get(),
            is_exited: self.is_exited.get(),
        }
    }

    #[inline(always)]
    fn set(&self, entered: Entered) {
        self.id.set(entered.id);
        self.around.set(entered.around);
        self.state.set(entered.state);
        self.is_exited.set(entered.is_exited);
    }
}

/// The rest of what a thread knows, with a destructor.
struct Keep {
    deep: RefCell<Vec<Entered>>,
    /// Memory for the fields of the next span.
    fields: RefCell<Fields>,
}

thread_local! {
    static HOT: Hot = const {
        Hot {
            depth: Cell::new(0),
            entered: [const { Place::new() }; ENTERED_MAX],
            free_count: Cell::new(0),
            free: [const { Cell::new(0) }; FREE_MAX],
            is_kept: Cell::new(false),
        }
    };
    static KEEP: Keep = const { Keep { deep: RefCell::new(Vec::new()), fields: RefCell::new(Fields::NONE) } };
}

/// Calls `f` with what the calling thread knows. Not `with`: that is not inlined, as in [`thread`], and took 2.6 of the 48.6 ns of a span.
#[inline(always)]
fn hot<R>(f: impl FnOnce(&Hot) -> R) -> R {
    match HOT.try_with(f) {
        Ok(result) => result,
        Err(_) => unreachable!("nothing destroys it"),
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        hot(|hot| {
            hot.is_kept.set(false);
            hot.give_slots(hot.free_count.get());
        });
    }
}

impl Entered {
    const NONE: Self = Self { id: 0, around: AS_BEFORE, state: OFF, is_exited: false };
}

impl Hot {
    #[inline(always)]
    fn push(&self, entered: Entered) {
        let depth = self.depth.get();
        self.depth.set(depth + 1);
        self.set(depth, entered);
    }

    #[inline(always)]
    fn last(&self) -> Option<Entered> {
        Some(self.get(self.depth.get().checked_sub(1)?))
    }

    #[inline(always)]
    fn get(&self, at: usize) -> Entered {
        self.entered.get(at).map_or_else(|| deep(at), Place::get)
    }

    #[inline(always)]
    fn set(&self, at: usize, entered: Entered) {
        match self.entered.get(at) {
            Some(place) => place.set(entered),
            None => set_deep(at, entered),
        }
    }

    #[inline(always)]
    fn take_slot(&self) -> Option<u32> {
        match self.free_count.get().checked_sub(1) {
            Some(rest) => {
                self.free_count.set(rest);
                Some(self.free[rest].get())
            }
            None => self.take_slots(),
        }
    }

    #[cold]
    #[inline(never)]
    fn take_slots(&self) -> Option<u32> {
        self.keep();
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let (indexes, used) = &mut *free;
        if indexes.is_empty() {
            let fresh = *used..(*used + FREE_MAX as u32).min(SLOTS_MAX as u32);
            *used = fresh.end;
            indexes.extend(fresh.rev());
        }
        let taken = indexes.pop();
        let more = if self.is_kept.get() { indexes.len().min(FREE_MAX / 2) } else { 0 };
        for (cell, index) in self.free.iter().zip(indexes.drain(indexes.len() - more..)) {
            cell.set(index);
        }
        self.free_count.set(more);
        taken
    }

    #[inline(always)]
    fn give_slot(&self, index: u32) {
        let count = self.free_count.get();
        match self.free.get(count) {
            Some(cell) if self.is_kept.get() => {
                cell.set(index);
                self.free_count.set(count + 1);
            }
            _ => self.give_slot_slowly(index),
        }
    }

    #[cold]
    #[inline(never)]
    fn give_slot_slowly(&self, index: u32) {
        self.give_slots(FREE_MAX / 2);
        FREE.lock().unwrap_or_else(PoisonError::into_inner).0.push(index);
        self.keep();
    }

    /// Gives back `count` of the free slots, or as many as there are.
    fn give_slots(&self, count: usize) {
        let rest = self.free_count.get().saturating_sub(count);
        let given = self.free[rest..self.free_count.get()].iter().map(Cell::get);
        FREE.lock().unwrap_or_else(PoisonError::into_inner).0.extend(given);
        self.free_count.set(rest);
    }

    /// Sees to it that free slots are given back when the thread ends. Where it is just ending none is kept.
    fn keep(&self) {
        self.is_kept.set(KEEP.try_with(|_| ()).is_ok());
    }
}

#[cold]
#[inline(never)]
fn deep(at: usize) -> Entered {
    let find = |keep: &Keep| keep.deep.borrow().get(at - ENTERED_MAX).copied();
    KEEP.try_with(find).ok().flatten().unwrap_or(Entered::NONE)
}

#[cold]
#[inline(never)]
fn set_deep(at: usize, entered: Entered) {
    // Where the thread is ending, so do its spans.
    let _ = KEEP.try_with(|keep| {
        let mut deep = keep.deep.borrow_mut();
        let at = at - ENTERED_MAX;
        if deep.len() <= at {
            deep.resize(at + 1, Entered::NONE);
        }
        deep[at] = entered;
    });
}

/// The slot of a span, where the number still holds.
#[inline(always)]
fn slot(id: u64) -> Option<&'static Slot> {
    let slot = SLOTS.get((id as u32).wrapping_sub(1) as usize)?;
    let held = slot.held.load(Acquire);
    (held >> 32 == id >> 32 && held as u32 != 0).then_some(slot)
}

/// Where a span belongs.
pub(super) enum Parent {
    /// Within the span entered on this thread.
    Entered,
    None,
    Is(u64),
}

/// A new span of `site`, whose fields `fill` gives.
#[inline]
pub(super) fn new(site: &'static Site, parent: Parent, fill: impl FnOnce(&mut Fields)) -> u64 {
    if site.count == 0 {
        return with_slot(site, parent, |_| {});
    }
    // The values' own `Debug` may make spans.
    let mut fields = KEEP.try_with(|keep| keep.fields.take()).unwrap_or_default();
    fields.clear();
    fill(&mut fields);
    fields.fill(site.count);
    with_slot(site, parent, |slot| {
        slot.set_fields(&fields);
        let _ = KEEP.try_with(|keep| keep.fields.replace(std::mem::take(&mut fields)));
    })
}

/// Puts a new span into a slot, which `set` gives its fields.
#[inline]
fn with_slot(site: &'static Site, parent: Parent, set: impl FnOnce(&Slot)) -> u64 {
    let (made, around) = if site.is_async.load(Relaxed) { (ticks(), thread::current_async()) } else { (0, 0) };
    let (taken, parent) = hot(|hot| {
        let parent = match parent {
            Parent::None => 0,
            Parent::Entered => hot.last().map_or(0, |entered| entered.id),
            Parent::Is(id) => id,
        };
        (hot.take_slot(), parent)
    });
    let Some(index) = taken else { return NOT_KEPT };
    let new = &SLOTS[index as usize];
    new.site.store(std::ptr::from_ref(site).cast_mut(), Relaxed);
    new.made.store(made, Relaxed);
    new.parent.store(parent, Relaxed);
    new.around.store(around, Relaxed);
    new.async_id.store(0, Relaxed);
    new.was_entered.store(false, Relaxed);
    new.has_children.store(false, Relaxed);
    new.recorded.store(0, Relaxed);
    new.carried.store(0, Relaxed);
    new.told.store(0, Relaxed);
    new.is_long.store(false, Relaxed);
    new.count.store(0, Relaxed);
    set(new);
    if let Some(parent) = slot(parent) {
        // Whoever closes it has had it from this thread, or waits for this thread to let go of it.
        parent.has_children.store(true, Relaxed);
    }
    // Whoever gets the number finds all of this.
    let generation = new.held.load(Relaxed) >> 32;
    new.held.store(generation << 32 | 1, Release);
    generation << 32 | u64::from(index + 1)
}

/// The ticks now; 0 where nothing is recorded.
#[inline]
fn ticks() -> u64 {
    match clock::recording() {
        OFF => 0,
        state => clock::now(state),
    }
}

/// What `tracing` calls the span.
#[inline(always)]
pub(super) fn id(number: u64) -> Id {
    // A number's lower half is an index plus one.
    Id::from_u64(number)
}

/// Sets fields of a span.
pub(super) fn record(id: u64, update: impl FnOnce(&'static Site, &mut Fields)) {
    let Some(slot) = slot(id) else { return };
    let Some(site) = slot.site() else { return };
    let mut fields = slot.fields();
    update(site, &mut fields);
    slot.set_long(Arc::new(fields));
    slot.recorded.fetch_add(1, Release);
}

/// One more reference to a span.
pub(super) fn hold(id: u64) {
    let Some(slot) = slot(id) else { return };
    slot.held.fetch_add(1, Relaxed);
}

/// One more reference to a span that somebody else may just be closing; says whether it was open.
fn hold_if_open(id: u64) -> Option<&'static Slot> {
    let slot = slot(id)?;
    let more = |held: u64| (held >> 32 == id >> 32 && held as u32 != 0).then_some(held + 1);
    slot.held.fetch_update(AcqRel, Acquire, more).ok().map(|_| slot)
}

/// One reference less; says whether it was the last, and the span is closed.
pub(super) fn release(id: u64) -> bool {
    let Some(slot) = slot(id) else { return false };
    // The last reference of a span that nobody else can ask for: no locked instruction.
    let is_alone = slot.held.load(Acquire) as u32 == 1 && !slot.has_children.load(Relaxed);
    if !is_alone && !let_go(slot, id) {
        return false;
    }
    close(slot);
    if slot.is_long.load(Relaxed) {
        *slot.long.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
    // Another number from now on.
    slot.held.store(((id >> 32) + 1) << 32, Release);
    let index = id as u32 - 1;
    hot(|hot| hot.give_slot(index));
    true
}

/// Takes a reference away; says whether it was the last.
fn let_go(slot: &Slot, id: u64) -> bool {
    let less = |held: u64| (held >> 32 == id >> 32 && held as u32 != 0).then(|| held - 1);
    slot.held.fetch_update(AcqRel, Acquire, less).is_ok_and(|before| before as u32 == 1)
}

/// A row of this thread begins.
pub(super) fn enter(id: u64) {
    // Not in an `Entered` yet, as in `Place`.
    let (mut around, mut begun_in) = (AS_BEFORE, OFF);
    if let Some(slot) = slot(id) {
        if let Some(on) = slot.site().and_then(|site| record::on(&site.call)) {
            if !slot.was_entered.load(Relaxed) {
                slot.was_entered.store(true, Relaxed);
            } else if slot.async_id.load(Relaxed) == 0 {
                begin_async(slot, on);
            }
            let ticks = clock::now(on.state());
            if slot.made.load(Relaxed) == 0 {
                slot.made.store(ticks, Relaxed);
            }
            begun_in = if begin(slot, on, ticks) { on.state() } else { OFF };
        }
        let async_id = slot.async_id.load(Relaxed);
        if async_id != 0 && async_id != NOT_BEGUN {
            around = thread::set_current_async(async_id);
        }
    } else if id == NOT_KEPT && clock::recording() != OFF {
        record::lose_span();
    }
    hot(|hot| hot.push(Entered { id, around, state: begun_in, is_exited: false }));
}

#[inline]
fn begin(slot: &Slot, on: On, ticks: u64) -> bool {
    if !slot.has_fields() {
        return record::begin_span(on, ticks);
    }
    slot.carried.store(slot.recorded.load(Acquire), Relaxed);
    slot.write(on.state(), SPAN_BEGIN_ARGS, Some(ticks), u64::from(on.id()), &[], Lost::Spans)
}

/// A row of this thread ends: at once where it is the innermost, else with the last that is within it.
#[inline]
pub(super) fn exit(id: u64) {
    hot(|hot| {
        match hot.last() {
            None => return,
            Some(last) if last.id == id => end_last(hot, last),
            Some(_) => {
                let is = |entered: &Entered| entered.id == id && !entered.is_exited;
                if let Some(at) = (0..hot.depth.get()).rev().find(|at| is(&hot.get(*at))) {
                    hot.set(at, Entered { is_exited: true, ..hot.get(at) });
                }
            }
        }
        while let Some(last) = hot.last().filter(|last| last.is_exited) {
            end_last(hot, last);
        }
    });
}

#[inline(always)]
fn end_last(hot: &Hot, last: Entered) {
    hot.depth.set(hot.depth.get() - 1);
    if last.around != AS_BEFORE {
        thread::set_current_async(last.around);
    }
    if last.state != OFF {
        record::end_span(last.state);
    }
}

/// The innermost span entered on this thread, and not exited.
pub(super) fn current() -> Option<(u64, &'static Site)> {
    let find = |hot: &Hot| (0..hot.depth.get()).rev().map(|at| hot.get(at)).find(|entered| !entered.is_exited);
    let id = hot(find)?.id;
    Some((id, slot(id)?.site()?))
}

/// Gives a span a row of its own in `async_spans`, and before it those around it that are still open.
#[cold]
#[inline(never)]
fn begin_async(slot: &Slot, on: On) {
    if let Some(site) = slot.site() {
        site.is_async.store(true, Relaxed);
    }
    let id = thread::next_async();
    if slot.async_id.compare_exchange(0, id, AcqRel, Acquire).is_err() {
        return;
    }
    let mut around = match slot.around.load(Relaxed) {
        0 => thread::current_async(),
        around => around,
    };
    let parent = slot.parent.load(Relaxed);
    if let Some(parent_slot) = hold_if_open(parent) {
        if parent_slot.async_id.load(Relaxed) == 0
            && let Some(on) = parent_slot.site().and_then(|site| record::on(&site.call))
        {
            begin_async(parent_slot, on);
        }
        match parent_slot.async_id.load(Relaxed) {
            0 | NOT_BEGUN => around = parent_slot.around.load(Relaxed),
            id => around = id,
        }
        release(parent);
    }
    slot.told.store(slot.recorded.load(Acquire), Relaxed);
    // As of when it was made: so it also comes before all that is within it.
    let made = Some(slot.made.load(Relaxed)).filter(|made| *made != 0);
    let (state, site) = (on.state(), u64::from(on.id()));
    let begun = if slot.has_fields() {
        slot.write(state, ASYNC_BEGIN_ARGS, made, site, &[id, around], Lost::Asyncs)
    } else {
        record::write_words(state, ASYNC_BEGIN, made, &[site, id, around], std::iter::empty(), Lost::Asyncs)
    };
    if !begun {
        slot.async_id.store(NOT_BEGUN, Relaxed);
    }
}

#[inline(always)]
fn close(slot: &Slot) {
    let recorded = slot.recorded.load(Acquire);
    let has_row = slot.was_entered.load(Relaxed) && slot.carried.load(Relaxed) == recorded;
    if !has_row
        && slot.async_id.load(Relaxed) == 0
        && let Some(on) = slot.site().and_then(|site| record::on(&site.call))
    {
        begin_async(slot, on);
    }
    let id = slot.async_id.load(Relaxed);
    let state = clock::recording();
    if id == 0 || id == NOT_BEGUN || state == OFF {
        return;
    }
    if slot.told.load(Relaxed) == recorded {
        record::write_words(state, ASYNC_END, None, &[id], std::iter::empty(), Lost::AsyncEnds);
    } else {
        slot.write(state, ASYNC_END_ARGS, None, 0, &[id], Lost::AsyncEnds);
    }
}
