use crate::server::{Server, refusal};
use arrow_flight::{Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus};
use framelake_query::flight::Options;
use futures::StreamExt;
use prost::Message;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};
use tonic::Code;

/// Joins 10 billion pairs and sends nothing until the end.
const ENDLESS: &str = "SELECT count(*) FROM events a, events b WHERE a.ordinal + b.ordinal = -1";

/// The same without a filter inside the join, so that what it makes comes out batch by batch.
const BUSY: &str = "SELECT sum(a.ordinal * b.ordinal) FROM events a, events b";

/// Sends rows for as long as somebody reads.
const LONG: &str = "SELECT a.ordinal, b.note FROM events a, events b";

fn two_threads() -> Options {
    Options { threads: NonZeroUsize::new(2).expect("two"), ..Options::default() }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_takes_too_long_ends_with_a_remedy() {
    let options = Options { query_timeout: Duration::from_millis(500), ..two_threads() };
    let server = Server::start_with(options, usize::MAX).await;
    let (code, message) = refusal(server.client().await.query_all(ENDLESS).await);
    assert_eq!(code, Code::DeadlineExceeded);
    assert!(message.contains("500ms") && message.contains("narrow"), "{message}");
    until("freeing its memory", || server.memory.reserved() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_needs_too_much_memory_ends_with_a_remedy() {
    let server = Server::start_with(two_threads(), 256 * 1024).await;
    let mut client = server.client().await;
    let (code, message) = refusal(client.query_all("SELECT ordinal, count(*) FROM events GROUP BY ordinal").await);
    assert_eq!(code, Code::ResourceExhausted, "{message}");
    assert!(message.contains("narrow"), "{message}");
    client.query_all("SELECT 1").await.expect("others go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_stream_frees_what_its_query_held() {
    let server = Server::start_with(two_threads(), usize::MAX).await;
    let mut client = server.client().await;
    let (_, mut rows) = client.query(LONG).await.expect("an answer");
    rows.next().await.expect("a batch").expect("a batch");
    until("taking memory", || server.memory.reserved() > 0).await;
    drop(rows);
    until("freeing its memory", || server.memory.reserved() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_sends_nothing_stops_when_its_reader_goes() {
    let server = Server::start_with(two_threads(), usize::MAX).await;
    let mut client = server.client().await;
    let (_, mut rows) = client.query(ENDLESS).await.expect("an answer");
    let waited = tokio::time::timeout(Duration::from_millis(300), rows.next()).await;
    assert!(waited.is_err(), "it should still join");
    assert!(server.memory.reserved() > 0);
    drop(rows);
    until("freeing its memory", || server.memory.reserved() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_can_be_cancelled_by_its_flight_info() {
    let server = Server::start_with(two_threads(), usize::MAX).await;
    let mut client = server.client().await;
    let info = client.inner_mut().execute(ENDLESS.into(), None).await.expect("a plan");
    let request = CancelFlightInfoRequest::new(info.clone());
    let action = Action::new("CancelFlightInfo", request.encode_to_vec());

    let mut other = server.client().await;
    let mut cancel = async || {
        let mut results = other.inner_mut().do_action(action.clone()).await.expect("an action");
        let result = results.message().await.expect("a result").expect("a result");
        CancelFlightInfoResult::decode(result.body).expect("a status").status()
    };
    assert_eq!(cancel().await, CancelStatus::NotCancellable, "nothing runs yet");
    let (_, mut rows) = client.fetch(info).await.expect("a stream");
    assert_eq!(cancel().await, CancelStatus::Cancelled);
    let (code, _) = refusal(rows.next().await.expect("an end"));
    assert_eq!(code, Code::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_answered_quickly_while_queries_work() {
    let server = Server::start_with(two_threads(), usize::MAX).await;
    let mut busy = Vec::new();
    for _ in 0..4 {
        let mut client = server.client().await;
        busy.push(client.query(BUSY).await.expect("an answer"));
    }
    let mut client = server.client().await;
    let start = Instant::now();
    client.inner_mut().get_catalogs().await.expect("catalogs");
    client.query_all("SELECT 1").await.expect("an answer");
    // Generous, since tests share the machine; without yielding joins this takes minutes.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_ends_running_queries() {
    let server = Server::start_with(two_threads(), usize::MAX).await;
    let mut client = server.client().await;
    let (_, mut rows) = client.query(ENDLESS).await.expect("an answer");
    let start = Instant::now();
    let (end, ()) = tokio::join!(rows.next(), server.stop());
    let (code, _) = refusal(end.expect("an end"));
    assert!(matches!(code, Code::Cancelled | Code::Unavailable), "{code:?}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
