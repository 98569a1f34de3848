//! A headless game of Bevy, whose feature `trace` makes every system a span, with Framelake as the subscriber.

mod game;
mod rows;
#[path = "../../../producers/sdk/tests/support/mod.rs"]
mod support;

use bevy::log::LogPlugin;
use bevy::prelude::*;
use support::Collector;

#[test]
fn every_run_of_a_system_is_a_span_where_it_belongs() {
    tracing::subscriber::set_global_default(framelake::tracing::subscriber()).unwrap();
    let collector = Collector::default();
    let guard = collector.start();
    let mut app = App::new();
    app.add_plugins(DefaultPlugins.build().disable::<LogPlugin>());
    let ran = game::play(app);
    let recorded = game::check(&collector, &guard.shutdown().unwrap(), &ran);
    // Made with the app, before any plugin.
    assert!(recorded.contains_key("bevy_ecs::system::system_registry::despawn_unused_registered_systems"));
}
