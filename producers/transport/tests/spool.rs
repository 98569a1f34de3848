//! What happens to records while the server is away: memory, then disk, then shedding; and what the next run finds.

#[path = "support/carrier.rs"]
mod carrier;

use carrier::Carrier;
use framelake_transport::journal::{self, Journal};
use framelake_transport::{Options, Outgoing, Place, Rows, Sender, recover, spool};
use framelake_wire::{ProcessId, StreamId, Topic};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);
const KIB: usize = 1024;
/// Small, so that a test fills it: spilled from 128 KiB on.
const QUEUE_BYTES: usize = 256 * KIB;
const SPANS: u8 = 1;
const METRICS: u8 = 2;
const LOGS: u8 = 3;
const ATTACHMENTS: u8 = 4;

/// Record `number` of its stream, one row; its bytes say which it is.
fn record(topic: Topic, stream: u8, number: u32, bytes: usize) -> Outgoing {
    let mut content = vec![stream];
    content.extend_from_slice(&number.to_le_bytes());
    content.resize(bytes.max(5), (number % 251) as u8);
    content.shrink_to_fit();
    let rows = Some(Rows { stream_id: StreamId::from_bytes([stream; 16]), count: 1 });
    Outgoing {
        topic,
        is_attachment: false,
        process_id: ProcessId::from_bytes([9; 16]),
        bytes: content,
        rows,
        hold: Default::default(),
    }
}

fn span(number: u32) -> Outgoing {
    record(Topic::Spans, SPANS, number, 4 * KIB)
}

fn number(record: &Outgoing) -> u32 {
    u32::from_le_bytes(record.bytes[1..5].try_into().unwrap())
}

/// The numbers of the records of a topic, in the order in which they came.
fn numbers(kept: &[Outgoing], topic: Topic) -> Vec<u32> {
    kept.iter().filter(|record| record.topic == topic).map(number).collect()
}

fn start(carrier: &Carrier, dir: &Path, spool_bytes: u64) -> Sender {
    let spool = Some(spool::Options { dir: dir.to_owned(), bytes_max: spool_bytes });
    Sender::start_with(Box::new(carrier.clone()), Options { queue_bytes_max: QUEUE_BYTES, spool }).unwrap()
}

/// Pushes, and gives the sending thread the time that a real load gives it.
fn push(sender: &Sender, record: Outgoing) {
    sender.push(record);
    sender.dispatch();
    let begin = Instant::now();
    while sender.stats().queue_bytes > QUEUE_BYTES as u64 * 3 / 4 && begin.elapsed() < Duration::from_millis(500) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn spool_files(dir: &Path) -> Vec<PathBuf> {
    files(dir).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "spool")).collect()
}

/// As [`numbers`], sorted: what was in flight at the end of a run was written last.
fn sorted_numbers(kept: &[Outgoing], topic: Topic) -> Vec<u32> {
    let mut numbers = numbers(kept, topic);
    numbers.sort_unstable();
    numbers
}

fn lost(sender: &Sender) -> u64 {
    sender.take_losses().rows.iter().map(|rows| rows.count).sum()
}

/// Leaves `spans` on disk as a program that was killed would: files without an owner.
fn leave_behind(dir: &Path, spans: std::ops::Range<u32>) {
    let sender = start(&Carrier::away(), dir, 64 << 20);
    let count = spans.len() as u64;
    for index in spans {
        push(&sender, span(index));
    }
    let undelivered = sender.shutdown(Duration::ZERO);
    assert_eq!((undelivered.records, undelivered.spooled_records), (0, count), "{undelivered:?}");
}

#[test]
fn an_outage_longer_than_memory_loses_nothing_and_keeps_the_order_within_a_class() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("made/when/needed");
    let carrier = Carrier::away();
    let sender = start(&carrier, &spool, 64 << 20);
    let mut sent = Vec::new();
    for index in 0..1_000 {
        sent.push(span(index));
        if index % 4 == 0 {
            sent.push(record(Topic::Metrics, METRICS, index, 2 * KIB));
            sent.push(record(Topic::Logs, LOGS, index, 2 * KIB));
        }
    }
    for record in &sent {
        push(&sender, record.clone());
    }
    let stats = sender.stats();
    assert!(stats.spool_bytes > 3 << 20 && stats.queue_bytes <= QUEUE_BYTES as u64, "{stats:?}");
    assert!(stats.spilled_records >= stats.spool_records && stats.spool_errors == 0, "{stats:?}");

    carrier.set_away(false);
    assert!(sender.flush(SOON), "{:?}", sender.stats());
    let kept = carrier.kept();
    for topic in [Topic::Logs, Topic::Metrics, Topic::Spans] {
        let of_topic = |records: &[Outgoing]| -> Vec<Outgoing> {
            records.iter().filter(|record| record.topic == topic).cloned().collect()
        };
        assert_eq!(of_topic(&kept), of_topic(&sent), "{topic}: byte for byte, in order, once");
    }
    let stats = sender.stats();
    assert_eq!((stats.shed_rows, stats.spool_bytes, stats.spool_records), (0, 0, 0), "{stats:?}");
    assert_eq!(stats.read_back_records, stats.spilled_records);
    assert_eq!(sender.shutdown(SOON), Default::default());
    assert_eq!(files(&spool), Vec::<PathBuf>::new(), "nothing stays behind");
}

#[test]
fn what_is_on_disk_is_sent_dear_classes_first() {
    let dir = tempfile::tempdir().unwrap();
    let carrier = Carrier::away();
    let sender = start(&carrier, dir.path(), 64 << 20);
    // The first is in flight already when the others come.
    push(&sender, span(0));
    while sender.stats().send_errors == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    for index in 1..200 {
        for (topic, stream) in [(Topic::Spans, SPANS), (Topic::Metrics, METRICS), (Topic::Logs, LOGS)] {
            push(&sender, record(topic, stream, index, 4 * KIB));
        }
    }
    carrier.set_away(false);
    assert!(sender.flush(SOON));
    let kept: Vec<Topic> =
        carrier.kept().iter().skip_while(|record| record.topic == Topic::Spans).map(|r| r.topic).collect();
    assert!(kept.is_sorted(), "logs, metrics, spans: {kept:?}");
    let _ = sender.shutdown(SOON);
}

#[test]
fn with_both_budgets_used_up_spans_are_shed_before_all_else_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let carrier = Carrier::away();
    let spool_bytes = 512 * KIB as u64;
    let sender = start(&carrier, dir.path(), spool_bytes);
    for index in 0..1_000 {
        push(&sender, span(index));
        if index % 10 == 0 {
            push(&sender, record(Topic::Metrics, METRICS, index, KIB));
            push(&sender, record(Topic::Logs, LOGS, index, KIB));
        }
        assert!(sender.stats().spool_bytes <= spool_bytes, "{:?}", sender.stats());
    }
    let stats = sender.stats();
    assert!(stats.shed_rows > 700, "{stats:?}");

    carrier.set_away(false);
    assert!(sender.flush(SOON));
    let kept = carrier.kept();
    let every_tenth: Vec<u32> = (0..100).map(|index| index * 10).collect();
    assert_eq!(numbers(&kept, Topic::Logs), every_tenth);
    assert_eq!(numbers(&kept, Topic::Metrics), every_tenth);
    let spans = numbers(&kept, Topic::Spans);
    assert_eq!(spans.last(), Some(&999), "the oldest go first");
    let losses = sender.take_losses().rows;
    assert_eq!(losses, [Rows { stream_id: StreamId::from_bytes([SPANS; 16]), count: 1_000 - spans.len() as u64 }]);
    assert_eq!(sender.stats().shed_rows, losses[0].count);
    assert_eq!(sender.shutdown(SOON), Default::default());
}

/// What would be there after a kill: what a journal holds and is not gone, and what lies in the spool.
fn after_a_kill(journal: &Path, marks: journal::Marks, gone: &[Place], spool: &Path) -> BTreeSet<u32> {
    let mut left: BTreeSet<u32> =
        journal::read(journal, "id", marks, gone).unwrap().records.iter().map(number).collect();
    let (copy, carrier) = (tempfile::tempdir().unwrap(), Carrier::default());
    for file in files(spool) {
        fs::copy(&file, copy.path().join(file.file_name().unwrap())).unwrap();
    }
    recover(copy.path(), Box::new(carrier.clone()), SOON).unwrap();
    left.extend(numbers(&carrier.kept(), Topic::Spans));
    left
}

#[test]
fn what_was_counted_as_lost_is_not_sent_again_from_a_journal() {
    // With a spool that loses its oldest file now and then, and without one.
    for spool_bytes in [Some(512 * KIB as u64), None] {
        let (dir, in_spool) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let carrier = Carrier::away();
        let sender = match spool_bytes {
            Some(bytes) => start(&carrier, in_spool.path(), bytes),
            None => Sender::start(Box::new(carrier.clone()), QUEUE_BYTES).unwrap(),
        };
        let mut journal = Journal::new(dir.path(), "id");
        let mut counted = 0;
        for round in 0..8 {
            let mut spans: Vec<Outgoing> = (round * 100..round * 100 + 100).map(span).collect();
            let marks = journal.write(&mut spans).unwrap();
            for span in spans {
                match spool_bytes {
                    Some(_) => push(&sender, span),
                    None => sender.push(span),
                }
            }
            // Until the thread writes no more.
            let mut stats = sender.stats();
            loop {
                std::thread::sleep(Duration::from_millis(20));
                let now = sender.stats();
                if (now.spilled_records, now.shed_rows) == (stats.spilled_records, stats.shed_rows) {
                    break;
                }
                stats = now;
            }
            let losses = sender.take_losses();
            counted += losses.rows.iter().map(|rows| rows.count).sum::<u64>();
            journal.forget(&losses.gone);
            journal.trim();
            let left = after_a_kill(dir.path(), marks, &journal.gone(), in_spool.path());
            assert_eq!(left.len() as u64 + counted, (u64::from(round) + 1) * 100);
        }
        assert!(counted > 100, "{counted}");
        let _ = sender.shutdown(Duration::ZERO);
    }
}

#[test]
fn a_flood_of_attachments_costs_no_line_in_memory_or_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let carrier = Carrier::away();
    let sender = start(&carrier, dir.path(), 512 * KIB as u64);
    for index in 0..300 {
        push(&sender, Outgoing { is_attachment: true, ..record(Topic::Logs, ATTACHMENTS, index, 8 * KIB) });
        push(&sender, record(Topic::Logs, LOGS, index, KIB / 2));
    }
    let attachments = StreamId::from_bytes([ATTACHMENTS; 16]);
    carrier.set_away(false);
    assert!(sender.flush(SOON));
    let of = |stream: u8| carrier.kept().into_iter().filter(|record| record.bytes[0] == stream).collect::<Vec<_>>();
    assert_eq!(numbers(&of(LOGS), Topic::Logs), (0..300).collect::<Vec<_>>());
    let kept = numbers(&of(ATTACHMENTS), Topic::Logs);
    assert!(kept.is_sorted() && kept.last() == Some(&299), "the oldest go first: {kept:?}");
    assert_eq!(sender.take_losses().rows, [Rows { stream_id: attachments, count: 300 - kept.len() as u64 }]);
    assert_eq!(sender.shutdown(SOON), Default::default());
}

#[test]
fn a_disk_that_fails_is_shed_counted_and_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    // Root may write anywhere, so a file in place of the directory.
    let spool = dir.path().join("spool");
    fs::write(&spool, "in the way").unwrap();
    let carrier = Carrier::away();
    let sender = start(&carrier, &spool, 64 << 20);
    for index in 0..200 {
        sender.push(span(index));
    }
    std::thread::sleep(Duration::from_millis(100));
    sender.push(span(200));
    let stats = sender.stats();
    assert!(stats.spool_errors > 0 && stats.shed_rows > 0 && stats.spilled_records == 0, "{stats:?}");
    assert!(stats.queue_bytes <= QUEUE_BYTES as u64, "{stats:?}");
    let shed = stats.shed_rows;

    fs::remove_file(&spool).unwrap();
    let begin = Instant::now();
    while sender.stats().spilled_records == 0 {
        assert!(begin.elapsed() < SOON, "the disk is not tried again: {:?}", sender.stats());
        sender.dispatch();
        std::thread::sleep(Duration::from_millis(20));
    }
    carrier.set_away(false);
    assert!(sender.flush(SOON));
    assert_eq!(lost(&sender), shed);
    assert_eq!(carrier.kept().len() as u64 + shed, 201);
    assert_eq!(sender.shutdown(SOON), Default::default());
}

#[test]
fn a_directory_that_disappears_costs_what_was_in_it_and_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    let carrier = Carrier::away();
    let sender = start(&carrier, &spool, 64 << 20);
    for index in 0..100 {
        push(&sender, span(index));
    }
    assert!(sender.stats().spool_records > 0);
    fs::remove_dir_all(&spool).unwrap();
    for index in 100..2_200 {
        push(&sender, span(index));
    }
    carrier.set_away(false);
    assert!(sender.flush(SOON), "{:?}", sender.stats());
    let (kept, lost) = (carrier.kept().len() as u64, lost(&sender));
    assert_eq!(kept + lost, 2_200, "{:?}", sender.stats());
    assert!(lost > 0 && lost < 2_200, "{lost} lost");
    let _ = sender.shutdown(SOON);
}

#[test]
fn what_the_end_of_a_program_leaves_the_next_run_sends_first() {
    let dir = tempfile::tempdir().unwrap();
    let away = Carrier::away();
    let first = start(&away, dir.path(), 64 << 20);
    for index in 0..300 {
        push(&first, span(index));
    }
    let undelivered = first.shutdown(Duration::from_millis(50));
    assert_eq!((undelivered.records, undelivered.rows.len()), (0, 0));
    assert_eq!((undelivered.spooled_records, undelivered.spooled_rows), (300, 300));
    assert_eq!(lost(&first), 0);

    let carrier = Carrier::default();
    let second = start(&carrier, dir.path(), 64 << 20);
    second.push(span(300));
    assert!(second.flush(SOON));
    let kept = carrier.kept();
    assert_eq!(number(&kept[300]), 300, "the earlier run's come first");
    assert_eq!(sorted_numbers(&kept, Topic::Spans), (0..=300).collect::<Vec<u32>>());
    assert_eq!(second.stats().recovered_records, 300);
    assert_eq!(second.shutdown(SOON), Default::default());
    assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_budget_too_small_for_the_end_says_what_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let sender = start(&Carrier::away(), dir.path(), 20 * KIB as u64);
    for index in 0..10 {
        sender.push(record(Topic::Logs, LOGS, index, 8 * KIB));
    }
    let undelivered = sender.shutdown(Duration::ZERO);
    assert!(undelivered.spooled_records > 0, "{undelivered:?}");
    let gone = lost(&sender);
    assert_eq!(undelivered.records + undelivered.spooled_records + gone, 10, "{undelivered:?}, {gone} shed");
}

#[test]
fn a_file_cut_at_any_byte_of_its_last_record_gives_the_records_before() {
    let dir = tempfile::tempdir().unwrap();
    let sender = start(&Carrier::away(), dir.path(), 64 << 20);
    for index in 0..3 {
        sender.push(record(Topic::Logs, LOGS, index, 40));
    }
    assert_eq!(sender.shutdown(Duration::ZERO).spooled_records, 3);
    let [file] = &spool_files(dir.path())[..] else { panic!("one file") };
    let whole = fs::read(file).unwrap();
    let record_bytes = (whole.len() - 8) / 3;
    let lock =
        file.with_file_name(format!("{}.lock", file.file_name().unwrap().to_str().unwrap().split('.').next().unwrap()));

    for cut in whole.len() - record_bytes..whole.len() {
        fs::write(file, &whole[..cut]).unwrap();
        fs::write(&lock, "").unwrap();
        let carrier = Carrier::default();
        let recovered = recover(dir.path(), Box::new(carrier.clone()), SOON).unwrap();
        assert_eq!(numbers(&carrier.kept(), Topic::Logs), [0, 1], "cut at {cut}");
        let torn = (cut - (whole.len() - record_bytes)) as u64;
        assert_eq!(
            (recovered.found_records, recovered.sent_records, recovered.torn_bytes),
            (2, 2, torn),
            "{recovered:?}"
        );
        assert_eq!(files(dir.path()), Vec::<PathBuf>::new(), "cut at {cut}");
    }
}

#[test]
fn what_a_killed_program_left_is_sent_with_its_process() {
    let dir = tempfile::tempdir().unwrap();
    let sender = start(&Carrier::away(), dir.path(), 64 << 20);
    let process = Outgoing { topic: Topic::Processes, rows: None, ..record(Topic::Processes, 0, 7, 100) };
    sender.push(process.clone());
    sender.dispatch();
    for index in 0..200 {
        push(&sender, span(index));
    }
    // As the disk stands when the program is killed now; its lock died with it.
    let killed = tempfile::tempdir().unwrap();
    for file in files(dir.path()) {
        fs::copy(&file, killed.path().join(file.file_name().unwrap())).unwrap();
    }
    let carrier = Carrier::default();
    let recovered = recover(killed.path(), Box::new(carrier.clone()), SOON).unwrap();
    let kept = carrier.kept();
    assert_eq!(kept[0], process);
    let spans = numbers(&kept, Topic::Spans);
    assert!(!spans.is_empty() && spans.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{spans:?}");
    assert_eq!(recovered.sent_records, 1 + spans.len() as u64);
}

#[test]
fn processes_that_share_a_directory_leave_each_others_files_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Carrier::away(), Carrier::away());
    let first = start(&one, dir.path(), 64 << 20);
    for index in 0..200 {
        push(&first, span(index));
    }
    let of_first = spool_files(dir.path());
    assert!(!of_first.is_empty());
    let second = start(&two, dir.path(), 64 << 20);
    for index in 1_000..1_200 {
        push(&second, span(index));
    }
    assert_eq!((second.stats().recovered_records, second.stats().spool_shared_with), (0, 1));
    let recovered = recover(dir.path(), Box::new(Carrier::default()), SOON).unwrap();
    assert_eq!((recovered.found_records, recovered.running_processes), (0, 2));

    two.set_away(false);
    assert!(second.flush(SOON));
    assert_eq!(numbers(&two.kept(), Topic::Spans), (1_000..1_200).collect::<Vec<u32>>());
    assert!(of_first.iter().all(|file| file.exists()));
    one.set_away(false);
    assert!(first.flush(SOON));
    assert_eq!(numbers(&one.kept(), Topic::Spans), (0..200).collect::<Vec<u32>>());
}

#[test]
fn recovery_sends_what_time_allows_and_leaves_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    leave_behind(dir.path(), 0..100);
    leave_behind(dir.path(), 100..200);
    // The second run took the first's over; all of it lies there still.
    let away = recover(dir.path(), Box::new(Carrier::away()), Duration::from_millis(50)).unwrap();
    assert_eq!((away.found_records, away.sent_records, away.left_records), (200, 0, 200), "{away:?}");

    let carrier = Carrier::default().refusing(SPANS + 100);
    let recovered = recover(dir.path(), Box::new(carrier.clone()), SOON).unwrap();
    assert_eq!((recovered.sent_records, recovered.left_records, recovered.errors), (200, 0, 0), "{recovered:?}");
    assert_eq!(sorted_numbers(&carrier.kept(), Topic::Spans), (0..200).collect::<Vec<u32>>());
    assert_eq!(files(dir.path()), Vec::<PathBuf>::new());

    let error = recover(&dir.path().join("nowhere"), Box::new(carrier), SOON).unwrap_err().to_string();
    assert!(error.contains("nowhere") && error.contains("FRAMELAKE_SPOOL"), "{error}");
}

#[test]
fn files_of_another_version_and_rubbish_are_not_sent() {
    let dir = tempfile::tempdir().unwrap();
    leave_behind(dir.path(), 0..3);
    let [file] = &spool_files(dir.path())[..] else { panic!("one file") };
    let mut bytes = fs::read(file).unwrap();
    bytes[7] = b'2';
    fs::write(file, bytes).unwrap();
    fs::write(dir.path().join("unrelated.txt"), "x").unwrap();
    let carrier = Carrier::default();
    let recovered = recover(dir.path(), Box::new(carrier.clone()), SOON).unwrap();
    assert_eq!((recovered.found_records, recovered.sent_records), (0, 0));
    assert_eq!(files(dir.path()).len(), 3, "the file, its lock and what is none of ours");
}

#[derive(Clone, Debug)]
enum Step {
    Push { topic: usize, bytes: usize },
    Away(bool),
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0..3_usize, 5..24 * KIB).prop_map(|(topic, bytes)| Step::Push { topic, bytes }),
        1 => any::<bool>().prop_map(Step::Away),
        1 => Just(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_record_is_delivered_once_or_counted(
        steps in proptest::collection::vec(step(), 1..300),
        spool_kib in 32..2_048_u64,
        ends_away in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let carrier = Carrier::away().refusing(LOGS + 100);
        let sender = start(&carrier, dir.path(), spool_kib * 1024);
        let mut pushed = [0_u32; 3];
        for step in steps {
            match step {
                Step::Push { topic, bytes } => {
                    let (name, stream) = [(Topic::Spans, SPANS), (Topic::Metrics, METRICS), (Topic::Logs, LOGS)][topic];
                    sender.push(record(name, stream, pushed[topic], bytes));
                    pushed[topic] += 1;
                }
                Step::Away(away) => {
                    carrier.set_away(away);
                    sender.dispatch();
                }
                Step::Wait => std::thread::sleep(Duration::from_millis(2)),
            }
        }
        carrier.set_away(ends_away);
        let timeout = if ends_away { Duration::ZERO } else { SOON };
        let undelivered = sender.shutdown(timeout);
        prop_assert_eq!(undelivered.spooled_records, undelivered.spooled_rows);
        let mut counted: BTreeMap<u8, u64> = BTreeMap::new();
        for rows in sender.take_losses().rows.into_iter().chain(undelivered.rows) {
            *counted.entry(rows.stream_id.as_bytes()[0]).or_default() += rows.count;
        }
        // What is on disk the next run delivers.
        let next = Carrier::default();
        if fs::exists(dir.path()).unwrap() {
            let recovered = recover(dir.path(), Box::new(next.clone()), SOON).unwrap();
            prop_assert_eq!(recovered.sent_records, undelivered.spooled_records);
        }
        for (topic, stream, pushed) in [(Topic::Spans, SPANS, pushed[0]), (Topic::Metrics, METRICS, pushed[1]), (Topic::Logs, LOGS, pushed[2])] {
            let mut delivered = numbers(&carrier.kept(), topic);
            prop_assert!(delivered.is_sorted(), "{}: {:?}", topic, delivered);
            // What was in flight at the end was written last.
            delivered.extend(numbers(&next.kept(), topic));
            delivered.sort_unstable();
            prop_assert!(delivered.windows(2).all(|pair| pair[0] < pair[1]), "{}: once: {:?}", topic, delivered);
            let counted = counted.get(&stream).copied().unwrap_or(0);
            prop_assert_eq!(delivered.len() as u64 + counted, u64::from(pushed), "{}", topic);
        }
        prop_assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
    }
}
