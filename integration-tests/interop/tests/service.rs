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
use tower_http::trace::{DefaultMakeSpan, DefaultOnResponse, TraceLayer};
use tracing::{Instrument, Level, info, info_span};

const REQUESTS: usize = 40;

async fn hello(Path(name): Path<String>) -> String {
    let greeting = query(&name).await;
    info!(name, "greeted");
    greeting
}

#[tracing::instrument(fields(rows = tracing::field::Empty))]
async fn query(name: &str) -> String {
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

async fn request(address: std::net::SocketAddr, name: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /hello/{name} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
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
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let trace = TraceLayer::new_for_http()
            .make_span_with(DefaultMakeSpan::new().level(Level::INFO))
            .on_response(DefaultOnResponse::new().level(Level::INFO));
        let service = Router::new().route("/hello/{name}", get(hello)).layer(trace);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async { axum::serve(listener, service).await });
        let requests: Vec<_> = (0..REQUESTS)
            .map(|number| tokio::spawn(async move { request(address, &format!("n{number}")).await }))
            .collect();
        for (number, request) in requests.into_iter().enumerate() {
            let answer = request.await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&format!("hello n{number}")), "{answer}");
        }
        server.abort();
    });
    drop(runtime);
    let report = guard.shutdown().unwrap();
    collector.check(&report);
    let stats = report.stats;
    assert_eq!([stats.spans.dropped, stats.async_spans.dropped, stats.logs.dropped], [0; 3]);

    let asyncs = async_rows(&collector);
    let named = |name: &str| asyncs.iter().filter(|row| row.name == name).cloned().collect::<Vec<_>>();
    let (requests, queries, counts) = (named("request"), named("query"), named("count"));
    assert_eq!([requests.len(), queries.len(), counts.len()], [REQUESTS; 3]);
    let mut uris: Vec<_> = requests.iter().map(|row| row.field("uri").to_owned()).collect();
    uris.sort();
    let mut expected: Vec<_> = (0..REQUESTS).map(|number| format!("/hello/n{number}")).collect();
    expected.sort();
    assert_eq!(uris, expected);
    for query in &queries {
        let request = query.parent_in(&asyncs);
        let name = query.field("name").trim_matches('"').to_owned();
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

    // Each line lies within its request's span on the thread where it was logged.
    let (threads, lines) = (thread_rows(&collector), log_rows(&collector));
    let greeted: Vec<_> = lines.iter().filter(|line| line.name == "greeted").collect();
    let finished: Vec<_> = lines.iter().filter(|line| line.name == "finished processing request").collect();
    assert_eq!((greeted.len(), finished.len()), (REQUESTS, REQUESTS));
    for line in &greeted {
        let uri = format!("/hello/{}", line.field("name"));
        let around = threads.iter().filter(|row| row.thread == line.thread || threads.len() == 1);
        let mut around = around.filter(|row| row.name == "request" && row.begin <= line.begin && line.begin <= row.end);
        assert!(around.any(|row| row.field("uri") == uri), "{line:?}");
    }
    assert!(finished.iter().all(|line| line.field("status") == "200" && line.fields.contains_key("latency")));
}
