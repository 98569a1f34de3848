//! A service of axum and hyper, whose requests tower-http makes spans of.

mod rows;
#[path = "../../../producers/sdk/tests/support/mod.rs"]
mod support;

use axum::extract::Path;
use axum::{Router, routing::get};
use rows::{async_rows, log_rows, thread_rows};
use std::time::Duration;
use support::Collector;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower_http::trace::TraceLayer;
use tracing::{Instrument, info, info_span};

const REQUESTS: usize = 40;

async fn hello(Path(name): Path<String>) -> String {
    let greeting = query(&name).await;
    info!(name, "greeted");
    greeting
}

#[tracing::instrument(fields(rows = tracing::field::Empty))]
async fn query(name: &str) -> String {
    // Polled twice at least.
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    // A part of the work on another task.
    let length = name.len();
    let counted = tokio::spawn(
        async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            length
        }
        .instrument(info_span!("count", length)),
    );
    tracing::Span::current().record("rows", counted.await.unwrap());
    format!("hello {name}")
}

async fn request(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[test]
fn each_request_is_a_span_with_its_fields_and_what_happens_in_it_is_within() {
    tracing::subscriber::set_global_default(framelake::tracing::subscriber()).unwrap();
    let collector = Collector::default();
    let guard = collector.start();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    // The hooks give each worker a name of its own, by which rows tell on which it was.
    let runtime = framelake::tokio::hooks(builder.worker_threads(2).enable_all(), "worker").build().unwrap();
    runtime.block_on(async {
        let routes = Router::new().route("/hello/{name}", get(hello)).route("/plain", get(async || "plain"));
        let service = routes.layer(TraceLayer::new_for_http());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async { axum::serve(listener, service).await });
        let requests: Vec<_> = (0..REQUESTS)
            .map(|number| tokio::spawn(async move { request(address, &format!("/hello/n{number}")).await }))
            .collect();
        for (number, request) in requests.into_iter().enumerate() {
            let answer = request.await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&format!("hello n{number}")), "{answer}");
        }
        assert!(request(address, "/plain").await.ends_with("plain"));
        server.abort();
    });
    drop(runtime);
    let report = guard.shutdown().unwrap();
    collector.check(&report);
    let stats = report.stats;
    assert_eq!([stats.spans.dropped, stats.async_spans.dropped, stats.logs.dropped], [0; 3]);

    let asyncs = async_rows(&collector);
    let named = |name: &str| asyncs.iter().filter(|row| row.name == name).cloned().collect::<Vec<_>>();
    let (mut requests, queries, counts) = (named("request"), named("query"), named("count"));
    // One that awaits nothing is a row, too.
    let plain: Vec<_> = requests.extract_if(.., |row| row.field("uri") == "/plain").collect();
    assert_eq!((plain.len(), plain[0].field("method")), (1, "GET"));
    assert_eq!([requests.len(), queries.len(), counts.len()], [REQUESTS; 3]);
    let mut uris: Vec<_> = requests.iter().map(|row| row.field("uri").to_owned()).collect();
    uris.sort();
    let mut expected: Vec<_> = (0..REQUESTS).map(|number| format!("/hello/n{number}")).collect();
    expected.sort();
    assert_eq!(uris, expected);
    for query in &queries {
        let request = query.parent_in(&asyncs);
        let name = query.field("name").to_owned();
        assert_eq!((request.name.as_str(), request.field("uri")), ("request", format!("/hello/{name}").as_str()));
        assert_eq!((request.field("method"), request.field("version")), ("GET", "HTTP/1.1"));
        assert_eq!(request.target, "tower_http::trace::make_span");
        assert!(request.begin <= query.begin && query.end <= request.end && query.end > query.begin);
        // Recorded when it was known.
        assert_eq!(query.field("rows"), name.len().to_string());
    }
    for count in &counts {
        assert_eq!(count.parent_in(&asyncs).name, "query");
    }

    // Each poll of a request is a row of the thread that did it, with what it polled within.
    let (threads, lines) = (thread_rows(&collector), log_rows(&collector));
    let polls: Vec<_> = threads.iter().filter(|row| row.name == "query").collect();
    for number in 0..REQUESTS {
        let name = format!("n{number}");
        let polls: Vec<_> = polls.iter().filter(|row| row.field("name") == name).collect();
        assert!(polls.len() >= 2, "{name}: {polls:?}");
        for poll in polls {
            let request = poll.parent_in(&threads);
            assert_eq!(
                (request.name.as_str(), request.field("uri")),
                ("request", format!("/hello/n{number}").as_str())
            );
            assert!(poll.thread.starts_with("worker-"), "{poll:?}");
        }
    }
    // Each line lies within its request's span on the thread where it was logged.
    let greeted: Vec<_> = lines.iter().filter(|line| line.name == "greeted").collect();
    let finished: Vec<_> = lines.iter().filter(|line| line.name == "finished processing request").collect();
    assert_eq!((greeted.len(), finished.len()), (REQUESTS, REQUESTS + 1));
    for line in &greeted {
        let around = |row: &&rows::Row| {
            row.name == "request" && row.thread == line.thread && row.begin <= line.begin && line.begin <= row.end
        };
        let around: Vec<_> = threads.iter().filter(around).map(|row| row.field("uri")).collect();
        assert_eq!(around, [format!("/hello/{}", line.field("name"))], "{line:?}");
    }
    assert!(finished.iter().all(|line| line.field("status") == "200" && line.fields.contains_key("latency")));
}
