//! Panics: catching those of tasks with their location, reporting those of callbacks.

use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    cell::{Cell, RefCell},
    fmt,
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind},
    sync::{Arc, Once, PoisonError, RwLock},
};

use crate::{PanicReport, TaskError, TaskErrorKind};

thread_local! {
    /// How many calls of [`catch`] this thread is in: the hook looks only at panics inside one.
    static CATCHING: Cell<u32> = const { Cell::new(0) };
    /// What the hook saw of the latest panic of this thread.
    static SEEN: RefCell<Option<Seen>> = const { RefCell::new(None) };
}

struct Seen {
    location: Option<String>,
    backtrace: Option<String>,
}

/// A panic in a callback: in a function given to `on_done`, or in the `Drop` of a task or an output
/// that an executor had to drop. It has hurt nobody, and would be invisible but for this.
#[derive(Debug)]
pub struct CallbackPanic {
    report: PanicReport,
}

impl CallbackPanic {
    /// The panic.
    #[must_use]
    pub const fn report(&self) -> &PanicReport {
        &self.report
    }
}

impl fmt::Display for CallbackPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a callback panicked: {}", self.report.message())
    }
}

type CallbackHook = Arc<dyn Fn(&CallbackPanic) + Send + Sync>;

static CALLBACK_HOOK: RwLock<Option<CallbackHook>> = RwLock::new(None);

/// Sets what is told of panics in callbacks, for the whole program, in place of the last one.
///
/// Without one, such a panic shows only what the standard panic hook prints.
///
/// ```
/// executor_core::set_callback_panic_hook(|panic| eprintln!("ignored: {panic}"));
/// ```
pub fn set_callback_panic_hook(hook: impl Fn(&CallbackPanic) + Send + Sync + 'static) {
    *CALLBACK_HOOK
        .write()
        .unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(hook));
}

/// Runs `f`; a panic becomes the error that a task's future gets.
#[inline]
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, TaskError> {
    catch_report(f).map_err(|report| TaskError::new(TaskErrorKind::Panicked(report)))
}

/// Runs a callback; a panic goes to the callback hook and no further.
pub(crate) fn guard(f: impl FnOnce()) {
    let Err(report) = catch_report(f) else { return };
    let hook = CALLBACK_HOOK
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    if let Some(hook) = hook {
        let panic = CallbackPanic { report };
        // A hook that panics has been reported by the standard hook; there is nobody else to tell.
        drop(catch_unwind(AssertUnwindSafe(|| hook(&panic))));
    }
}

#[inline]
fn catch_report<R>(f: impl FnOnce() -> R) -> Result<R, PanicReport> {
    install_hook();
    CATCHING.set(CATCHING.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(f));
    CATCHING.set(CATCHING.get() - 1);
    result.map_err(report)
}

#[cold]
fn report(payload: Box<dyn Any + Send>) -> PanicReport {
    let seen = SEEN.take();
    let (location, backtrace) = seen.map_or((None, None), |s| (s.location, s.backtrace));
    PanicReport::new(payload, location, backtrace)
}

/// Location and backtrace of a panic are known only to the process-wide panic hook. Ours notes them
/// and then calls the one that it found, so that what is printed stays as it was. A program that
/// sets a hook of its own later loses the two, and nothing else.
#[inline]
fn install_hook() {
    static INSTALLED: Once = Once::new();
    if !INSTALLED.is_completed() && !std::thread::panicking() {
        INSTALLED.call_once(|| {
            let previous = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                note(info);
                previous(info);
            }));
        });
    }
}

fn note(info: &PanicHookInfo<'_>) {
    if CATCHING.get() == 0 {
        return;
    }
    let location = info.location().map(ToString::to_string);
    let backtrace = Backtrace::capture();
    let backtrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    SEEN.set(Some(Seen {
        location,
        backtrace,
    }));
}
