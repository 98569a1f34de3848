//! From an instrumented program to SQL, with faults on the way, embedded and on Kafka, Postgres and S3.

use framelake::Builder;
use framelake_integration_tests::{Deployment, Emitted, Load, Producer, Proxy, Server, required, settle};
use std::{
    path::Path,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

const LOAD: Load = Load { seconds: 8, threads: 3, spans_per_frame: 120 };
/// What the producer attaches: 1.2 MB in three parts.
const ATTACHMENT_PARTS: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(60);

/// Every emitted row is visible exactly once, of each kind.
fn assert_all_visible(server: &Server, emitted: &Emitted) {
    assert_eq!(emitted.undelivered, 0, "the producer gave up on records; server: {}", server.log());
    let differences = settle(server, emitted, PATIENCE).unwrap();
    assert!(differences.none(), "{differences:?}; server: {}", server.log());
    for kind in ["log", "metric", "span", "frame"] {
        assert!(differences.rows.get(kind).is_some_and(|&rows| rows > 100), "too few of {kind}: {differences:?}");
    }
    assert_eq!(differences.rows.get("attachment"), Some(&ATTACHMENT_PARTS), "{differences:?}");
    let dropped: u64 = emitted.streams.iter().map(|stream| stream.dropped).sum();
    assert_eq!(dropped, 0, "the producer dropped events");
}

/// The stock Python driver sees the same rows, and an Avro reader that is not ours reads the segments below `objects`.
fn ask_with_python(server: &Server, emitted: &Emitted, objects: &Path) {
    let Some(python) = required("FRAMELAKE_TEST_PYTHON") else { return };
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../views/clients/python");
    let run = |script: &str, arguments: &[&str]| {
        let output = Command::new(&python).arg(clients.join(script)).args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{script}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    };
    run("check_flightsql.py", &[&server.flight_uri()]);
    let spans: u64 = emitted.streams.iter().filter(|s| s.kind == "span").map(|s| s.ordinals - s.open).sum();
    run("check_rows.py", &[&server.flight_uri(), &emitted.process_id, &spans.to_string()]);
    run("check_attachments.py", &[&server.flight_uri(), &emitted.process_id]);
    run("check_segments.py", &[objects.to_str().unwrap(), &server.flight_uri()]);
}

/// The output of a command of the server's configuration that must do well.
fn done(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The messages of a run, once there are `count` of them.
fn messages(server: &Server, process_id: &str, count: usize) -> Vec<String> {
    let query = format!("SELECT message FROM log_entries WHERE process_id = '{process_id}' ORDER BY ordinal");
    let begin = Instant::now();
    loop {
        let rows = server.sql(&query).unwrap();
        if rows.len() >= count || begin.elapsed() > PATIENCE {
            return rows.iter().map(|row| row["message"].as_str().unwrap_or_default().to_owned()).collect();
        }
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_programs_are_told_outlives_kill_9_and_what_they_left_behind_is_recovered() {
    let Some(program) = required("FRAMELAKE_TEST_PROGRAM") else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(&program, Deployment::Embedded, directory.path()).unwrap();
    let control = |server: &Server, arguments: &[&str]| {
        let mut command = server.command("control");
        command.args(arguments);
        done(command)
    };
    control(&server, &["set", "info", "--exe", "another-program"]);
    control(&server, &["set", "warn,net=info"]);
    server.kill().unwrap();
    server.start_again().unwrap();
    let texts: serde_json::Value = serde_json::from_str(&control(&server, &["show", "--json"])).unwrap();
    assert_eq!((&texts["default"], &texts["exes"]["another-program"]), (&"warn,net=info".into(), &"info".into()));
    let mut wrong = server.command("control");
    let output = wrong.args(["set", "loud"]).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && complaint.contains("spans:physics=off"), "{complaint}");

    // The text comes with the reply to the first batch.
    let spool = directory.path().join("spool");
    let recording = || Builder::new().drain_period(Duration::from_millis(50)).spool(&spool);
    let endpoint = format!("http://127.0.0.1:{}", server.http_port());
    let recorded = recording().endpoint(&endpoint).start().unwrap();
    let process_id = recorded.process_id().unwrap().to_string();
    let begin = Instant::now();
    while framelake::stats().control_texts == 0 {
        assert!(begin.elapsed() < PATIENCE, "no text came");
        sleep(Duration::from_millis(10));
    }
    framelake::info!("left out");
    framelake::info!(target: "net", "net");
    framelake::warn!("warning");
    drop(recorded);
    assert_eq!(messages(&server, &process_id, 2), ["net", "warning"]);

    // Nobody listens there; what the program leaves goes to the server that runs.
    let recorded = recording().endpoint("http://127.0.0.1:9").start().unwrap();
    framelake::info!("left behind");
    let report = recorded.shutdown_within(Duration::from_millis(100)).unwrap();
    assert!(report.spooled_records > 0, "{report:?}");
    let mut recover = server.command("recover");
    recover.arg(directory.path());
    let told = done(recover);
    assert!(told.contains(&format!("{0} records found, {0} sent", report.spooled_records)), "{told}");
    assert_eq!(messages(&server, &report.process_id.to_string(), 1), ["left behind"]);
    let mut recover = server.command("recover");
    recover.arg(directory.path());
    assert!(done(recover).contains("nothing to recover"));
    server.stop().unwrap();
}

#[test]
fn embedded_every_acknowledged_event_is_visible_once_over_kill_9_and_lost_replies() {
    let Some(program) = required("FRAMELAKE_TEST_PROGRAM") else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(&program, Deployment::Embedded, directory.path()).unwrap();
    let proxy = Proxy::start(server.http_port()).unwrap();
    let producer = Producer::start(&proxy.endpoint(), LOAD, directory.path()).unwrap();

    // A reply is lost: the same blocks come twice.
    sleep(Duration::from_secs(2));
    proxy.lose_replies(1);
    // And the server dies in the middle, twice, and comes back; the program is never restarted.
    for _ in 0..2 {
        sleep(Duration::from_millis(1500));
        server.kill().unwrap();
        sleep(Duration::from_millis(700));
        server.start_again().unwrap();
    }
    let emitted = producer.ended().unwrap();
    assert_all_visible(&server, &emitted);
    assert_eq!(proxy.lost(), 1);
    let twice = server.number("SELECT sum(duplicate_blocks) AS n FROM streams").unwrap();
    assert!(twice > 0, "the blocks whose reply was lost did not come again");
    println!(
        "inside SDK calls per frame, p99.9 over two kills: {:.1} µs; producer's memory {} MiB",
        emitted.frame_us_p999,
        emitted.memory_bytes_max >> 20
    );
    ask_with_python(&server, &emitted, &server.data_dir().join("objects"));

    // The same answers after an orderly stop, from the data directory alone.
    let query = "SELECT count(*) AS n FROM thread_spans WHERE \"end\" IS NOT NULL";
    let before = server.number(query).unwrap();
    server.stop().unwrap();
    assert_eq!(server.number(query).unwrap(), before);
}

#[test]
fn distributed_every_acknowledged_event_is_visible_once_over_kill_9_and_lost_replies() {
    let Some(program) = required("FRAMELAKE_TEST_PROGRAM") else { return };
    let Some(deployment) = Deployment::distributed("whole-flow") else { return };
    let Deployment::Distributed { kafka, bucket, prefix, .. } = deployment.clone() else { unreachable!() };
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(&program, deployment, directory.path()).unwrap();
    let proxy = Proxy::start(server.http_port()).unwrap();
    let producer = Producer::start(&proxy.endpoint(), LOAD, directory.path()).unwrap();
    sleep(Duration::from_secs(3));
    proxy.lose_replies(1);
    sleep(Duration::from_secs(2));
    server.kill().unwrap();
    sleep(Duration::from_millis(700));
    server.start_again().unwrap();
    let over_http = producer.ended().unwrap();
    assert_all_visible(&server, &over_http);

    // Straight to Kafka, with identical records and no gateway.
    let second = tempfile::tempdir().unwrap();
    let producer = Producer::start(&format!("kafka://{kafka}"), Load { seconds: 4, ..LOAD }, second.path()).unwrap();
    let over_kafka = producer.ended().unwrap();
    assert_all_visible(&server, &over_kafka);

    for emitted in [&over_http, &over_kafka] {
        assert_headers_are_readable(&kafka, &emitted.process_id);
    }
    if let Some(objects) = required("FRAMELAKE_TEST_S3_DIRECTORY") {
        ask_with_python(&server, &over_http, &Path::new(&objects).join(bucket).join(prefix));
    }
    server.stop().unwrap();
}

/// `kcat`, which knows nothing of us, shows the process id as key and headers that people can read.
fn assert_headers_are_readable(kafka: &str, process_id: &str) {
    let output = Command::new("kcat")
        .args(["-b", kafka, "-C", "-t", "framelake.spans", "-o", "beginning", "-e", "-q", "-f", "%k %h\n"])
        .output()
        .expect("kcat is installed by `cargo xtask services up`");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.starts_with(process_id));
    let line = line.unwrap_or_else(|| panic!("no record with the key {process_id}"));
    for header in ["content-type=", "process-id=", "stream-id=", "block-id=", "event-count=", "min-time=", "max-time="]
    {
        assert!(line.contains(header), "{header} is missing in {line}");
    }
}

#[test]
fn a_taken_port_and_a_taken_directory_are_clear_errors() {
    let Some(program) = required("FRAMELAKE_TEST_PROGRAM") else { return };
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&program, Deployment::Embedded, directory.path()).unwrap();
    let refused = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let text = refused(&mut server.command("run"));
    assert!(text.contains("cannot listen on") && text.contains("--http-listen"), "{text}");
    let text = refused(server.command("run").args(["--http-listen", "127.0.0.1:0", "--flight-listen", "127.0.0.1:0"]));
    assert!(text.contains("is in use by process") && text.contains("--data-dir"), "{text}");
    let text = refused(server.command("run").args(["--flight-listen", "0.0.0.0:0"]));
    assert!(text.contains("--listen-without-authentication"), "{text}");
    let text = refused(server.command("sql").args(["DROP TABLE blocks"]));
    assert!(text.to_lowercase().contains("select"), "{text}");
}
