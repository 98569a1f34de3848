//! A program of its own that sends over HTTP: this test's program, started again with other work to do.
#![cfg(feature = "http")]

#[path = "../../transport/tests/support/gateway.rs"]
mod gateway;

use framelake_wire::{Record, Topic, decode};
use gateway::{Answer, Gateway};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROLE: &str = "FRAMELAKE_TEST_ROLE";

/// Runs this program's test `child` in `role`.
fn program(role: &str, endpoint: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child", "--nocapture"])
        .env(ROLE, role)
        .env("FRAMELAKE_ENDPOINT", endpoint)
        .env("FRAMELAKE_PROPERTIES", "from=environment")
        // Each test names its own, where it needs one.
        .env("FRAMELAKE_SPOOL", "off")
        .stdout(Stdio::null());
    command
}

/// Not a test: what the children do.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let guard = framelake::start("child").unwrap();
    framelake::info!("in the role of {role}");
    framelake::frame!();
    match role.as_str() {
        "exit" => std::process::exit(0),
        "abort" => std::process::abort(),
        "outage" => {
            // The test takes the gateway away and brings it back meanwhile.
            for index in 0..40 {
                framelake::span!("round");
                framelake::info!("round {index}");
                std::thread::sleep(Duration::from_millis(100));
            }
            let report = guard.shutdown_within(Duration::from_secs(20)).unwrap();
            assert_eq!((report.undelivered_records, report.stats.logs.dropped), (0, 0));
        }
        _ => drop(guard),
    }
}

fn messages(gateway: &Gateway) -> Vec<String> {
    let mut lines = Vec::new();
    for record in gateway.records() {
        if let Record::Block(block) = record
            && block.header.kind.topic() == Topic::Logs
        {
            let logs = decode::logs(&block).unwrap();
            lines.extend((0..logs.ordinal.len()).map(|index| (logs.ordinal[index], logs.message(index).to_owned())));
        }
    }
    lines.sort();
    // A batch whose reply was lost comes twice; its ordinals tell.
    lines.dedup();
    lines.into_iter().map(|(_, message)| message).collect()
}

#[test]
fn a_program_that_ends_in_any_orderly_way_has_sent_everything() {
    // What happens at `exit` outside of Unix is that recording ends without sending.
    for role in if cfg!(unix) { &["return", "exit"][..] } else { &["return"] } {
        let gateway = Gateway::start([Answer::Refuse(503, "Retry-After: 0"), Answer::KeepAndHangUp]);
        assert!(program(role, &gateway.url()).status().unwrap().success());
        assert_eq!(messages(&gateway), [format!("in the role of {role}")]);
        let mut processes = gateway.records().into_iter().filter_map(|record| match record {
            Record::Process(process) => Some(process),
            Record::Block(_) => None,
        });
        let process = processes.next_back().unwrap();
        assert_eq!(process.exit_reason.as_deref(), Some("exit"));
        assert_eq!((process.properties["app"].as_str(), process.properties["from"].as_str()), ("child", "environment"));
    }
}

#[test]
fn a_program_whose_server_is_not_there_ends_in_time() {
    let begin = Instant::now();
    // The discard port: nobody listens.
    assert!(program("return", "http://127.0.0.1:9").stderr(Stdio::null()).status().unwrap().success());
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
}

#[test]
fn what_a_program_could_not_send_its_next_run_sends() {
    let spool = std::env::temp_dir().join(format!("framelake-next-run-{}", std::process::id()));
    let mut first = program("return", "http://127.0.0.1:9");
    assert!(first.env("FRAMELAKE_SPOOL", &spool).stderr(Stdio::null()).status().unwrap().success());
    let gateway = Gateway::start([]);
    let mut second = program("return later", &gateway.url());
    assert!(second.env("FRAMELAKE_SPOOL", &spool).status().unwrap().success());
    assert_eq!(messages(&gateway), ["in the role of return", "in the role of return later"]);
    std::fs::remove_dir(spool).expect("nothing is left in it");
}

#[test]
fn an_outage_loses_nothing() {
    let gateway = Gateway::start([]);
    let address = gateway.address;
    let mut program = program("outage", &gateway.url()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(1_300));
    let mut seen = messages(&gateway);
    drop(gateway);
    std::thread::sleep(Duration::from_millis(1_000));
    let gateway = Gateway::start_at(address, []);
    assert!(program.wait().unwrap().success());
    for message in messages(&gateway) {
        if !seen.contains(&message) {
            seen.push(message);
        }
    }
    let expected = (0..40).map(|index| format!("round {index}"));
    assert!(seen.iter().skip(1).cloned().eq(expected), "{seen:?}");
}
