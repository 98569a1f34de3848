//! The asset thread: keeps buildings and texture pages compressed, and opens them on request.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use crate::Error;
use crate::blueprint::Blueprint;
use crate::random::Random;
use crate::workers;
use framelake::{debug, instrument, metric, span};

/// Buildings in the store.
const BUILDINGS: u64 = 24;
/// Texture pages in the store.
const PAGES: u64 = 16;
/// Side of a texture page: 128 × 128 × 4 bytes = 64 KiB.
const PAGE_SIDE: usize = 128;
const ZSTD_LEVEL: i32 = 3;

enum Request {
    Building { number: u64 },
    Page { number: u64 },
}

/// The asset thread, seen from the game.
pub(crate) struct Streaming {
    requests: Option<Sender<Request>>,
    buildings: Receiver<Blueprint>,
    thread: Option<JoinHandle<()>>,
}

impl Streaming {
    /// Starts the thread; it fills its store from `seed` first.
    pub(crate) fn start(seed: u64) -> Result<Self, Error> {
        let (requests, waiting) = mpsc::channel();
        let (loaded, buildings) = mpsc::channel();
        let thread = workers::spawn("streaming", move || serve(&Store::fill(seed), &waiting, &loaded))?;
        Ok(Self { requests: Some(requests), buildings, thread: Some(thread) })
    }

    /// Asks for a building; they come in the order of the requests.
    pub(crate) fn request_building(&self, number: u64) {
        self.send(Request::Building { number });
    }

    /// Asks for a texture page to be made ready.
    pub(crate) fn request_page(&self, number: u64) {
        self.send(Request::Page { number });
    }

    /// The next building asked for; waits where it is not there yet.
    pub(crate) fn building(&self) -> Result<Blueprint, Error> {
        span!("wait_for_building");
        self.buildings.recv().map_err(|_| Error::Thread { name: "streaming" })
    }

    fn send(&self, request: Request) {
        if let Some(requests) = &self.requests {
            // A thread that is gone shows when the building is waited for.
            let _ = requests.send(request);
        }
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.requests = None;
        workers::join(self.thread.take());
    }
}

fn serve(store: &Store, requests: &Receiver<Request>, loaded: &Sender<Blueprint>) {
    for request in requests {
        match request {
            Request::Building { number } => {
                let Some(blueprint) = store.load_building(number) else { return };
                if loaded.send(blueprint).is_err() {
                    return;
                }
            }
            Request::Page { number } => {
                let bytes = store.transcode_page(number);
                metric!("streamed_bytes", "By", bytes as u64);
            }
        }
    }
}

/// Compressed assets.
struct Store {
    buildings: Vec<Vec<u8>>,
    pages: Vec<Vec<u8>>,
}

impl Store {
    fn fill(seed: u64) -> Self {
        span!("fill_asset_store");
        let building = |number| compress(Blueprint::draw(&mut Random::fork(seed, 100 + number)).to_text().as_bytes());
        let page = |number| compress(&paint(&mut Random::fork(seed, 1_000 + number)));
        Self { buildings: (0..BUILDINGS).map(building).collect(), pages: (0..PAGES).map(page).collect() }
    }

    #[instrument]
    fn load_building(&self, number: u64) -> Option<Blueprint> {
        let asset = &self.buildings[(number % BUILDINGS) as usize];
        let bytes = decompress(asset)?;
        let blueprint = {
            span!("parse_blueprint");
            Blueprint::parse(std::str::from_utf8(&bytes).ok()?)?
        };
        debug!(
            "loaded building {} ({}): {} parts, {} bytes",
            number,
            blueprint.name,
            blueprint.parts.len(),
            bytes.len()
        );
        Some(blueprint)
    }

    /// Opens a page, makes its smaller versions and packs them for the (absent) graphics card; returns the packed size.
    #[instrument]
    fn transcode_page(&self, number: u64) -> usize {
        let Some(mut level) = decompress(&self.pages[(number % PAGES) as usize]) else { return 0 };
        let mut side = PAGE_SIDE;
        let mut packed = 0;
        while side > 4 {
            level = halve(&level, side);
            side /= 2;
            packed += compress(&level).len();
        }
        packed
    }
}

#[instrument]
fn compress(bytes: &[u8]) -> Vec<u8> {
    // Compressing from memory to memory fails only where memory does.
    zstd::bulk::compress(bytes, ZSTD_LEVEL).unwrap_or_default()
}

#[instrument]
fn decompress(asset: &[u8]) -> Option<Vec<u8>> {
    zstd::bulk::decompress(asset, 1 << 20).ok()
}

/// A page of soft noise, so that it compresses as pictures do.
fn paint(random: &mut Random) -> Vec<u8> {
    span!("paint_page");
    let mut pixels = Vec::with_capacity(PAGE_SIDE * PAGE_SIDE * 4);
    let (mut red, mut green, mut blue) = (128i32, 128i32, 128i32);
    for _ in 0..PAGE_SIDE * PAGE_SIDE {
        let bits = random.next();
        for (shift, channel) in [(0, &mut red), (8, &mut green), (16, &mut blue)] {
            *channel = (*channel + ((bits >> shift) & 7) as i32 - 3).clamp(0, 255);
            pixels.push(*channel as u8);
        }
        pixels.push(255);
    }
    pixels
}

/// The page at half its side: each pixel the mean of four.
fn halve(pixels: &[u8], side: usize) -> Vec<u8> {
    span!("halve_page");
    let half = side / 2;
    let mut halved = Vec::with_capacity(half * half * 4);
    for row in 0..half {
        for column in 0..half {
            for channel in 0..4 {
                let at = |down: usize, right: usize| {
                    u32::from(pixels[((row * 2 + down) * side + column * 2 + right) * 4 + channel])
                };
                halved.push(((at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)) / 4) as u8);
            }
        }
    }
    halved
}
