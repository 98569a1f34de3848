//! The same game with Bevy's own subscriber, and Framelake as a layer of it: alone in its process, because a process has one subscriber.

mod game;
mod rows;
#[path = "../../../producers/sdk/tests/support/mod.rs"]
mod support;

use bevy::log::LogPlugin;
use bevy::prelude::*;
use support::Collector;

#[test]
fn as_a_layer_of_bevys_subscriber_every_run_of_a_system_is_a_span_too() {
    let collector = Collector::default();
    let guard = collector.start();
    let mut app = App::new();
    app.add_plugins(
        DefaultPlugins.set(LogPlugin { custom_layer: |_| Some(Box::new(framelake::tracing::layer())), ..default() }),
    );
    let ran = game::play(app);
    game::check(&collector, &guard.shutdown().unwrap(), &ran);
}
