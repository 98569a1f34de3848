//! A child process knows whose it is.

mod support;

use std::process::Command;
use support::Collector;

/// Tells the test, run once more as a program of its own, that it is the child.
const CHILD: &str = "FRAMELAKE_TEST_CHILD";

#[test]
fn a_child_that_was_adopted_records_its_parent() {
    let collector = Collector::default();
    let guard = collector.start();
    if std::env::var_os(CHILD).is_some() {
        let guard_id = guard.process_id().unwrap();
        drop(guard);
        for process in collector.processes() {
            assert_eq!(process.process_id, guard_id);
            println!("parent={:?}", process.parent_process_id.map(|id| id.to_string()));
        }
        return;
    }
    let run = |adopted: bool| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(CHILD, "1").env_remove("FRAMELAKE_PARENT_PROCESS").args(["--nocapture", "--exact"]);
        command.arg("a_child_that_was_adopted_records_its_parent");
        if adopted {
            framelake::adopt(&mut command);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let expected = format!("parent={:?}", Some(guard.process_id().unwrap().to_string()));
    assert!(run(true).contains(&expected));
    assert!(run(false).contains("parent=None"));
    drop(guard);
    // Whoever does not record adopts nobody.
    assert!(run(true).contains("parent=None"));
}
