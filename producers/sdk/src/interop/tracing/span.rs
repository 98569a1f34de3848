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
use std::cell::RefCell;
use std::ptr::null_mut;
use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tracing_core::span::Id;

/// Slots of a page: 256 × 416 B = 104 KiB.
const PAGE_SLOTS: usize = 256;
/// 256 × 512 = 131,072 spans may be open at once: 52 MiB at worst.
const PAGES: usize = 512;
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

struct Slot {
    /// The generation, and in the lower half how many references there are.
    held: AtomicU64,
    site: AtomicPtr<Site>,
    /// The ticks when the span was made, or first entered: reading the clock is half of what a span costs, so that of a call site whose spans were never
    /// wanted in `async_spans` is not read when they are made. 0 while not known.
    made: AtomicU64,
    /// Other spans were made within it: their threads may ask for it at any time.
    has_children: AtomicBool,
    /// The span around it, 0 where there is none.
    parent: AtomicU64,
    /// The number of the async span around it when it was made, 0 where there was none or, as with `made`, it is not known.
    around: AtomicU64,
    /// The number of its own async span, 0 until it has one.
    async_id: AtomicU64,
    was_entered: AtomicBool,
    /// How often fields were recorded after it was made; how often when it was last entered, and when its async span began.
    recorded: AtomicU32,
    carried: AtomicU32,
    told: AtomicU32,
    /// The fields are in `long`.
    is_long: AtomicBool,
    count: AtomicU32,
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

type Page = Box<[Slot; PAGE_SLOTS]>;
static SLOTS: [OnceLock<Page>; PAGES] = [const { OnceLock::new() }; PAGES];
/// Slots that no thread keeps for itself, and how many pages there are.
static FREE: Mutex<(Vec<u32>, usize)> = Mutex::new((Vec::new(), 0));

/// What a thread knows of spans.
struct Local {
    /// The spans entered, the innermost last.
    entered: Vec<Entered>,
    /// Free slots.
    free: Vec<u32>,
    /// Memory for the fields of the next span.
    fields: Fields,
}

struct Entered {
    id: u64,
    /// The state of recording under which its row began; [`OFF`] where it did not.
    state: u32,
    /// The async span that is current again afterwards; [`AS_BEFORE`] where it was the same.
    around: u64,
    /// It was exited, before one within it was.
    is_exited: bool,
}

thread_local! {
    static LOCAL: RefCell<Local> = const {
        RefCell::new(Local { entered: Vec::new(), free: Vec::new(), fields: Fields::NONE })
    };
}

impl Drop for Local {
    fn drop(&mut self) {
        FREE.lock().unwrap_or_else(PoisonError::into_inner).0.append(&mut self.free);
    }
}

impl Local {
    #[inline(always)]
    fn take_slot(&mut self) -> Option<u32> {
        self.free.pop().or_else(|| self.take_slots())
    }

    #[cold]
    #[inline(never)]
    fn take_slots(&mut self) -> Option<u32> {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let (indexes, pages) = &mut *free;
        if indexes.is_empty() && *pages < PAGES {
            SLOTS[*pages].get_or_init(|| {
                let slots: Vec<Slot> = (0..PAGE_SLOTS).map(|_| Slot::new()).collect();
                slots.try_into().unwrap_or_else(|_| unreachable!("as many as a page has"))
            });
            let begin = (*pages * PAGE_SLOTS) as u32;
            indexes.extend((begin..begin + PAGE_SLOTS as u32).rev());
            *pages += 1;
        }
        let rest = indexes.len().saturating_sub(FREE_MAX / 2);
        self.free.extend(indexes.drain(rest..));
        self.free.pop()
    }

    #[inline(always)]
    fn give_slot(&mut self, index: u32) {
        self.free.push(index);
        if self.free.len() > FREE_MAX {
            self.give_slots();
        }
    }

    #[cold]
    #[inline(never)]
    fn give_slots(&mut self) {
        FREE.lock().unwrap_or_else(PoisonError::into_inner).0.extend(self.free.drain(FREE_MAX / 2..));
    }
}

/// The slot of a span, where the number still holds.
#[inline(always)]
fn slot(id: u64) -> Option<&'static Slot> {
    let slot = slot_at((id as u32).checked_sub(1)?)?;
    let held = slot.held.load(Acquire);
    (held >> 32 == id >> 32 && held as u32 != 0).then_some(slot)
}

#[inline(always)]
fn slot_at(index: u32) -> Option<&'static Slot> {
    let index = index as usize;
    Some(&SLOTS.get(index / PAGE_SLOTS)?.get()?[index % PAGE_SLOTS])
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
    let mut fields = LOCAL.try_with(|local| std::mem::take(&mut local.borrow_mut().fields)).unwrap_or_default();
    fields.clear();
    fill(&mut fields);
    fields.fill(site.count);
    with_slot(site, parent, |slot| {
        slot.set_fields(&fields);
        let _ = LOCAL.try_with(|local| local.borrow_mut().fields = std::mem::take(&mut fields));
    })
}

/// Puts a new span into a slot, which `set` gives its fields.
#[inline]
fn with_slot(site: &'static Site, parent: Parent, set: impl FnOnce(&Slot)) -> u64 {
    let (made, around) = if site.is_async.load(Relaxed) { (ticks(), thread::current_async()) } else { (0, 0) };
    let taken = LOCAL.try_with(|local| {
        let mut local = local.borrow_mut();
        let parent = match parent {
            Parent::None => 0,
            Parent::Entered => local.entered.last().map_or(0, |entered| entered.id),
            Parent::Is(id) => id,
        };
        local.take_slot().map(|index| (index, parent))
    });
    let Ok(Some((index, parent))) = taken else { return NOT_KEPT };
    let Some(new) = slot_at(index) else { return NOT_KEPT };
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
    if LOCAL.try_with(|local| local.borrow_mut().give_slot(index)).is_err() {
        FREE.lock().unwrap_or_else(PoisonError::into_inner).0.push(index);
    }
    true
}

/// Takes a reference away; says whether it was the last.
fn let_go(slot: &Slot, id: u64) -> bool {
    let less = |held: u64| (held >> 32 == id >> 32 && held as u32 != 0).then(|| held - 1);
    slot.held.fetch_update(AcqRel, Acquire, less).is_ok_and(|before| before as u32 == 1)
}

/// A row of this thread begins.
pub(super) fn enter(id: u64) {
    let mut entered = Entered { id, state: OFF, around: AS_BEFORE, is_exited: false };
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
            entered.state = if begin(slot, on, ticks) { on.state() } else { OFF };
        }
        let async_id = slot.async_id.load(Relaxed);
        if async_id != 0 && async_id != NOT_BEGUN {
            entered.around = thread::set_current_async(async_id);
        }
    } else if id == NOT_KEPT && clock::recording() != OFF {
        record::lose_span();
    }
    let _ = LOCAL.try_with(|local| local.borrow_mut().entered.push(entered));
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
    let _ = LOCAL.try_with(|local| {
        let entered = &mut local.borrow_mut().entered;
        match entered.last() {
            Some(last) if last.id == id => end_last(entered),
            _ => {
                let found = entered.iter_mut().rev().find(|entered| entered.id == id && !entered.is_exited);
                found.into_iter().for_each(|found| found.is_exited = true);
            }
        }
        while entered.last().is_some_and(|last| last.is_exited) {
            end_last(entered);
        }
    });
}

#[inline(always)]
fn end_last(entered: &mut Vec<Entered>) {
    let Some(Entered { state, around, .. }) = entered.pop() else { return };
    if around != AS_BEFORE {
        thread::set_current_async(around);
    }
    if state != OFF {
        record::end_span(state);
    }
}

/// The innermost span entered on this thread, and not exited.
pub(super) fn current() -> Option<(u64, &'static Site)> {
    let id = LOCAL.try_with(|local| {
        let local = local.borrow();
        local.entered.iter().rev().find(|entered| !entered.is_exited).map(|entered| entered.id)
    });
    let id = id.ok().flatten()?;
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
