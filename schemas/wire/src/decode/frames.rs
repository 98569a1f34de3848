use super::{
    Frames,
    open::{self, Found},
};
use crate::{
    Block, Result, StreamKind, UnixNanos,
    columns::frames::{Marks, read_open, replay},
    varint::Reader,
};

pub(super) fn rows(block: &Block) -> Result<Frames> {
    let header = &block.header;
    let opened = open::open(block, &StreamKind::FRAME)?;
    let mut reader = Reader::new(&opened);
    let (_, drops) = open::start(&mut reader, header)?;
    let map = header.time_map();
    let mut open_frame = read_open(&mut reader, header.first_ordinal, map.unix_ns(header.begin.ticks))?;
    let count = open::event_count(&mut reader, header)?;
    let ticks = open::ticks(&mut reader, header)?;
    reader.finish("payload")?;

    let mut frames = Frames {
        ordinal: Vec::with_capacity(count),
        begin: Vec::with_capacity(count),
        end: Vec::with_capacity(count),
        open: None,
    };
    let (mut min, mut max) = (UnixNanos::MAX, UnixNanos::MIN);
    let marks = Marks { count: header.event_count, ticks, drops: &drops, first_ordinal: header.first_ordinal, map };
    let (next_ordinal, lost) = replay(marks, &mut open_frame, |ordinal, begin, end| {
        min = min.min(begin);
        max = max.max(end);
        frames.ordinal.push(ordinal);
        frames.begin.push(begin);
        frames.end.push(end);
    })?;
    let (rows, dropped) = (frames.ordinal.len() as u64, open::dropped(&drops) + lost);
    open::check_found(header, &Found { rows, dropped, next_ordinal, min, max })?;
    frames.open = open_frame;
    Ok(frames)
}
