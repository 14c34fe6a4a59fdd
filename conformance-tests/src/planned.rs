//! Panics that trials plan: told apart from failures, and collected where callbacks throw them.

use std::{
    cell::Cell,
    panic::{self, AssertUnwindSafe, panic_any},
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The payload of planned panics that are not text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned(pub(crate) u64);

/// What the text of every planned panic begins with.
pub(crate) const PREFIX: &str = "planned panic";

/// Panics with a text that [`quiet`] knows.
#[track_caller]
pub(crate) fn boom() -> ! {
    panic!("{PREFIX}");
}

/// Panics with a payload that is no text.
#[track_caller]
pub(crate) fn boom_any(number: u64) -> ! {
    panic_any(Planned(number));
}

/// A text that no other trial panics with.
pub(crate) fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!(
        "{PREFIX} in callback {}",
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Calls `f`, which is to panic with a text that is not ours; it is not printed.
pub(crate) fn expected<R>(f: impl FnOnce() -> R) -> std::thread::Result<R> {
    EXPECTED.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    EXPECTED.set(false);
    result
}

thread_local! {
    /// Whether this thread is in [`expected`].
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Keeps planned panics from being printed, for the whole program.
pub(crate) fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let payload = info.payload();
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
            let planned = payload.is::<Planned>() || EXPECTED.get();
            if !planned && !text.is_some_and(|text| text.contains(PREFIX)) {
                previous(info);
            }
        }));
    });
}

/// How often the callback hook has been told of a panic with this text. The hook is one for the whole
/// program and trials run at the same time, so each uses a text of its own.
pub(crate) fn reports(text: &str) -> usize {
    let reports = REPORTS.lock().unwrap_or_else(PoisonError::into_inner);
    reports
        .iter()
        .filter(|report| report.as_str() == text)
        .count()
}

/// Has the callback hook collect what it is told.
pub(crate) fn collect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        executor_core::set_callback_panic_hook(|panic| {
            let text = panic.report().message().to_owned();
            REPORTS
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(text);
        });
    });
}

static REPORTS: Mutex<Vec<String>> = Mutex::new(Vec::new());
