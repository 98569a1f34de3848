//! The game by itself.
fn main() {
    let seconds = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(15);
    framelake_demo::run(&framelake_demo::Options { duration: std::time::Duration::from_secs(seconds), seed: 7 })
        .unwrap();
}
