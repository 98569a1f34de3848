//! A gateway of a hundred lines: takes batches over HTTP/1.1, answers as it is told, remembers the records.

use framelake_wire::{Record, batch};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};
use std::time::{Duration, Instant};

/// What to answer to a batch; once the script is used up, everything is kept.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "not every test uses every answer")]
pub(crate) enum Answer {
    /// Keeps the batch and says so.
    Keep,
    /// Keeps the batch; the reply is lost.
    KeepAndHangUp,
    /// Does not keep it: a status and a header.
    Refuse(u16, &'static str),
    /// Keeps all but the first record.
    RejectFirst,
}

/// A batch as it came.
#[allow(dead_code, reason = "not every test asks for all of it")]
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// When it had come whole.
    pub(crate) at: Instant,
    /// Its bytes.
    pub(crate) body: Vec<u8>,
    /// The connection it came on, by number.
    pub(crate) connection: usize,
}

#[derive(Default)]
struct State {
    script: VecDeque<Answer>,
    batches: Vec<Batch>,
    kept: Vec<(String, Vec<u8>)>,
    connections: usize,
}

/// The gateway. Dropped, it is gone, and its connections with it.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[allow(dead_code, reason = "not every test uses everything")]
impl Gateway {
    pub(crate) fn start(script: impl IntoIterator<Item = Answer>) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script)
    }

    pub(crate) fn start_at(address: SocketAddr, script: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { script: script.into_iter().collect(), ..State::default() }));
        let (stop, open) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let thread = std::thread::spawn({
            let (state, stop, open) = (state.clone(), stop.clone(), open.clone());
            move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let Ok(stream) = stream else { continue };
                    open.lock().unwrap().push(stream.try_clone().unwrap());
                    let state = state.clone();
                    let connection = {
                        let mut state = state.lock().unwrap();
                        state.connections += 1;
                        state.connections
                    };
                    std::thread::spawn(move || serve(stream, connection, &state));
                }
            }
        });
        Self { address, state, stop, open, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every batch that came, kept or not.
    pub(crate) fn batches(&self) -> Vec<Batch> {
        self.state.lock().unwrap().batches.clone()
    }

    /// The records kept, in order, those kept twice twice.
    pub(crate) fn kept(&self) -> Vec<(String, Vec<u8>)> {
        self.state.lock().unwrap().kept.clone()
    }

    /// The records kept, decoded.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.kept().iter().map(|(_, bytes)| Record::decode(bytes).expect("a record that decodes")).collect()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn serve(stream: TcpStream, connection: usize, state: &Mutex<State>) {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(body) = read_request(&mut reader) {
        let answer = {
            let mut state = state.lock().unwrap();
            state.batches.push(Batch { at: Instant::now(), body: body.clone(), connection });
            let answer = state.script.pop_front().unwrap_or(Answer::Keep);
            let entries = batch::split(&body).expect("a batch that splits");
            let skip = match answer {
                Answer::Keep | Answer::KeepAndHangUp => 0,
                Answer::RejectFirst => 1,
                Answer::Refuse(..) => entries.len(),
            };
            state.kept.extend(entries.iter().skip(skip).map(|(topic, bytes)| ((*topic).to_owned(), bytes.to_vec())));
            answer
        };
        let (status, header, text) = match answer {
            Answer::KeepAndHangUp => return drop(stream.shutdown(std::net::Shutdown::Both)),
            Answer::Keep => (200, "", r#"{"positions":[],"rejected":[]}"#),
            Answer::RejectFirst => (200, "", r#"{"positions":[],"rejected":[{"index":0,"reason":"bad"}]}"#),
            Answer::Refuse(status, header) => (status, header, r#"{"error":"as the script says"}"#),
        };
        let break_line = if header.is_empty() { "" } else { "\r\n" };
        let length = text.len();
        let reply = format!(
            "HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{header}{break_line}\r\n{text}"
        );
        if stream.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

/// The body of the next request; `None` when the connection ends.
fn read_request(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    assert!(line.starts_with("POST /v1/records HTTP/1.1"), "{line}");
    let mut length = None;
    let mut typed = false;
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap();
        match name {
            "content-length" => length = Some(value.parse::<usize>().unwrap()),
            "content-type" => typed = value == batch::CONTENT_TYPE,
            _ => {}
        }
    }
    assert!(typed, "the batch must say its media type");
    let mut body = vec![0; length.expect("a content-length")];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}
