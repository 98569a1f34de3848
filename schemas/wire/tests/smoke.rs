//! smoke
use framelake_wire::{encode::*, *};
struct D;
impl Dictionary for D {
    fn site(&self, id: SiteId) -> CallSite<'_> {
        [CallSite{name:"a",target:"t",file:"f.rs",line:3,level:4,unit:"ns"}, CallSite{name:"b",target:"t",file:"f.rs",line:9,level:0,unit:""}][id.0 as usize]
    }
    fn properties(&self, _: PropertiesId) -> &[(String, String)] { &[] }
    fn thread(&self, _: ThreadId) -> (&str, u64) { ("main", 7) }
}
#[test]
fn smoke() {
    let seal = |kind, seq, b: u64, e: u64| Seal { process_id: ProcessId::now_v7(), stream_id: StreamId::now_v7(), kind, thread: Some(ThreadId(0)), clock_domain: "tsc", block_id: BlockId::now_v7(), sequence: seq, dropped_total: 0, anchor_ns: 1_000_000,
        begin: TimeSample{ticks:b,monotonic_ns:b as i64,wall_ns:0}, end: TimeSample{ticks:e,monotonic_ns:e as i64,wall_ns:0}};
    let mut s = SpanEncoder::new();
    s.begin(SiteId(1), 100); s.begin(SiteId(0), 110); s.end(120); s.dropped(3); s.begin(SiteId(0), 130);
    let b1 = s.seal(&seal(StreamKind::SPAN, 0, 90, 200), &D);
    s.end_truncated(1, 210); s.end(220);
    let b2 = s.seal(&seal(StreamKind::SPAN, 1, 200, 300), &D);
    for b in [b1, b2] {
        let b = Block::decode(&b.encode()).unwrap();
        println!("{:?}\n{:?}", b.header, decode::spans(&b).unwrap());
        decode::check(&b).unwrap();
    }
    let mut l = LogEncoder::new();
    l.push(SiteId(0), ThreadId(0), 5, Some("hé")); l.push(SiteId(1), ThreadId(0), 6, None); l.dropped(2); l.push(SiteId(1), ThreadId(0), 4, Some(""));
    let b = l.seal(&seal(StreamKind::LOG, 0, 1, 10), &D);
    println!("{:?}", decode::logs(&Block::decode(&b.encode()).unwrap()).unwrap());
    let mut l = MetricEncoder::new();
    l.push(SiteId(0), ThreadId(0), 5, Value::Integer(5), None); l.push(SiteId(1), ThreadId(0), 6, Value::Float(0.5), Some(PropertiesId(3))); l.push(SiteId(0), ThreadId(0), 6, Value::Integer(-7), None);
    let b = l.seal(&seal(StreamKind::METRIC, 0, 1, 10), &D);
    println!("{:?}", decode::metrics(&Block::decode(&b.encode()).unwrap()).unwrap());
    let mut l = FrameEncoder::new();
    l.mark(5); l.mark(9); l.dropped(1); l.mark(10);
    let b = l.seal(&seal(StreamKind::FRAME, 0, 1, 10), &D);
    println!("{:?}", decode::frames(&Block::decode(&b.encode()).unwrap()).unwrap());
}
