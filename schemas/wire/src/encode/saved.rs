//! What an encoder carries from block to block, as bytes: written down at a seal, it lets another process go on where this one was killed.
//!
//! Not part of a block: whoever keeps these bytes says which version wrote them.

use super::{AsyncEncoder, AttachmentEncoder, FrameEncoder, LogEncoder, MetricEncoder, SpanEncoder};
use crate::{
    Error, Result,
    columns::shapes::Shape,
    raw::{Raw, RawBuf},
    varint,
    varint::Reader,
};

/// How many call sites and threads there are: a number beyond them is refused, and nothing is allocated for it.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Call sites.
    pub sites: u32,
    /// Threads.
    pub threads: u32,
}

impl Known {
    pub(super) fn site(self, reader: &mut Reader<'_>) -> Result<u32> {
        number(reader, "saved call site", self.sites)
    }

    pub(super) fn thread(self, reader: &mut Reader<'_>) -> Result<u32> {
        number(reader, "saved thread", self.threads)
    }
}

fn number(reader: &mut Reader<'_>, field: &'static str, known: u32) -> Result<u32> {
    match reader.unsigned(field)? {
        number if number < u64::from(known) => Ok(number as u32),
        number => Err(Error::invalid(field, format!("number {number} of {known}"))),
    }
}

/// Encoders that can be saved and resumed.
pub trait Saved: Sized {
    /// Appends what is carried to the next block. Only where nothing was recorded since the last seal: events that wait to be sealed are not in it.
    fn save(&self, out: &mut Vec<u8>);

    /// The encoder that [`Saved::save`] wrote down.
    ///
    /// # Errors
    /// Names the field and what is wrong with it.
    fn resume(state: &[u8], known: Known) -> Result<Self>;
}

macro_rules! saved {
    ($($encoder:ty),*) => {$(
        impl Saved for $encoder {
            fn save(&self, out: &mut Vec<u8>) {
                debug_assert!(self.is_empty(), "saved between two blocks");
                self.put_saved(out);
            }

            fn resume(state: &[u8], known: Known) -> Result<Self> {
                let mut reader = Reader::new(state);
                let mut encoder = Self::default();
                encoder.take_saved(&mut reader, known)?;
                reader.finish("saved state")?;
                Ok(encoder)
            }
        }
    )*};
}

saved!(SpanEncoder, AsyncEncoder, FrameEncoder, LogEncoder, MetricEncoder, AttachmentEncoder);

/// Ordinals that leave room for what may yet be given out.
pub(super) fn take_ordinal(reader: &mut Reader<'_>) -> Result<u64> {
    match reader.unsigned("saved ordinal")? {
        ordinal if ordinal < 1 << 62 => Ok(ordinal),
        ordinal => Err(Error::invalid("saved ordinal", format!("{ordinal} is beyond 2^62"))),
    }
}

/// Appends a call site's number with arguments of it.
pub(super) fn put_fields(out: &mut Vec<u8>, site: u32, fields: Raw<'_>) {
    varint::put(out, u64::from(site));
    put_args(out, fields);
}

/// As [`put_fields`], where the call site is known otherwise.
pub(super) fn put_args(out: &mut Vec<u8>, fields: Raw<'_>) {
    varint::put(out, fields.count() as u64);
    varint::put(out, fields.codes());
    varint::put(out, fields.words().len() as u64);
    for word in fields.words() {
        out.extend_from_slice(&word.to_le_bytes());
    }
}

/// Reads what [`put_fields`] wrote.
pub(super) fn take_fields(reader: &mut Reader<'_>, known: Known) -> Result<(Shape, RawBuf)> {
    let site = known.site(reader)?;
    let fields = take_args(reader)?;
    Ok((Shape::of(site, &fields.as_raw()), fields))
}

/// Reads what [`put_args`] wrote.
pub(super) fn take_args(reader: &mut Reader<'_>) -> Result<RawBuf> {
    const FIELD: &str = "saved fields";
    let count = reader.unsigned(FIELD)?;
    let codes = reader.unsigned(FIELD)?;
    let words = reader.unsigned(FIELD)?;
    let bytes = reader.take(FIELD, words.saturating_mul(8))?;
    let words: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    match Raw::take(count, codes, &words) {
        Some((raw, [])) => Ok(raw.into()),
        _ => Err(Error::invalid(FIELD, "not as many words as the arguments take")),
    }
}
