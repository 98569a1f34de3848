//! What programs should record from now on: texts that go back to them with the replies to their batches.
//!
//! A text is a filter such as `info,net=debug,physics=off`; it is not looked into here. The one for a process goes before the one for its program,
//! and that before the one for all. Once anything was said, processes that no text is for are told that by an empty one, so that they go back to
//! what they had; before that nothing is said at all. Which program a process runs is known from its `Process` record, which every program sends at its start and
//! every 30 s. Programs that send straight to Kafka get no replies, and so no texts.

use framelake_wire::ProcessId;
use serde::{Deserialize, Deserializer, Serialize};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt, io,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
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

#[derive(Default)]
struct Shared {
    /// Whether anything was ever said: mostly nothing was, and a batch costs one load.
    speaks: AtomicBool,
    texts: RwLock<Texts>,
    programs: Mutex<Programs>,
    /// For processes that no text is for.
    otherwise: String,
    keep: OnceLock<Keep>,
}

type Keep = Box<dyn Fn(&Texts) -> io::Result<()> + Send + Sync>;

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("texts", &self.texts).finish_non_exhaustive()
    }
}

/// Why texts are not in force.
#[derive(Debug)]
pub enum NotSet {
    /// What is wrong with them, and what to do about it.
    Wrong(String),
    /// They could not be kept.
    NotKept(io::Error),
}

impl fmt::Display for NotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotSet::Wrong(reason) => f.write_str(reason),
            NotSet::NotKept(error) => write!(f, "the texts could not be kept for the next start: {error}"),
        }
    }
}

impl std::error::Error for NotSet {}

/// The texts, as `GET /v1/control` gives and `PUT /v1/control` takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Texts {
    /// For every process; `None` leaves it to the programs.
    pub default: Option<String>,
    /// By the name of the program's file, `Process.exe`.
    pub exes: BTreeMap<String, String>,
    /// By process id.
    pub processes: BTreeMap<String, String>,
}

/// What is to be different of the texts, as `PATCH /v1/control` takes it: whoever is not named keeps what there is, and `None` (JSON's `null`) takes it away. So
/// two who change the texts at once do not undo each other's change, unless it is of the same text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Change {
    /// For every process, where it is to be changed.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub default: Option<Option<String>>,
    /// By the name of the program's file, `Process.exe`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub exes: BTreeMap<String, Option<String>>,
    /// By process id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub processes: BTreeMap<String, Option<String>>,
}

/// What is there, even as `null`: serde takes that for what is not there.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[derive(Debug, Default)]
struct Programs {
    exes: HashMap<ProcessId, String>,
    order: VecDeque<ProcessId>,
}

impl Control {
    /// No texts yet; processes that none is for are told `text`, or nothing where it is empty.
    #[must_use]
    pub fn otherwise(text: &str) -> Self {
        let speaks = AtomicBool::new(!text.is_empty());
        Self { shared: Arc::new(Shared { speaks, otherwise: text.to_owned(), ..Shared::default() }) }
    }

    /// The texts in force.
    #[must_use]
    pub fn texts(&self) -> Texts {
        self.shared.texts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on `keep` writes texts down before they are in force, so that a restart keeps them. The first call counts.
    pub fn keep_by(&self, keep: impl Fn(&Texts) -> io::Result<()> + Send + Sync + 'static) {
        let _ = self.shared.keep.set(Box::new(keep));
    }

    /// Puts `texts` in force, in place of all that were, and returns them.
    ///
    /// # Errors
    /// Something is wrong with them, or they cannot be kept; then nothing changes.
    pub fn set(&self, texts: Texts) -> Result<Texts, NotSet> {
        self.replace(|_| checked(texts))
    }

    /// Changes the texts in force, and returns all that are from now on.
    ///
    /// # Errors
    /// Something is wrong with what they would be, or they cannot be kept; then nothing changes.
    pub fn change(&self, change: Change) -> Result<Texts, NotSet> {
        self.replace(|current| changed(current.clone(), change).and_then(checked))
    }

    fn replace(&self, new: impl FnOnce(&Texts) -> Result<Texts, String>) -> Result<Texts, NotSet> {
        // Held while they are made and written down, so that no change is lost between, and what is kept is what is in force.
        let mut current = self.shared.texts.write().unwrap_or_else(PoisonError::into_inner);
        let texts = new(&current).map_err(NotSet::Wrong)?;
        if let Some(keep) = self.shared.keep.get() {
            keep(&texts).map_err(NotSet::NotKept)?;
        }
        current.clone_from(&texts);
        self.shared.speaks.store(true, Relaxed);
        Ok(texts)
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

    /// The text for a batch of these processes, empty where it is left to them; `None` where nothing was ever said, or they would not all get the same.
    pub(crate) fn text_for(&self, processes: impl IntoIterator<Item = ProcessId>) -> Option<String> {
        if !self.shared.speaks.load(Relaxed) {
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
        all.all(|other| other == first).then(|| first.unwrap_or(&self.shared.otherwise).clone())
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
    let processes = texts.processes.into_iter().map(|(id, text)| Ok((as_printed(&id)?, text)));
    Ok(Texts { processes: processes.collect::<Result<_, String>>()?, ..texts })
}

/// Ids are compared as text, so they are written in the one way that they are printed.
fn as_printed(id: &str) -> Result<String, String> {
    id.parse::<ProcessId>().map(|id| id.to_string()).map_err(|_| {
        format!(
            "{id:?} under \"processes\" is no process id; give a UUID as in the table processes, or put a program's name under \"exes\""
        )
    })
}

fn changed(mut texts: Texts, change: Change) -> Result<Texts, String> {
    let put = |texts: &mut BTreeMap<String, String>, name, text| match text {
        Some(text) => drop(texts.insert(name, text)),
        None => drop(texts.remove(&name)),
    };
    if let Some(text) = change.default {
        texts.default = text;
    }
    for (exe, text) in change.exes {
        put(&mut texts.exes, exe, text);
    }
    for (id, text) in change.processes {
        put(&mut texts.processes, as_printed(&id)?, text);
    }
    Ok(texts)
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
        check(&[1], Some(""));
    }

    #[test]
    fn what_is_said_otherwise_needs_no_text_and_goes_behind_all() {
        let control = Control::otherwise("warn");
        assert_eq!(control.text_for([process(1), process(2)]).as_deref(), Some("warn"));
        control.set(Texts { default: Some("info".into()), ..Texts::default() }).unwrap();
        assert_eq!(control.text_for([process(1)]).as_deref(), Some("info"));
        control.set(Texts::default()).unwrap();
        assert_eq!(control.text_for([process(1)]).as_deref(), Some("warn"));
    }

    #[test]
    fn a_change_is_of_what_it_names_alone() {
        let control = Control::default();
        let check = |change: &str, texts: &str| {
            let texts: Texts = serde_json::from_str(texts).unwrap();
            let change: Change = serde_json::from_str(change).unwrap();
            assert_eq!(serde_json::from_str::<Change>(&serde_json::to_string(&change).unwrap()).unwrap(), change);
            assert_eq!((control.change(change).unwrap(), control.texts()), (texts.clone(), texts));
        };
        check(r#"{"default": "warn"}"#, r#"{"default": "warn"}"#);
        check(
            r#"{"exes": {"game": "info", "tool": "off"}}"#,
            r#"{"default": "warn", "exes": {"game": "info", "tool": "off"}}"#,
        );
        check(r#"{}"#, r#"{"default": "warn", "exes": {"game": "info", "tool": "off"}}"#);
        check(r#"{"default": null, "exes": {"tool": null, "none": null}}"#, r#"{"exes": {"game": "info"}}"#);
        // Whichever way the id is written.
        let id = ProcessId::now_v7().to_string();
        let upper = id.to_uppercase();
        check(
            &format!(r#"{{"processes": {{"{upper}": "debug"}}}}"#),
            &format!(r#"{{"exes": {{"game": "info"}}, "processes": {{"{id}": "debug"}}}}"#),
        );
        check(&format!(r#"{{"processes": {{"{upper}": null}}}}"#), r#"{"exes": {"game": "info"}}"#);

        let long = Change { exes: [("game".into(), Some("x".repeat(TEXT_BYTES_MAX + 1)))].into(), ..Change::default() };
        assert!(control.change(long).unwrap_err().to_string().contains("shorten it"));
        let wrong = Change { default: Some(None), processes: [("game".into(), None)].into(), ..Change::default() };
        assert!(control.change(wrong).unwrap_err().to_string().contains("no process id"));
        assert_eq!(control.texts().exes, [("game".into(), "info".into())].into());
    }

    #[test]
    fn changes_made_at_once_are_all_there_and_all_kept() {
        const EACH: usize = 50;
        let control = Control::default();
        let kept = Arc::new(Mutex::new(Texts::default()));
        control.keep_by({
            let kept = kept.clone();
            move |texts| {
                // As writing a file does.
                std::thread::yield_now();
                kept.lock().unwrap().clone_from(texts);
                Ok(())
            }
        });
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let control = &control;
                scope.spawn(move || {
                    for number in 0..EACH {
                        let exes = [(format!("game-{thread}-{number}"), Some("info".to_owned()))].into();
                        control.change(Change { exes, ..Change::default() }).unwrap();
                    }
                });
            }
        });
        assert_eq!(control.texts().exes.len(), 4 * EACH);
        assert_eq!(*kept.lock().unwrap(), control.texts());
    }

    #[test]
    fn texts_that_cannot_be_kept_are_not_in_force() {
        let control = Control::default();
        let kept = Arc::new(Mutex::new(Vec::new()));
        control.keep_by({
            let kept = kept.clone();
            move |texts| match texts.default.as_deref() {
                Some("full") => Err(io::Error::other("no room")),
                _ => {
                    kept.lock().unwrap().push(texts.clone());
                    Ok(())
                }
            }
        });
        let all = |text: &str| Texts { default: Some(text.into()), ..Texts::default() };
        control.set(all("info")).unwrap();
        assert!(control.set(all("full")).unwrap_err().to_string().contains("no room"));
        let wrong = Texts { processes: [("game".into(), "off".into())].into(), ..Texts::default() };
        assert!(matches!(control.set(wrong), Err(NotSet::Wrong(_))));
        assert_eq!((control.texts(), kept.lock().unwrap().as_slice()), (all("info"), [all("info")].as_slice()));
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
        assert_eq!(control.text_for([process(0)]).as_deref(), Some(""));
        assert_eq!(control.text_for([process(1), process(last)]).as_deref(), Some("info"));
    }
}
