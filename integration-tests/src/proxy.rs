//! A TCP proxy that can swallow replies: the request arrives and is acted on, its sender never learns.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
};

/// A proxy on a port of its own. It lives as long as the test's process.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    to_lose: Arc<AtomicU64>,
    lost: Arc<AtomicU64>,
}

impl Proxy {
    /// Passes on to that port of loopback.
    pub fn start(target: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let (to_lose, lost) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let counters = (to_lose.clone(), lost.clone());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // No server there now: the client sees a closed connection, as it would without the proxy.
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else { continue };
                let counters = counters.clone();
                thread::spawn(move || pass(client, server, &counters.0, &counters.1));
            }
        });
        Ok(Self { port, to_lose, lost })
    }

    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Swallows the next `count` replies and cuts their connections.
    pub fn lose_replies(&self, count: u64) {
        self.to_lose.fetch_add(count, SeqCst);
    }

    /// Replies swallowed so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(SeqCst)
    }
}

fn pass(mut client: TcpStream, mut server: TcpStream, to_lose: &AtomicU64, lost: &AtomicU64) {
    let (Ok(mut from_client), Ok(mut to_server)) = (client.try_clone(), server.try_clone()) else { return };
    thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let mut buffer = [0; 64 * 1024];
    while let Ok(read) = server.read(&mut buffer) {
        if read == 0 {
            break;
        }
        if to_lose.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            lost.fetch_add(1, SeqCst);
            break;
        }
        if client.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
