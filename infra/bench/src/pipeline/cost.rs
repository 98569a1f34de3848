//! What one kind of event costs where nothing is lost: in the program, in the server, on disk.

use crate::{
    load::Load,
    produced::{Produced, Producing, cpu_without_recording},
    report::{Section, mib},
    sizes::Sizes,
};
use framelake_bench::{Asking, Sample, Server};

struct Run {
    produced: Produced,
    server_cpu: f64,
    bytes: u64,
}

/// A kind of event, rows a second, and what Micromegas took in the producer per million of them.
const KINDS: [(&str, Load, u64, f64); 3] = [
    ("spans", Load::Spans, 1_000_000, 1.64),
    ("logs with 3 arguments", Load::Logs, 200_000, 9.06),
    ("metrics", Load::Metrics, 1_000_000, 2.38),
];

pub(crate) fn run(sizes: &Sizes) -> anyhow::Result<Section> {
    let mut section = Section::new(
        "The cost of an event",
        format!(
            "{:.0} s of one kind at a pace that loses none ({}), {} run(s) each; the median. The producer's CPU time is \
             that of its whole process, with the background thread, compression and sending, less that of the same program with recording off. A span is one \
             row of two events; Micromegas's figures are per million spans.",
            sizes.cost.as_secs_f64(),
            KINDS.map(|(name, _, rate, _)| format!("{name}: {} M/s", rate as f64 / 1e6)).join(", "),
            sizes.cost_runs
        ),
    );
    for (name, load, rate, micromegas) in KINDS {
        let server = Server::start()?;
        let without = cpu_without_recording(load, sizes.cost, rate)?;
        let runs = (0..sizes.cost_runs).map(|_| measure(&server, load, rate, sizes)).collect::<Result<Vec<_>, _>>()?;
        let mut asking = Asking::connect(&server.flight_url())?;
        let sample = |of: &dyn Fn(&Run) -> f64| Sample::new(runs.iter().map(of).collect());
        let producer = sample(&|run| (run.produced.cpu_seconds - without).max(0.0) / millions(&run.produced));
        let least = producer.min();
        section.less(format!("{name}: producer, CPU s per million"), "s", producer.median(), micromegas);
        section.figure(format!("{name}: the same, the least of {} run(s)", producer.count()), "s", least);
        section.figure(format!("{name}: recording off, CPU s per million"), "s", without / millions(&runs[0].produced));
        let server_cpu = sample(&|run| run.server_cpu / millions(&run.produced));
        section.figure(format!("{name}: server, CPU s per million"), "s", server_cpu.median());
        let bytes = sample(&|run| run.bytes as f64 / run.produced.visible() as f64);
        section.figure(format!("{name}: bytes each on disk"), "B", bytes.median());
        let memory = sample(&|run| mib(run.produced.memory_peak));
        section.figure(format!("{name}: producer, peak memory"), "MiB", memory.max());
        for run in &runs {
            run.produced.check_rows(&mut asking)?;
        }
    }
    Ok(section)
}

fn measure(server: &Server, load: Load, rate: u64, sizes: &Sizes) -> anyhow::Result<Run> {
    let mut asking = Asking::connect(&server.flight_url())?;
    let before = server.cpu()?;
    let produced = Producing::start(server, load, sizes.cost, rate)?.finish()?;
    produced.await_visible(&mut asking)?;
    let server_cpu = server.cpu()? - before;
    produced.check_nothing_lost()?;
    let bytes = produced.bytes_stored(&mut asking)?;
    Ok(Run { produced, server_cpu, bytes })
}

fn millions(produced: &Produced) -> f64 {
    produced.visible() as f64 / 1e6
}
