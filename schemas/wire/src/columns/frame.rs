//! The zstd frame around a payload.

use crate::{Error, Result, limits::DECODED_BYTES_MAX};
use std::cell::RefCell;
use zstd::{
    bulk::{Compressor, Decompressor},
    zstd_safe,
};

/// Higher levels gain a few percent of the bytes and cost several times the time.
const LEVEL: i32 = 1;

thread_local! {
    // A context is near a megabyte: one for each thread that seals or decodes, not one for each stream.
    static COMPRESSOR: RefCell<Compressor<'static>> =
        RefCell::new(Compressor::new(LEVEL).expect("zstd has level 1"));
    // So is the opened payload: 200 threads' streams must not keep one each.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static DECOMPRESSOR: RefCell<Decompressor<'static>> = RefCell::new(Decompressor::default());
}

/// An empty buffer to write an opened payload into; [`close`] keeps its allocation.
pub(crate) fn scratch() -> Vec<u8> {
    let mut scratch = SCRATCH.take();
    scratch.clear();
    scratch
}

/// The payload that holds `opened`.
pub(crate) fn close(opened: Vec<u8>) -> Vec<u8> {
    let mut payload = COMPRESSOR
        .with_borrow_mut(|compressor| compressor.compress(&opened))
        .expect("the buffer has the bound that zstd states");
    SCRATCH.set(opened);
    payload.shrink_to_fit();
    payload
}

/// The bytes inside a payload, at most [`DECODED_BYTES_MAX`].
///
/// What the frame says of its size is believed only up to 32 times the payload at first, and up to the limit once it proved larger.
pub(crate) fn open(payload: &[u8]) -> Result<Vec<u8>> {
    const RATIO: usize = 32;
    let broken = || Error::invalid("payload", "not a zstd frame");
    let claimed = zstd_safe::get_frame_content_size(payload).map_err(|_| broken())?;
    if let Some(claimed) = claimed {
        Error::within("opened payload", claimed, DECODED_BYTES_MAX)?;
    }
    let claimed = claimed.map_or(DECODED_BYTES_MAX, |claimed| claimed as usize);
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
