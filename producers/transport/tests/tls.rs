//! The HTTP carrier over TLS, against a server whose certificate an authority of the test's own signed.

use framelake_transport::{ConnectOptions, Endpoint, Outcome, Outgoing, connect_with};
use framelake_wire::{ProcessId, Topic};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An authority, as the PEM file that names it, and a server that it vouches for.
struct Server {
    url: String,
    ca_file: PathBuf,
    _dir: tempfile::TempDir,
}

fn serve() -> Server {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).unwrap();

    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = BufReader::new(StreamOwned::new(connection, stream.unwrap()));
            // A client that does not trust us breaks off.
            let _ = answer(&mut stream);
        }
    });
    Server { url, ca_file, _dir: dir }
}

/// Reads one batch and keeps it.
fn answer(stream: &mut BufReader<impl Read + Write>) -> std::io::Result<()> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    stream.read_exact(&mut vec![0; length])?;
    let reply = r#"{"positions":[],"rejected":[],"control":"info"}"#;
    write!(stream.get_mut(), "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{reply}", reply.len())?;
    stream.get_mut().flush()
}

fn deliver(server: &Server, ca_file: Option<PathBuf>) -> Outcome {
    let endpoint: Endpoint = server.url.parse().unwrap();
    let mut carrier = connect_with(&endpoint, &ConnectOptions { ca_file }).unwrap();
    let process_id = ProcessId::from_bytes([1; 16]);
    let record = Outgoing {
        topic: Topic::Spans,
        is_attachment: false,
        process_id,
        bytes: vec![1; 100_000],
        rows: None,
        hold: Default::default(),
    };
    carrier.deliver(&[record], Instant::now() + Duration::from_secs(10))
}

#[test]
fn a_server_whose_authority_is_named_gets_the_batch() {
    let server = serve();
    let outcome = deliver(&server, Some(server.ca_file.clone()));
    assert_eq!(outcome, Outcome::Kept { refused: vec![], control: Some("info".into()) });
}

#[test]
fn an_unknown_authority_is_not_trusted_and_the_remedy_named() {
    let (server, other) = (serve(), serve());
    for ca_file in [None, Some(other.ca_file.clone())] {
        let Outcome::Retry { reason, .. } = deliver(&server, ca_file) else { panic!("it was trusted") };
        assert!(reason.contains("FRAMELAKE_CA_FILE") && reason.contains(&server.url), "{reason}");
    }
}

#[test]
fn a_ca_file_that_is_none_is_an_error_with_a_remedy() {
    let endpoint: Endpoint = "https://localhost:1".parse().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    for (path, what) in [(empty, "no certificate"), (dir.path().join("missing.pem"), "No such file")] {
        let options = ConnectOptions { ca_file: Some(path) };
        let error = connect_with(&endpoint, &options).err().expect("an error").to_string();
        assert!(error.contains(what) && error.contains("PEM"), "{error}");
    }
}
