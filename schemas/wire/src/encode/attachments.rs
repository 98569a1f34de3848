use super::{
    Dictionary, Seal, SiteId, ThreadId,
    core::Core,
    logs::points,
    saved::{self, Known},
};
use crate::{
    Block, Result,
    avro::cut,
    limits::{ATTACHMENT_PART_BYTES_MAX, MEDIA_TYPE_BYTES_MAX, STRING_BYTES_MAX},
    varint,
    varint::Reader,
};
use std::ops::Range;

/// A file of a process: a screenshot, a dump. It travels in parts, each of which is a row.
#[derive(Clone, Copy, Debug)]
pub struct Attachment<'a> {
    /// Its number in the stream, dense from 0, those that were dropped included.
    pub number: u64,
    /// Its name where it was made up at run time; `None` is the call site's.
    pub name: Option<&'a str>,
    /// What the bytes are, such as `image/png`.
    pub media_type: &'a str,
    /// All of its bytes.
    pub bytes: &'a [u8],
}

impl Attachment<'_> {
    /// How many parts so many bytes travel in: each has [`ATTACHMENT_PART_BYTES_MAX`] of them but the last, and none at all is one part too.
    #[must_use]
    pub fn parts(bytes: usize) -> u32 {
        // No memory holds the 2^51 bytes that take more.
        u32::try_from(bytes.div_ceil(ATTACHMENT_PART_BYTES_MAX)).unwrap_or(u32::MAX).max(1)
    }

    fn part(&self, part: u32) -> Range<usize> {
        let at = |part: u32| (part as usize).saturating_mul(ATTACHMENT_PART_BYTES_MAX).min(self.bytes.len());
        at(part)..at(part.saturating_add(1))
    }
}

/// Encodes the attachments of a process, part by part.
#[derive(Debug, Default)]
pub struct AttachmentEncoder {
    core: Core,
    /// For each part twice its call site, and one more where the attachment has a name of its own.
    sites: Vec<u8>,
    threads: Vec<u8>,
    /// For each part the attachment's number (as the difference to the one before), the part, how many there are, and the bytes of all.
    numbers: Vec<u8>,
    last_number: u64,
    /// The lengths of name, where it has one of its own, media type and bytes.
    lengths: Vec<u8>,
    /// Name, where it has one of its own, and media type of each part.
    text: Vec<u8>,
    bytes: Vec<u8>,
}

impl AttachmentEncoder {
    /// Most bytes of a part beside its bytes: name, media type, and the numbers.
    const BESIDE_BYTES_MAX: usize = STRING_BYTES_MAX + MEDIA_TYPE_BYTES_MAX + 128;

    /// An encoder for a new stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The part `part` of an attachment, counted from 0 and below [`Attachment::parts`].
    pub fn push(&mut self, site: SiteId, thread: ThreadId, ticks: u64, attachment: &Attachment<'_>, part: u32) {
        let Attachment { number, name, media_type, bytes } = *attachment;
        let site = u64::from(self.core.sites.plain(site.0));
        varint::put(&mut self.sites, site << 1 | u64::from(name.is_some()));
        varint::put(&mut self.threads, u64::from(self.core.threads.number(thread.0)));
        self.core.ticks.push(ticks);
        varint::put_signed(&mut self.numbers, number.wrapping_sub(self.last_number).cast_signed());
        self.last_number = number;
        for number in [u64::from(part), u64::from(Attachment::parts(bytes.len())), bytes.len() as u64] {
            varint::put(&mut self.numbers, number);
        }
        for text in [name.map(|name| cut(name, STRING_BYTES_MAX)), Some(cut(media_type, MEDIA_TYPE_BYTES_MAX))] {
            let Some(text) = text else { continue };
            varint::put(&mut self.lengths, text.len() as u64);
            self.text.extend_from_slice(text.as_bytes());
        }
        let bytes = &bytes[attachment.part(part)];
        varint::put(&mut self.lengths, bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    /// `count` parts were dropped here.
    pub fn dropped(&mut self, count: u64) {
        self.core.dropped(count);
    }

    /// As [`super::SpanEncoder::event_count`].
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.core.event_count()
    }

    /// As [`super::SpanEncoder::is_empty`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.core.is_empty()
    }

    /// As [`super::SpanEncoder::is_full`], for a part of any size; never so while it is empty.
    #[must_use]
    pub fn is_full(&self) -> bool {
        !self.has_room(ATTACHMENT_PART_BYTES_MAX)
    }

    /// Whether a part of so many bytes fits: small ones share a block that has no room for a large one.
    #[must_use]
    pub fn has_room(&self, part_bytes: usize) -> bool {
        let columns = self.columns().iter().map(|column| column.len()).sum();
        !self.core.is_full(columns, part_bytes.min(ATTACHMENT_PART_BYTES_MAX) + Self::BESIDE_BYTES_MAX)
    }

    pub(super) fn put_saved(&self, out: &mut Vec<u8>) {
        varint::put(out, self.core.first_ordinal);
    }

    pub(super) fn take_saved(&mut self, reader: &mut Reader<'_>, _known: Known) -> Result<()> {
        self.core.first_ordinal = saved::take_ordinal(reader)?;
        Ok(())
    }

    /// As [`super::SpanEncoder::seal`].
    pub fn seal(&mut self, seal: &Seal<'_>, dictionary: &impl Dictionary) -> Block {
        let mut opened = self.core.open_payload(dictionary);
        varint::put(&mut opened.bytes, self.core.event_count() as u64);
        self.core.ticks.put(&mut opened, seal.begin.ticks);
        for column in self.columns() {
            opened.column(column);
        }
        for column in
            [&mut self.sites, &mut self.threads, &mut self.numbers, &mut self.lengths, &mut self.text, &mut self.bytes]
        {
            column.clear();
        }
        self.last_number = 0;
        let sealed = points(&self.core, seal);
        self.core.close_payload(opened, &sealed, seal, dictionary)
    }

    fn columns(&self) -> [&Vec<u8>; 6] {
        [&self.sites, &self.threads, &self.numbers, &self.lengths, &self.text, &self.bytes]
    }
}
