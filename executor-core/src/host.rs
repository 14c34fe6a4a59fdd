//! Backends that run jobs on threads which they did not start: what a waiting thread asks of them.

use std::{
    fmt,
    sync::{
        Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    Home,
    homes::{POOL, RUNTIME, Table},
};

/// What a backend on other people's threads knows of a thread that is about to wait for one of its jobs.
///
/// A backend that starts its own threads marks them ([`context::Worker`](crate::context::Worker)), and a
/// wait looks at the mark. The threads of a shared pool bear no mark while they do something else; only
/// the backend can tell that they are its workers.
pub trait Host: Send + Sync {
    /// Calls `run`, if the current thread is a worker of this backend, and gives its answer; else false.
    /// Asked of [a pool](HostKind::Pool).
    ///
    /// `run` runs the task that the thread wants to wait for, unless somebody else has started it: then
    /// it gives false. It may run on the stack of whatever the thread was doing.
    fn help(&self, _run: &mut dyn FnMut() -> bool) -> bool {
        false
    }

    /// Whether the current thread must not block, since an async runtime needs it for other tasks.
    /// Then blocking waits are refused. Asked of [a runtime](HostKind::Runtime).
    fn must_not_block(&self) -> bool {
        false
    }
}

/// What a [`Host`] is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostKind {
    /// Threads of a pool: whether one of them is about to wait, and should help instead.
    Pool,
    /// An async runtime: whether a thread must not block.
    Runtime,
}

/// The home of a backend's jobs, for as long as this value exists.
pub struct HostedHome {
    home: Home,
}

static HOSTS: Table<dyn Host> = Table::new(POOL | RUNTIME);

/// Whether there was ever a runtime: most programs have none, and need not ask.
static ANY_RUNTIME: AtomicBool = AtomicBool::new(false);

impl HostedHome {
    /// A home whose waiters ask `host`.
    #[must_use]
    pub fn new(kind: HostKind, host: Weak<dyn Host>) -> Self {
        let mark = match kind {
            HostKind::Pool => POOL,
            HostKind::Runtime => {
                ANY_RUNTIME.store(true, Ordering::Relaxed);
                RUNTIME
            }
        };
        Self {
            home: HOSTS.enter(mark, host),
        }
    }

    /// What jobs are [bound](crate::Job::bind) to.
    #[must_use]
    pub const fn home(&self) -> Home {
        self.home
    }
}

impl Drop for HostedHome {
    fn drop(&mut self) {
        HOSTS.leave(self.home);
    }
}

impl fmt::Debug for HostedHome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostedHome")
            .field("home", &self.home)
            .finish()
    }
}

/// Whether there may be a runtime at all.
pub(crate) fn any_runtime() -> bool {
    ANY_RUNTIME.load(Ordering::Relaxed)
}

/// Whether waiters help the backend of this home on threads that bear no mark.
pub(crate) const fn is_pool(home: u32) -> bool {
    home & POOL != 0
}

/// Has the pool of this home run what the current thread waits for, if it can.
pub(crate) fn help(home: u32, run: &mut dyn FnMut() -> bool) -> bool {
    is_pool(home) && HOSTS.of(home).is_some_and(|host| host.help(run))
}

/// Whether a wait for a job of this home would hold up a runtime.
pub(crate) fn must_not_block(home: u32) -> bool {
    home & RUNTIME != 0 && HOSTS.of(home).is_some_and(|host| host.must_not_block())
}
