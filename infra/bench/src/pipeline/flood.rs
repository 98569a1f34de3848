//! A thread that records spans as fast as it can: what gets through, what is lost, what it costs.

use crate::{
    load::Load,
    produced::Producing,
    report::{Section, count, mib},
    sizes::Sizes,
};
use framelake_bench::{Asking, Server};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) fn run(sizes: &Sizes) -> anyhow::Result<Section> {
    let server = Server::start()?;
    let mut asking = Asking::connect(&server.flight_url())?;
    let server_before = server.cpu()?;
    let produced = Producing::start(&server, Load::Flood, sizes.flood, 0)?.finish()?;
    produced.await_visible(&mut asking)?;
    let visible_at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as i64;
    let seconds = (visible_at - produced.started_unix_ns) as f64 / 1e9;
    let server_cpu = server.cpu()? - server_before;
    let bytes = produced.bytes_stored(&mut asking)?;
    let (events_in, events) = (produced.emitted_events() as f64, produced.visible_events() as f64);
    let memory = server.memory_peak()?;
    produced.check_rows(&mut asking)?;

    let mut section = Section::new(
        "A flooding producer",
        format!(
            "One thread records nested spans for {:.0} s and does next to nothing else: leaves pause for 0 to some 100 ns, so that not all last the \
             same. A span is two events. Visible events per second are taken from the first event until SQL sees the last one.",
            sizes.flood.as_secs_f64()
        ),
    );
    section.count("events in", produced.emitted_events());
    section.figure("events in per second", "M/s", events_in / produced.seconds / 1e6);
    section.count("events visible", produced.visible_events());
    section.more("events visible per second", "M/s", events / seconds / 1e6, 0.71);
    section.less("lost", "%", 100.0 * (1.0 - events / events_in), 95.0);
    section.figure("producer, CPU s per million events in", "s", produced.cpu_seconds / (events_in / 1e6));
    section.figure("server, CPU s per million events visible", "s", server_cpu / (events / 1e6));
    section.figure("bytes per event on disk", "B", bytes as f64 / events);
    section.figure("producer, peak memory", "MiB", mib(produced.memory_peak));
    section.figure("server, peak memory", "MiB", mib(memory));
    section.note(format!(
        "Emitted {} spans = visible {} + dropped {}, counted from decoded rows.",
        count(produced.emitted()),
        count(produced.visible()),
        count(produced.dropped())
    ));
    Ok(section)
}
