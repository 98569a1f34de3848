use super::{Metrics, open};
use crate::{Block, Error, Result, StreamKind, columns::column, varint::Reader};

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
    let bytes = reader.unsigned("floats")?;
    let mut floats = Floats::new(reader.take("floats", bytes)?)?;
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

/// The planes that the encoder wrote, float by float.
struct Floats<'a> {
    planes: &'a [u8],
    count: usize,
    at: usize,
}

impl<'a> Floats<'a> {
    fn new(planes: &'a [u8]) -> Result<Self> {
        if planes.len().is_multiple_of(8) {
            Ok(Self { planes, count: planes.len() / 8, at: 0 })
        } else {
            Err(Error::invalid("floats", "not eight bytes each"))
        }
    }

    fn next(&mut self) -> Result<f64> {
        if self.at == self.count {
            return Err(Error::Truncated { field: "floats", needed: 8, left: 0 });
        }
        let bytes = std::array::from_fn(|plane| self.planes[plane * self.count + self.at]);
        self.at += 1;
        Ok(f64::from_le_bytes(bytes))
    }

    fn finish(self) -> Result<()> {
        Reader::new(&self.planes[self.at..self.count]).finish("floats")
    }
}
