use super::{Logs, open};
use crate::{Block, Error, Result, StreamKind, columns::column, limits::STRING_BYTES_MAX, varint::Reader};

pub(super) fn rows(block: &Block) -> Result<Logs> {
    let header = &block.header;
    let opened = open::open(block, &StreamKind::LOG)?;
    let mut reader = Reader::new(&opened);
    let (tables, drops) = open::start(&mut reader, header)?;
    let count = open::event_count(&mut reader, header)?;
    let ticks = open::ticks(&mut reader, header)?;
    let codes = column(&mut reader, "sites")?;
    let threads = column(&mut reader, "threads")?;
    let mut lengths = column(&mut reader, "text lengths")?;
    let texts = reader.unsigned("texts")?;
    let text = std::str::from_utf8(reader.take("texts", texts)?).map_err(|_| Error::invalid("texts", "not UTF-8"))?;
    reader.finish("payload")?;

    let mut site = open::indexes(codes, count, "sites", tables.sites.len() * 2)?;
    let mut has_text = Vec::with_capacity(count);
    let mut text_end = Vec::with_capacity(count);
    let mut at = 0;
    for code in &mut site {
        has_text.push(*code & 1 == 1);
        if *code & 1 == 1 {
            at += Error::within("text", lengths.unsigned("text lengths")?, STRING_BYTES_MAX)?;
            if !text.is_char_boundary(at) {
                return Err(Error::invalid("texts", "one ends beyond the texts or within a character"));
            }
        }
        text_end.push(at as u32);
        *code >>= 1;
    }
    lengths.finish("text lengths")?;
    if at != text.len() {
        return Err(Error::invalid("texts", format!("{} bytes too many", text.len() - at)));
    }
    let thread = open::indexes(threads, count, "threads", tables.threads.len())?;
    let (time, ordinal) = open::points(ticks, &drops, header)?;
    Ok(Logs {
        sites: tables.sites,
        threads: tables.threads,
        site,
        thread,
        ordinal,
        time,
        text_end,
        has_text,
        text: text.to_owned(),
    })
}
