//! What programs should record from now on: texts that go back to them with the replies to their batches.
//!
//! A text is a filter such as `info,net=debug,physics=off`; it is not looked into here. The one for a process goes before the one for its program,
//! and that before the one for all. Which program a process runs is known from its `Process` record, which every program sends at its start and
//! every 30 s. Programs that send straight to Kafka get no replies, and so no texts.

use framelake_wire::ProcessId;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

/// Most bytes of a text.
pub const TEXT_BYTES_MAX: usize = 4 * 1024;
/// Most texts: 4 KiB × 256 = 1 MiB at worst.
pub const TEXTS_MAX: usize = 256;
/// Processes whose program is remembered: 4,096 × about 100 B = 400 KiB. Beyond that the oldest are forgotten, and known again with their next
/// `Process` record.
const PROCESSES_MAX: usize = 4_096;

/// The texts in force; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whether there is any text at all: mostly there is none, and a batch costs one load.
    any: AtomicBool,
    texts: RwLock<Texts>,
    programs: Mutex<Programs>,
}

/// The texts, as `GET /v1/control` gives and `PUT /v1/control` takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Texts {
    /// For every process; `None` says nothing, so that programs keep what they have.
    pub default: Option<String>,
    /// By the name of the program's file, `Process.exe`.
    pub exes: BTreeMap<String, String>,
    /// By process id.
    pub processes: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Programs {
    exes: HashMap<ProcessId, String>,
    order: VecDeque<ProcessId>,
}

impl Control {
    /// The texts in force.
    #[must_use]
    pub fn texts(&self) -> Texts {
        self.shared.texts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts `texts` in force, in place of all that were.
    ///
    /// # Errors
    /// What is wrong with them and what to do about it; then nothing changes.
    pub fn set(&self, texts: Texts) -> Result<(), String> {
        let texts = checked(texts)?;
        let any = texts.default.is_some() || !texts.exes.is_empty() || !texts.processes.is_empty();
        *self.shared.texts.write().unwrap_or_else(PoisonError::into_inner) = texts;
        self.shared.any.store(any, Relaxed);
        Ok(())
    }

    /// A process told which program it runs.
    pub(crate) fn runs(&self, process_id: ProcessId, exe: &str) {
        let mut programs = self.shared.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = programs.exes.get_mut(&process_id) {
            exe.clone_into(known);
            return;
        }
        if programs.order.len() >= PROCESSES_MAX
            && let Some(oldest) = programs.order.pop_front()
        {
            programs.exes.remove(&oldest);
        }
        programs.order.push_back(process_id);
        programs.exes.insert(process_id, exe.to_owned());
    }

    /// The text for a batch of these processes; `None` where there is none, or they would not all get the same.
    pub(crate) fn text_for(&self, processes: impl IntoIterator<Item = ProcessId>) -> Option<String> {
        if !self.shared.any.load(Relaxed) {
            return None;
        }
        let texts = self.shared.texts.read().unwrap_or_else(PoisonError::into_inner);
        let programs = self.shared.programs.lock().unwrap_or_else(PoisonError::into_inner);
        let text = |process_id: ProcessId| {
            let exe = programs.exes.get(&process_id);
            let of_program = || exe.and_then(|exe| texts.exes.get(exe));
            texts.processes.get(&process_id.to_string()).or_else(of_program).or(texts.default.as_ref())
        };
        let mut all = processes.into_iter().map(text);
        let first = all.next()?;
        all.all(|other| other == first).then(|| first.cloned())?
    }
}

fn checked(texts: Texts) -> Result<Texts, String> {
    let count = texts.exes.len() + texts.processes.len();
    if count > TEXTS_MAX {
        return Err(format!(
            "{count} texts are over the limit of {TEXTS_MAX}; name programs instead of processes, or use \"default\""
        ));
    }
    let named = texts.exes.iter().chain(&texts.processes).map(|(name, text)| (name.as_str(), text));
    for (name, text) in named.chain(texts.default.iter().map(|text| ("default", text))) {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!(
                "the text for {name:?} has {} bytes, over the limit of {TEXT_BYTES_MAX}; shorten it",
                text.len()
            ));
        }
    }
    // Ids are compared as text, so they are written in the one way that they are printed.
    let id = |(id, text): (String, String)| match id.parse::<ProcessId>() {
        Ok(parsed) => Ok((parsed.to_string(), text)),
        Err(_) => Err(format!(
            "{id:?} under \"processes\" is no process id; give a UUID as in the table processes, or put a program's name under \"exes\""
        )),
    };
    let processes = texts.processes.into_iter().map(id).collect::<Result<_, _>>()?;
    Ok(Texts { processes, ..texts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(number: u16) -> ProcessId {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        ProcessId::from_bytes(bytes)
    }

    #[test]
    fn a_process_goes_before_its_program_and_that_before_all() {
        let control = Control::default();
        let check = |processes: &[u16], text: Option<&str>| {
            assert_eq!(control.text_for(processes.iter().copied().map(process)).as_deref(), text, "{processes:?}");
        };
        for (number, exe) in [(1, "game"), (2, "game"), (3, "tool")] {
            control.runs(process(number), exe);
        }
        check(&[1], None);
        let texts = Texts {
            default: Some("warn".into()),
            exes: [("game".into(), "info".into())].into(),
            processes: [(process(2).to_string().to_uppercase(), "debug".into())].into(),
        };
        control.set(texts).unwrap();
        check(&[1], Some("info"));
        check(&[2], Some("debug"));
        check(&[3], Some("warn"));
        check(&[4], Some("warn"));
        check(&[3, 4, 3], Some("warn"));
        check(&[1, 2], None);
        check(&[], None);
        control.set(Texts::default()).unwrap();
        check(&[1], None);
    }

    #[test]
    fn programs_are_remembered_up_to_a_bound_and_the_oldest_forgotten() {
        let control = Control::default();
        control.set(Texts { exes: [("game".into(), "info".into())].into(), ..Texts::default() }).unwrap();
        let last = PROCESSES_MAX as u16;
        for number in 0..=last {
            control.runs(process(number), "game");
            control.runs(process(number), "game");
        }
        assert_eq!(control.text_for([process(0)]), None);
        assert_eq!(control.text_for([process(1), process(last)]).as_deref(), Some("info"));
    }
}
