//! The server says what is recorded, by texts in its replies.

mod support;

use framelake::transport::{Deliver, Outcome, Outgoing};
use framelake::{Builder, Guard, span};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{Collector, turn};

/// Keeps every record, and answers each batch with the text it was told.
#[derive(Clone, Default)]
struct Server {
    lake: Collector,
    text: Arc<Mutex<Option<String>>>,
}

impl Deliver for Server {
    fn deliver(&mut self, batch: &[Outgoing], deadline: Instant) -> Outcome {
        let _ = self.lake.deliver(batch, deadline);
        Outcome::Kept { refused: vec![], control: self.text.lock().unwrap().clone() }
    }

    fn destination(&self) -> String {
        self.lake.destination()
    }
}

impl Server {
    fn start(&self, builder: Builder) -> Guard {
        let builder = builder.drain_period(Duration::from_millis(20));
        builder.panic_hook(false).deliver_by(Box::new(self.clone())).start().unwrap()
    }

    /// Answers with `text` from now on, and comes back when the program has taken it.
    fn say(&self, text: &str) {
        *self.text.lock().unwrap() = Some(text.to_owned());
        let taken = || framelake::stats().control_texts + framelake::stats().control_errors;
        let before = taken();
        let begin = Instant::now();
        while taken() == before {
            assert!(begin.elapsed() < Duration::from_secs(30), "{text:?} was not taken");
            // A reply needs a batch.
            framelake::fatal!(target: "ping", "ping");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Messages but for the pings that carry the replies.
    fn messages(&self) -> Vec<String> {
        self.lake.messages().into_iter().filter(|message| message != "ping").collect()
    }
}

/// Two lines and a span, from one place each: what the call sites remember must be forgotten too.
fn record(round: u32) {
    framelake::info!(target: "net", "info {round}");
    framelake::debug!(target: "net", "debug {round}");
    span!("work");
}

#[test]
fn the_servers_text_takes_the_place_of_the_programs_filter_until_it_is_empty() {
    let _turn = turn();
    let server = Server::default();
    let guard = server.start(Builder::new().filter("info").unwrap());
    record(1);
    server.say("debug,spans:control=off");
    record(2);
    // The program's own word counts again when the server has none.
    framelake::set_filter("net=off,ping=fatal").unwrap();
    record(3);
    server.say("loud");
    record(4);
    server.say("");
    record(5);
    let report = guard.shutdown().unwrap();
    server.lake.check(&report);
    assert_eq!(server.messages(), ["info 1", "info 2", "debug 2", "info 3", "debug 3", "info 4", "debug 4"]);
    assert_eq!((report.stats.control_texts, report.stats.control_errors), (2, 1));
    // Rounds 1 and 5; what a filter leaves out has no ordinal and is not lost.
    assert_eq!((report.stats.spans.emitted, report.stats.spans.dropped), (2, 0));
}

#[test]
fn a_program_need_not_obey() {
    let _turn = turn();
    let server = Server::default();
    *server.text.lock().unwrap() = Some("off".into());
    let guard = server.start(Builder::new().server_control(false));
    record(1);
    assert!(framelake::flush(Duration::from_secs(30)));
    // The reply came with the flush; the next drain would put it in force.
    assert!(framelake::flush(Duration::from_secs(30)));
    record(2);
    let report = guard.shutdown().unwrap();
    assert_eq!(server.messages(), ["info 1", "debug 1", "info 2", "debug 2"]);
    assert_eq!((report.stats.control_texts, report.stats.control_errors), (0, 0));
}

#[test]
fn what_an_earlier_recording_was_told_is_forgotten() {
    let _turn = turn();
    let server = Server::default();
    let guard = server.start(Builder::new());
    server.say("ping=fatal,off");
    drop(guard);
    let server = Server::default();
    let guard = server.start(Builder::new());
    record(1);
    let _ = guard.shutdown().unwrap();
    assert_eq!(server.messages(), ["info 1", "debug 1"]);
}
