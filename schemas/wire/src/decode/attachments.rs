use super::{Attachments, open};
use crate::{
    Block, Error, Result, StreamKind,
    columns::column,
    limits::{ATTACHMENT_PART_BYTES_MAX, MEDIA_TYPE_BYTES_MAX, STRING_BYTES_MAX},
    varint::Reader,
};

pub(super) fn rows(block: &Block) -> Result<Attachments> {
    let header = &block.header;
    let opened = open::open(block, &StreamKind::ATTACHMENT)?;
    let mut reader = Reader::new(&opened);
    let (tables, drops) = open::start(&mut reader, header)?;
    let count = open::event_count(&mut reader, header)?;
    let ticks = open::ticks(&mut reader, header)?;
    let codes = column(&mut reader, "sites")?;
    let threads = column(&mut reader, "threads")?;
    let mut numbers = column(&mut reader, "attachments")?;
    let mut lengths = column(&mut reader, "lengths")?;
    let texts = reader.unsigned("texts")?;
    let text = std::str::from_utf8(reader.take("texts", texts)?).map_err(|_| Error::invalid("texts", "not UTF-8"))?;
    let bytes = reader.unsigned("bytes")?;
    let bytes = reader.take("bytes", bytes)?;
    reader.finish("payload")?;

    let mut rows = Attachments {
        site: open::indexes(codes, count, "sites", tables.sites.len() * 2)?,
        attachment: Vec::with_capacity(count),
        part: Vec::with_capacity(count),
        parts: Vec::with_capacity(count),
        size: Vec::with_capacity(count),
        has_name: Vec::with_capacity(count),
        name_end: Vec::with_capacity(count),
        media_type_end: Vec::with_capacity(count),
        bytes_end: Vec::with_capacity(count),
        ..Attachments::default()
    };
    let (mut attachment, mut text_at, mut bytes_at) = (0u64, 0, 0);
    for code in &mut rows.site {
        let has_name = *code & 1 == 1;
        *code >>= 1;
        attachment = attachment.wrapping_add(numbers.signed("attachments")?.cast_unsigned());
        let place = Place::read(&mut numbers)?;
        if attachment > i64::MAX.cast_unsigned() {
            return Err(Error::invalid("attachments", format!("number {attachment}, beyond 2^63")));
        }
        let mut next_text = |limit| -> Result<u32> {
            text_at += Error::within("texts", lengths.unsigned("lengths")?, limit)?;
            if !text.is_char_boundary(text_at) {
                return Err(Error::invalid("texts", "one ends beyond the texts or within a character"));
            }
            Ok(text_at as u32)
        };
        rows.name_end.push(if has_name {
            next_text(STRING_BYTES_MAX)?
        } else {
            rows.media_type_end.last().copied().unwrap_or(0)
        });
        rows.media_type_end.push(next_text(MEDIA_TYPE_BYTES_MAX)?);
        let part_bytes = Error::within("part", lengths.unsigned("lengths")?, ATTACHMENT_PART_BYTES_MAX)?;
        bytes_at += part_bytes;
        if part_bytes as u64 > place.size || bytes_at > bytes.len() {
            return Err(Error::invalid("bytes", "a part ends beyond its attachment or beyond the bytes"));
        }
        rows.bytes_end.push(bytes_at as u32);
        rows.has_name.push(has_name);
        rows.attachment.push(attachment);
        rows.part.push(place.part);
        rows.parts.push(place.parts);
        rows.size.push(place.size);
    }
    numbers.finish("attachments")?;
    lengths.finish("lengths")?;
    if (text_at, bytes_at) != (text.len(), bytes.len()) {
        let (texts, bytes) = (text.len() - text_at, bytes.len() - bytes_at);
        return Err(Error::invalid("lengths", format!("{texts} bytes of text and {bytes} of parts too many")));
    }
    rows.thread = open::indexes(threads, count, "threads", tables.threads.len())?;
    (rows.time, rows.ordinal) = open::points(ticks, &drops, header)?;
    rows.sites = tables.sites;
    rows.threads = tables.threads;
    rows.text = text.to_owned();
    rows.bytes = bytes.to_vec();
    Ok(rows)
}

/// Which part of how many, and the bytes of all of them.
struct Place {
    part: u32,
    parts: u32,
    size: u64,
}

impl Place {
    fn read(numbers: &mut Reader<'_>) -> Result<Self> {
        let (part, parts) = (numbers.unsigned("part")?, numbers.unsigned("parts")?);
        let size = numbers.unsigned("size")?;
        if part >= parts || size > i64::MAX.cast_unsigned() {
            return Err(Error::invalid("part", format!("part {part} of {parts}, in all {size} bytes")));
        }
        let parts = u32::try_from(parts).map_err(|_| Error::invalid("parts", "beyond 2^32"))?;
        Ok(Self { part: part as u32, parts, size })
    }
}
