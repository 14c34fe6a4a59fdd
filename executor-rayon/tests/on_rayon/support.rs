//! Pools to run on, and what the tests wait with: nothing here waits for ever.

use std::{
    fmt::Display,
    panic::resume_unwind,
    sync::{
        Arc, Condvar, Mutex, Once, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use executor_core::{Future as _, LocalExecutorExt as _};
use executor_rayon::{RayonBuilder, RayonExecutor};
use rayon::{ThreadPool, ThreadPoolBuilder, Yield};

/// How long something may take that should take no time at all.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Runs `body` on a thread of its own, and fails if it is not over in time.
#[track_caller]
pub(crate) fn must_end<R: Send + 'static>(
    what: impl Display,
    body: impl FnOnce() -> R + Send + 'static,
) -> R {
    let (done, is_done) = mpsc::channel();
    let thread = thread::spawn(move || drop(done.send(body())));
    match is_done.recv_timeout(LIMIT) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("it hung: {what}"),
        Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Err(payload) => resume_unwind(payload),
            Ok(()) => unreachable!("it has sent its result"),
        },
    }
}

/// Waits for what has no latch, such as that a thread is gone.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "never came to be: {what}");
        thread::yield_now();
    }
}

/// Lets rayon do on this stack whatever it has, until it has nothing.
pub(crate) fn yield_until_idle() {
    while rayon::yield_now() == Some(Yield::Executed) {}
}

/// Opens once; clones are the same latch.
#[derive(Clone)]
pub(crate) struct Latch(Arc<(&'static str, Mutex<bool>, Condvar)>);

impl Latch {
    pub(crate) fn new(name: &'static str) -> Self {
        Self(Arc::new((name, Mutex::default(), Condvar::new())))
    }

    pub(crate) fn open(&self) {
        *self.0.1.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.2.notify_all();
    }

    /// Blocks this thread, which rayon knows nothing of.
    #[track_caller]
    pub(crate) fn wait(&self) {
        let (name, is_open, changed) = &*self.0;
        let is_open = is_open.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(is_open, LIMIT, |is_open| !*is_open);
        let timed_out = waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
        assert!(!timed_out, "never opened: {name}");
    }
}

/// A flag that threads look at.
#[derive(Clone, Default)]
pub(crate) struct Flag(Arc<AtomicBool>);

impl Flag {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Whose threads an executor uses, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Own(usize),
    Shared(usize),
    Global,
}

/// How many threads the global pool has.
pub(crate) const GLOBAL: usize = 4;

/// All kinds, with as few threads as there can be, and with one more.
pub(crate) const KINDS: [Kind; 5] = [
    Kind::Own(1),
    Kind::Own(2),
    Kind::Shared(1),
    Kind::Shared(2),
    Kind::Global,
];

/// An executor and the pool beneath it.
#[derive(Clone)]
pub(crate) struct Guest {
    pub(crate) executor: RayonExecutor,
    pub(crate) threads: usize,
    pool: Option<Arc<ThreadPool>>,
    kind: Kind,
}

impl Kind {
    /// As [`must_end`]; there is one global pool, and so one such body at a time.
    #[track_caller]
    pub(crate) fn must_end<R: Send + 'static>(
        self,
        body: impl FnOnce() -> R + Send + 'static,
    ) -> R {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = || TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let _turn = (self == Self::Global).then(turn);
        must_end(format_args!("{self:?}"), body)
    }

    pub(crate) fn guest(self) -> Guest {
        self.guest_with(|builder| builder)
    }

    pub(crate) fn guest_with(self, adjust: impl FnOnce(RayonBuilder) -> RayonBuilder) -> Guest {
        let builder = adjust(RayonExecutor::builder());
        let (builder, pool, threads) = match self {
            Self::Own(threads) => (builder.max_workers(threads), None, threads),
            Self::Shared(threads) => {
                let pool = pool(threads);
                (builder.pool(Arc::clone(&pool)), Some(pool), threads)
            }
            Self::Global => {
                build_global();
                (builder.global(), None, GLOBAL)
            }
        };
        Guest {
            executor: builder.build().unwrap(),
            threads,
            pool,
            kind: self,
        }
    }
}

impl Guest {
    /// Calls `f` on a thread of the pool that is in no job of ours.
    pub(crate) fn outside_of_jobs<R: Send + 'static>(
        &self,
        f: impl FnOnce() -> R + Send + 'static,
    ) -> R {
        match (&self.pool, self.kind) {
            (Some(pool), _) => pool.install(f),
            (None, Kind::Global) => rayon::scope(|_| f()),
            (None, _) => {
                let (done, is_done) = mpsc::channel();
                let closure = move || drop(done.send(f()));
                let job = self.executor.spawn(|| rayon::spawn(closure)).unwrap();
                job.result().unwrap();
                is_done
                    .recv_timeout(LIMIT)
                    .expect("the closure hung, or panicked")
            }
        }
    }
}

pub(crate) fn pool(threads: usize) -> Arc<ThreadPool> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    Arc::new(pool.unwrap())
}

pub(crate) fn build_global() {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let pool = ThreadPoolBuilder::new().num_threads(GLOBAL).build_global();
        pool.expect("nobody has used it before");
    });
}
