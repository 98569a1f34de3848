//! A headless app of Bevy, whose feature `trace` makes every system a span.

mod rows;
#[path = "../../../producers/sdk/tests/support/mod.rs"]
mod support;

use bevy_app::{App, FixedUpdate, PostUpdate, PreUpdate, Startup, TaskPoolPlugin, Update};
use bevy_ecs::prelude::*;
use rows::{async_rows, log_rows, thread_rows};
use support::Collector;

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
    tracing::debug!(frame = count.0, far, "counted");
}

fn never_runs() {
    panic!("no time passes in this app");
}

#[test]
fn sixty_frames_have_every_system_as_a_span_where_it_belongs() {
    tracing::subscriber::set_global_default(framelake::tracing::subscriber()).unwrap();
    let collector = Collector::default();
    let guard = collector.start();
    {
        let mut app = App::new();
        app.add_plugins(TaskPoolPlugin::default())
            .init_resource::<Count>()
            .add_systems(Startup, spawn_bodies)
            .add_systems(PreUpdate, read_input)
            .add_systems(Update, (move_bodies, count_far).chain())
            .add_systems(PostUpdate, count_far)
            .add_systems(FixedUpdate, never_runs);
        app.finish();
        app.cleanup();
        for _ in 0..FRAMES {
            framelake::frame!();
            app.update();
        }
    }
    let report = guard.shutdown().unwrap();
    collector.check(&report);
    let stats = report.stats;
    assert_eq!([stats.spans.dropped, stats.async_spans.dropped, stats.logs.dropped], [0; 3]);

    let rows = thread_rows(&collector);
    assert_eq!(rows.len() as u64, stats.spans.emitted);
    let systems = |name: &str| {
        let is = |row: &&rows::Row| row.name == "system" && row.field("name") == format!("bevy::{name}");
        rows.iter().filter(is).collect::<Vec<_>>()
    };
    let counts =
        ["spawn_bodies", "read_input", "move_bodies", "count_far", "never_runs"].map(|name| systems(name).len());
    assert_eq!(counts, [1, FRAMES, FRAMES, 2 * FRAMES, 0]);

    // What a system does itself is within its span, on whatever thread it ran.
    let inner: Vec<_> = rows.iter().filter(|row| row.name == "integrate").collect();
    assert_eq!(inner.len(), FRAMES);
    for row in inner {
        assert_eq!((row.field("bodies"), row.parent_in(&rows).field("name")), ("100", "bevy::move_bodies"));
    }
    // Frames consist of schedules.
    let updates: Vec<_> = rows.iter().filter(|row| row.name == "update").collect();
    assert_eq!(updates.len(), FRAMES);
    let schedules: Vec<_> = rows.iter().filter(|row| row.name == "schedule" && row.field("name") == "Update").collect();
    assert_eq!(schedules.len(), FRAMES);
    for schedule in schedules {
        let names: Vec<_> = schedule.ancestors_in(&rows).map(|row| row.name.as_str()).collect();
        assert!(names.ends_with(&["schedule", "main app", "update"]), "{names:?}");
        let within = |row: &&&rows::Row| schedule.begin <= row.begin && row.end <= schedule.end;
        assert_eq!(systems("move_bodies").iter().filter(within).count(), 1);
    }
    // Bevy keeps a span for each system and enters it each frame: from its making to the end of the app it is one row.
    let lives = async_rows(&collector);
    let is = |row: &&rows::Row| row.fields.get("name").is_some_and(|name| name == "bevy::move_bodies");
    let life: Vec<_> = lives.iter().filter(is).collect();
    // That of its commands was never entered: it has none.
    assert_eq!(life.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["system", "system_commands"]);
    assert!(systems("move_bodies").iter().all(|row| life[0].begin <= row.begin && row.end <= life[0].end));

    let lines: Vec<_> = log_rows(&collector).into_iter().filter(|line| line.name == "counted").collect();
    assert_eq!((lines.len(), lines[0].field("frame"), lines[0].field("far")), (2 * FRAMES, "1", "0"));
    // After a second, bodies faster than 50 are far.
    assert_eq!(lines.last().unwrap().field("far"), "49");
}
