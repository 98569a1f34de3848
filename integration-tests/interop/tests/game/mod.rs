//! A game without a window, and what is there of it afterwards.

use crate::rows::{Row, async_rows, log_rows, thread_rows};
use crate::support::Collector;
use bevy::app::MainScheduleOrder;
use bevy::ecs::schedule::{InternedScheduleLabel, ScheduleLabel};
use bevy::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const FRAMES: usize = 60;

#[derive(Component)]
struct Position(f32);

#[derive(Component)]
struct Velocity(f32);

#[derive(Resource, Default)]
struct Count(usize);

fn spawn_bodies(mut commands: Commands) {
    for number in 0..100_u8 {
        commands.spawn((Position(0.0), Velocity(f32::from(number))));
    }
}

fn read_input(mut count: ResMut<Count>) {
    count.0 += 1;
}

fn move_bodies(mut bodies: Query<(&mut Position, &Velocity)>) {
    let _inner = tracing::info_span!("integrate", bodies = bodies.iter().len()).entered();
    for (mut position, velocity) in &mut bodies {
        position.0 += velocity.0 / 60.0;
    }
}

fn count_far(bodies: Query<&Position>, count: Res<Count>) {
    let far = bodies.iter().filter(|position| position.0 > 50.0).count();
    if count.0.is_multiple_of(30) {
        tracing::info!(frame = count.0, far, "counted");
    }
}

fn never_runs() {
    panic!("nobody runs the schedule it is in");
}

#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
struct Never;

/// Plays some frames of `app`; how often each of its systems ran, by name.
pub(crate) fn play(mut app: App) -> BTreeMap<String, usize> {
    app.init_resource::<Count>()
        .add_systems(First, || framelake::frame!())
        .add_systems(Startup, spawn_bodies)
        .add_systems(PreUpdate, read_input)
        .add_systems(Update, (move_bodies, count_far).chain())
        .add_systems(PostUpdate, count_far)
        .add_systems(Never, never_runs);
    app.finish();
    app.cleanup();
    for _ in 0..FRAMES {
        app.update();
    }
    // What the schedules themselves say they consist of, Bevy's own systems included.
    let mut ran = BTreeMap::new();
    let order = app.world().resource::<MainScheduleOrder>();
    for (labels, runs) in [(&order.startup_labels, 1), (&order.labels, FRAMES)] {
        for system in labels.iter().flat_map(|label| systems(&app, *label)) {
            *ran.entry(system).or_default() += runs;
        }
    }
    // These run only when there is something to do; those of bevy_ecs are also made with the app, before any plugin could set a subscriber.
    ran.retain(|name, _| !name.starts_with("bevy_ecs::") && !name.starts_with("bevy_app::hierarchy::"));
    assert!(ran.len() > 10, "{ran:?}");
    ran
}

fn systems(app: &App, label: InternedScheduleLabel) -> Vec<String> {
    let Some(systems) = app.get_schedule(label).and_then(|schedule| schedule.systems().ok()) else { return vec![] };
    systems.map(|(_, system)| system.name().to_string()).collect()
}

/// Every run of a system is a span, with its name, within its schedule; what it does itself is within that. Returns how often each system was recorded.
pub(crate) fn check(
    collector: &Collector,
    report: &framelake::Report,
    ran: &BTreeMap<String, usize>,
) -> BTreeMap<String, usize> {
    collector.check(report);
    let stats = report.stats;
    assert_eq!([stats.spans.dropped, stats.async_spans.dropped, stats.logs.dropped], [0; 3]);
    assert_eq!(stats.frames.emitted, FRAMES as u64);

    let rows = thread_rows(collector);
    assert_eq!(rows.len() as u64, stats.spans.emitted);
    let systems: Vec<_> = rows.iter().filter(|row| row.name == "system").collect();
    let mut recorded: BTreeMap<String, usize> = BTreeMap::new();
    for system in &systems {
        *recorded.entry(system.field("name").to_owned()).or_default() += 1;
    }
    // Not only those: conditions are systems, too, and in no schedule's list.
    assert_eq!(
        ran.keys().map(|name| (name.clone(), recorded.get(name).copied().unwrap_or(0))).collect::<BTreeMap<_, _>>(),
        *ran
    );
    let own: BTreeSet<_> =
        recorded.keys().filter_map(|name| name.strip_prefix(concat!(module_path!(), "::"))).collect();
    assert_eq!(own, ["count_far", "move_bodies", "play::{{closure}}", "read_input", "spawn_bodies"].into());

    let named = |name: &str| {
        let name = format!("{}::{name}", module_path!());
        systems.iter().filter(move |row| row.field("name") == name).copied()
    };
    let inner: Vec<_> = rows.iter().filter(|row| row.name == "integrate").collect();
    assert_eq!(inner.len(), FRAMES);
    for row in inner {
        let name = concat!(module_path!(), "::move_bodies");
        assert_eq!((row.field("bodies"), row.parent_in(&rows).field("name")), ("100", name));
    }
    let schedules: Vec<_> = rows.iter().filter(|row| row.name == "schedule" && row.field("name") == "Update").collect();
    assert_eq!(schedules.len(), FRAMES);
    for schedule in &schedules {
        let names: Vec<_> = schedule.ancestors_in(&rows).map(|row| row.name.as_str()).collect();
        assert!(names.ends_with(&["schedule", "main app", "update"]), "{names:?}");
        // On whatever thread it ran: this frame's, and after each other as they are chained.
        let within = |row: &&Row| schedule.begin <= row.begin && row.end <= schedule.end;
        let (moved, counted): (Vec<_>, Vec<_>) =
            (named("move_bodies").filter(within).collect(), named("count_far").filter(within).collect());
        assert_eq!((moved.len(), counted.len()), (1, 1));
        assert!(moved[0].end <= counted[0].begin);
    }
    // Bevy keeps a span for each system and enters it each frame: from its making to the end of the app it is one row.
    let lives = async_rows(collector);
    let is = |row: &&Row| row.fields.get("name").is_some_and(|name| name == concat!(module_path!(), "::move_bodies"));
    let life: Vec<_> = lives.iter().filter(is).collect();
    // That of its commands was never entered: it has none.
    assert_eq!(life.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["system", "system_commands"]);
    // It begins with the first run. Of a begin that is older than its block the time is as exact as the rate of that block's clock: some nanoseconds.
    const EXACT_NS: i64 = 1_000;
    assert!(named("move_bodies").all(|row| life[0].begin - EXACT_NS <= row.begin && row.end <= life[0].end));

    // After a second, bodies faster than 50 are far.
    let lines: Vec<_> = log_rows(collector).into_iter().filter(|line| line.name == "counted").collect();
    let told: Vec<_> = lines.iter().map(|line| (line.field("frame"), line.field("far"))).collect();
    assert_eq!(told, [("30", "0"), ("30", "0"), ("60", "49"), ("60", "49")]);
    recorded
}
