//! Whose threads they are, and when they end.

use std::{
    cell::Cell,
    ptr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock},
    thread::{self, JoinHandle},
    time::Instant,
};

use executor_core::HostKind;
use executor_pool::{
    BuildError, contain,
    runners::{Lender, Runner, Runners},
};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::builder::ThreadOptions;

/// Rayon's threads, as a lender of them.
#[derive(Debug, Clone)]
pub(crate) enum Threads {
    /// The global pool; on a thread of another pool, that one, as everywhere in rayon.
    Global,
    Shared(Arc<ThreadPool>),
    Own(Arc<OwnPool>),
}

/// A pool that belongs to one executor and ends with it.
#[derive(Debug)]
pub(crate) struct OwnPool {
    /// `None` once it has ended.
    pool: RwLock<Option<ThreadPool>>,
    ends: Arc<Ends>,
}

/// The threads of a pool, to be waited for.
#[derive(Debug, Default)]
struct Ends {
    state: Mutex<Alive>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Alive {
    count: usize,
    handles: Vec<JoinHandle<()>>,
}

thread_local! {
    /// The own pool that this thread belongs to, which lives as long as the thread.
    static POOL: Cell<*const Ends> = const { Cell::new(ptr::null()) };
}

impl Threads {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Global => rayon::current_num_threads(),
            Self::Shared(pool) => pool.current_num_threads(),
            Self::Own(own) => own.with(ThreadPool::current_num_threads).unwrap_or(0),
        }
    }
}

impl Lender for Threads {
    fn kind(&self) -> HostKind {
        HostKind::Pool
    }

    fn lend(&self, runner: Runner) {
        match self {
            Self::Global => rayon::spawn(move || runner.run()),
            Self::Shared(pool) => pool.spawn(move || runner.run()),
            // Where the pool has ended, the runner is dropped.
            Self::Own(own) => own
                .with(|pool| pool.spawn(move || runner.run()))
                .unwrap_or(()),
        }
    }

    fn is_own_thread(&self) -> bool {
        match self {
            Self::Global => rayon::current_thread_index().is_some(),
            Self::Shared(pool) => pool.current_thread_index().is_some(),
            Self::Own(own) => own.is_current(),
        }
    }

    fn breathe(&self) {
        // What it ran, if anything, does not matter.
        let _yielded = rayon::yield_now();
    }

    fn offer(&self, runners: &Arc<Runners>) {
        let runners = Arc::clone(runners);
        // The current pool is the runner's, since it was called on one of its threads.
        rayon::spawn_broadcast(move |_| runners.join_in());
    }
}

impl OwnPool {
    /// A new pool of this many threads.
    pub(crate) fn build(threads: usize, options: ThreadOptions) -> Result<Self, BuildError> {
        let ends = Arc::<Ends>::default();
        let ThreadOptions {
            name,
            stack_size,
            on_start,
            on_stop,
        } = options;
        let mut builder = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(move |index| format!("{name}-{index}"));
        if let Some(bytes) = stack_size {
            builder = builder.stack_size(bytes);
        }
        // Rayon aborts the process if a hook panics.
        if let Some(hook) = on_start {
            builder = builder.start_handler(move |index| contain(|| hook(index)));
        }
        if let Some(hook) = on_stop {
            builder = builder.exit_handler(move |index| contain(|| hook(index)));
        }
        let entered = Arc::clone(&ends);
        let pool = builder
            .spawn_handler(move |rayon_thread| entered.spawn(rayon_thread))
            .build()
            .map_err(|error| {
                BuildError::new(format!("rayon could not start its threads: {error}"))
            })?;
        Ok(Self {
            pool: RwLock::new(Some(pool)),
            ends,
        })
    }

    fn with<R>(&self, f: impl FnOnce(&ThreadPool) -> R) -> Option<R> {
        let pool = self.pool.read().unwrap_or_else(PoisonError::into_inner);
        pool.as_ref().map(f)
    }

    /// Whether this is one of the threads. That does not change when the pool ends: what jobs have left behind in it
    /// may still run.
    fn is_current(&self) -> bool {
        ptr::eq(POOL.get(), Arc::as_ptr(&self.ends))
    }

    /// Ends the threads, once they have nothing to do. They are not waited for.
    pub(crate) fn end(&self) {
        let pool = self
            .pool
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(pool);
    }

    /// Waits until the threads have ended. How many have not, if the deadline passed first.
    pub(crate) fn join(&self, deadline: Option<Instant>) -> Result<(), usize> {
        self.ends.join(deadline)
    }
}

impl Ends {
    fn spawn(self: &Arc<Self>, rayon_thread: rayon::ThreadBuilder) -> std::io::Result<()> {
        let mut builder = thread::Builder::new();
        if let Some(name) = rayon_thread.name() {
            builder = builder.name(name.to_owned());
        }
        if let Some(bytes) = rayon_thread.stack_size() {
            builder = builder.stack_size(bytes);
        }
        let mut alive = self.alive();
        let ends = Arc::clone(self);
        let handle = builder.spawn(move || {
            POOL.set(Arc::as_ptr(&ends));
            // Does not unwind: rayon aborts first.
            rayon_thread.run();
            ends.alive().count -= 1;
            ends.changed.notify_all();
        })?;
        alive.count += 1;
        alive.handles.push(handle);
        Ok(())
    }

    fn join(&self, deadline: Option<Instant>) -> Result<(), usize> {
        let mut alive = self.alive();
        while alive.count > 0 {
            alive = match deadline {
                None => self
                    .changed
                    .wait(alive)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(alive.count);
                    }
                    let waited = self.changed.wait_timeout(alive, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        let handles = std::mem::take(&mut alive.handles);
        drop(alive);
        for handle in handles {
            // Rayon catches panics, or aborts.
            let joined = handle.join();
            debug_assert!(joined.is_ok(), "a thread of rayon's panicked");
        }
        Ok(())
    }

    fn alive(&self) -> MutexGuard<'_, Alive> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
