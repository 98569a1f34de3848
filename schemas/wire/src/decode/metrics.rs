use super::{Metrics, open};
use crate::{Block, Result, StreamKind, columns::column, varint::Reader};

pub(super) fn rows(block: &Block) -> Result<Metrics> {
    let header = &block.header;
    let opened = open::open(block, &StreamKind::METRIC)?;
    let mut reader = Reader::new(&opened);
    let (tables, drops) = open::start(&mut reader, header)?;
    let count = open::event_count(&mut reader, header)?;
    let ticks = open::ticks(&mut reader, header)?;
    let codes = column(&mut reader, "sites")?;
    let threads = column(&mut reader, "threads")?;
    let sets = column(&mut reader, "properties")?;
    let mut integers = column(&mut reader, "integers")?;
    let mut floats = Floats::read(&mut reader)?;
    reader.finish("payload")?;

    let mut site = open::indexes(codes, count, "sites", tables.sites.len() * 2)?;
    let mut last = vec![0i64; tables.sites.len()];
    let mut value = Vec::with_capacity(count);
    for code in &mut site {
        let is_float = *code & 1 == 1;
        *code >>= 1;
        value.push(if is_float {
            floats.next()?
        } else {
            let last = &mut last[*code as usize];
            *last = last.wrapping_add(integers.signed("integers")?);
            *last as f64
        });
    }
    integers.finish("integers")?;
    floats.finish()?;
    let thread = open::indexes(threads, count, "threads", tables.threads.len())?;
    let sets = open::indexes(sets, count, "properties", tables.sets.len() + 1)?;
    let properties = sets.into_iter().map(|set| set.checked_sub(1)).collect();
    let (time, ordinal) = open::points(ticks, &drops, header)?;
    Ok(Metrics {
        sites: tables.sites,
        threads: tables.threads,
        property_sets: tables.sets,
        site,
        thread,
        ordinal,
        time,
        value,
        properties,
    })
}

/// The columns that the encoder wrote, lowest bytes first.
struct Floats<'a>([Reader<'a>; 8]);

impl<'a> Floats<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self> {
        let mut planes = [Reader::new(&[]); 8];
        for plane in &mut planes {
            *plane = column(reader, "floats")?;
        }
        Ok(Self(planes))
    }

    #[inline]
    fn next(&mut self) -> Result<f64> {
        let mut bytes = [0; 8];
        for (byte, plane) in bytes.iter_mut().zip(&mut self.0) {
            *byte = plane.byte("floats")?;
        }
        Ok(f64::from_le_bytes(bytes))
    }

    fn finish(self) -> Result<()> {
        self.0.into_iter().try_for_each(|plane| plane.finish("floats"))
    }
}
