//! A panic is recorded, and what was recorded before it is sent.

use crate::arg::Str;
use crate::{Level, clock, record, session, site::CallSite};
use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

/// A panic waits at most this long for the server.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// After a wait in vain panics do not wait again for this long: programs that catch panics must go on.
const PATIENCE_NS: i64 = 30_000_000_000;

static LAST: Mutex<Option<String>> = Mutex::new(None);
static WAITED_IN_VAIN: AtomicI64 = AtomicI64::new(i64::MIN);
static SITE: CallSite =
    CallSite::log(Level::Fatal, "panic: {}", "panic", file!(), line!()).with_args(&["panic", "backtrace"], "");

/// Puts our hook before the one in force, once.
pub(crate) fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            on_panic(info);
            previous(info);
        }));
    });
}

/// How a program ended that is unwinding.
pub(crate) fn exit_reason() -> String {
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
    last.map_or_else(|| "panic".to_owned(), |message| format!("panic: {message}"))
}

fn on_panic(info: &PanicHookInfo<'_>) {
    // Our own threads must not wait for themselves.
    if std::thread::current().name().is_some_and(|name| name.starts_with("framelake-")) {
        return;
    }
    let Some(session) = session::current() else { return };
    let message = message(info);
    if let Some(on) = record::log_on(Level::Fatal, &SITE) {
        record::log_args(on, (Str::new(&message), Str::new(&backtrace())));
    }
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.clone());
    if cfg!(panic = "abort") {
        let _ = session.stop(FLUSH_TIMEOUT, format!("panic: {message}"));
        return;
    }
    let now = clock::wall_ns();
    let vain = WAITED_IN_VAIN.load(Relaxed);
    if vain != i64::MIN && now.saturating_sub(vain) < PATIENCE_NS {
        return;
    }
    if !session.flush(FLUSH_TIMEOUT) {
        WAITED_IN_VAIN.store(now, Relaxed);
    }
}

/// Where the panic came from, whatever `RUST_BACKTRACE` says: it is rare, and nobody can ask for it afterwards.
fn backtrace() -> String {
    std::backtrace::Backtrace::force_capture().to_string()
}

fn message(info: &PanicHookInfo<'_>) -> String {
    let text = info.payload_as_str().unwrap_or("(not text)");
    match info.location() {
        Some(location) => format!("{text}, at {}:{}", location.file(), location.line()),
        None => text.to_owned(),
    }
}
