//! The zstd frame around a payload.

use crate::{Error, Result, limits::DECODED_BYTES_MAX, varint};
use std::cell::RefCell;
use zstd::{
    bulk::Decompressor,
    zstd_safe::{self, CCtx, CParameter, ErrorCode, InBuffer, OutBuffer, ResetDirective, zstd_sys::ZSTD_EndDirective},
};

/// Higher levels gain a few percent of the bytes and cost several times the time.
const LEVEL: i32 = 1;

thread_local! {
    // A context is near a megabyte: one for each thread that seals or decodes, not one for each stream.
    static COMPRESSOR: RefCell<CCtx<'static>> = RefCell::new(compressor());
    // So is the opened payload: 200 threads' streams must not keep one each.
    static SCRATCH: RefCell<Opened> = RefCell::new(Opened::default());
    static DECOMPRESSOR: RefCell<Decompressor<'static>> = RefCell::new(Decompressor::default());
}

fn compressor() -> CCtx<'static> {
    let mut compressor = CCtx::create();
    compressor.set_parameter(CParameter::CompressionLevel(LEVEL)).expect("zstd has level 1");
    compressor
}

/// A payload before it is compressed.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    pub(crate) bytes: Vec<u8>,
    /// Where one zstd block ends and the next begins.
    cuts: Vec<usize>,
}

impl Opened {
    /// Appends a column: its length, then its bytes. A long one gets zstd blocks of its own, and so a Huffman table of its own.
    pub(crate) fn column(&mut self, column: &[u8]) {
        self.column_cut(column, std::iter::empty());
    }

    /// As [`Opened::column`], where other values begin at each of `cuts`, which ascend: long runs of either get blocks of their own.
    pub(crate) fn column_cut(&mut self, column: &[u8], cuts: impl Iterator<Item = usize>) {
        varint::put(&mut self.bytes, column.len() as u64);
        let mut from = 0;
        for to in cuts.chain([column.len()]) {
            // What is too short for a block goes with what precedes it, or is the begin of the first.
            if to - from >= CUT_BYTES_MIN {
                self.cut();
                self.bytes.extend_from_slice(&column[from..to]);
                self.cut();
            } else {
                self.bytes.extend_from_slice(&column[from..to]);
            }
            from = to;
        }
    }

    fn cut(&mut self) {
        if self.cuts.last() != Some(&self.bytes.len()) {
            self.cuts.push(self.bytes.len());
        }
    }
}

/// A table costs some 60 bytes, and gains perhaps a tenth of what it is for.
const CUT_BYTES_MIN: usize = 1024;

/// An empty payload to write into; [`close`] keeps its allocation.
pub(crate) fn scratch() -> Opened {
    let mut scratch = SCRATCH.take();
    scratch.bytes.clear();
    scratch.cuts.clear();
    scratch
}

/// The payload that holds `opened`.
pub(crate) fn close(opened: Opened) -> Vec<u8> {
    let payload = COMPRESSOR.with_borrow_mut(|compressor| {
        compress(compressor, &opened).expect("the buffer has room for whatever zstd makes of the payload")
    });
    SCRATCH.set(opened);
    payload
}

fn compress(compressor: &mut CCtx<'static>, opened: &Opened) -> Result<Vec<u8>, ErrorCode> {
    // Each cut ends a block, whose header has three bytes; zstd's own bound knows only of full blocks.
    let bound = zstd_safe::compress_bound(opened.bytes.len()) + 16 * (opened.cuts.len() + 1);
    let mut payload = Vec::with_capacity(bound);
    let mut output = OutBuffer::around(&mut payload);
    compressor.reset(ResetDirective::SessionOnly)?;
    compressor.set_pledged_src_size(Some(opened.bytes.len() as u64))?;
    let mut at = 0;
    for &cut in &opened.cuts {
        let mut input = InBuffer::around(&opened.bytes[at..cut]);
        while compressor.compress_stream2(&mut output, &mut input, ZSTD_EndDirective::ZSTD_e_flush)? > 0 {}
        at = cut;
    }
    let mut input = InBuffer::around(&opened.bytes[at..]);
    while compressor.compress_stream2(&mut output, &mut input, ZSTD_EndDirective::ZSTD_e_end)? > 0 {}
    payload.shrink_to_fit();
    Ok(payload)
}

/// What a zstd frame begins with, little endian (RFC 8878, 3.1.1). Neither skippable frames nor zstd's own older formats do.
const MAGIC: [u8; 4] = 0xfd2f_b528u32.to_le_bytes();

/// The bytes inside a payload, at most [`DECODED_BYTES_MAX`]. A payload is one frame that says how much it opens to, and nothing behind it.
///
/// What the frame says of its size is believed only up to 32 times the payload at first, and up to the limit once it proved larger.
pub(crate) fn open(payload: &[u8]) -> Result<Vec<u8>> {
    const RATIO: usize = 32;
    let broken = || Error::invalid("payload", "not a zstd frame");
    let frame_bytes = zstd_safe::find_frame_compressed_size(payload).map_err(|_| broken())?;
    if !payload.starts_with(&MAGIC) || frame_bytes != payload.len() {
        return Err(broken());
    }
    let claimed = zstd_safe::get_frame_content_size(payload).map_err(|_| broken())?;
    let claimed = claimed.ok_or_else(|| Error::invalid("payload", "a zstd frame that does not say its size"))?;
    let claimed = Error::within("opened payload", claimed, DECODED_BYTES_MAX)?;
    let first = claimed.min(payload.len().saturating_mul(RATIO).max(64 * 1024));
    let opened = DECOMPRESSOR.with_borrow_mut(|decompressor| {
        decompressor.decompress(payload, first).or_else(|_| {
            if first < claimed {
                decompressor.decompress(payload, claimed)
            } else {
                Err(std::io::ErrorKind::InvalidData.into())
            }
        })
    });
    opened.map_err(|_| broken())
}
