//! Runtimes to run on, and what the tests wait with: nothing here waits for ever.

use std::{
    fmt::Display,
    panic::resume_unwind,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use executor_tokio::{TokioBuilder, TokioExecutor};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
};

/// How long something may take that should take no time at all.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// So long that nobody waits for it.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

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

/// Opens once; clones are the same latch. Who waits blocks the thread.
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

    pub(crate) fn is_open(&self) -> bool {
        *self.0.1.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens it also if a test fails before it comes to that, so that nobody waits for it then.
    pub(crate) fn opens_on_drop(&self) -> impl Drop + use<> {
        struct Opens(Latch);
        impl Drop for Opens {
            fn drop(&mut self) {
                self.0.open();
            }
        }
        Opens(self.clone())
    }

    #[track_caller]
    pub(crate) fn wait(&self) {
        let (name, is_open, changed) = &*self.0;
        let is_open = is_open.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(is_open, LIMIT, |is_open| !*is_open);
        let timed_out = waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
        assert!(!timed_out, "never opened: {name}");
    }
}

/// Counts values that live.
#[derive(Clone, Default)]
pub(crate) struct Live(Arc<AtomicUsize>);

/// A value that a [`Live`] counts.
pub(crate) struct Token(Live);

impl Live {
    pub(crate) fn token(&self) -> Token {
        self.0.fetch_add(1, Ordering::SeqCst);
        Token(self.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whose runtime an executor uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One that a thread drives.
    CurrentThread,
    /// One with so many threads.
    MultiThread(usize),
    /// The executor's own, with so many threads.
    Own(usize),
}

pub(crate) const KINDS: [Kind; 4] = [
    Kind::CurrentThread,
    Kind::MultiThread(1),
    Kind::MultiThread(2),
    Kind::Own(1),
];

/// An executor, and the runtime beneath it unless that is its own.
pub(crate) struct Site {
    pub(crate) executor: TokioExecutor,
    pub(crate) runtime: Option<Driven>,
}

impl Kind {
    pub(crate) fn site(self) -> Site {
        self.site_with(|builder| builder)
    }

    /// With at most one call at a time, unless `adjust` says otherwise.
    pub(crate) fn site_with(self, adjust: impl FnOnce(TokioBuilder) -> TokioBuilder) -> Site {
        let runtime = match self {
            Self::CurrentThread => Some(Driven::new(current_thread())),
            Self::MultiThread(threads) => Some(Driven::new(multi_thread(threads))),
            Self::Own(_) => None,
        };
        let builder = match (self, &runtime) {
            (Self::Own(threads), _) => TokioExecutor::builder().max_workers(threads),
            (_, Some(runtime)) => {
                let builder = TokioExecutor::builder().handle(runtime.handle.clone());
                builder.max_workers(1)
            }
            (_, None) => unreachable!("it has just been made"),
        };
        Site {
            executor: adjust(builder).build().unwrap(),
            runtime,
        }
    }
}

pub(crate) fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn multi_thread(threads: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    let builder = builder.worker_threads(threads).enable_all();
    builder.build().unwrap()
}

/// A runtime that a thread drives until this is dropped, which ends the runtime.
pub(crate) struct Driven {
    pub(crate) handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Driven {
    pub(crate) fn new(runtime: Runtime) -> Self {
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || drop(runtime.block_on(stopped)));
        Self {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(ended.is_some_and(|ended| ended.is_ok()) || thread::panicking());
    }
}

/// How many threads of this program have a name that begins like this; of names, 15 bytes are kept.
#[cfg(target_os = "linux")]
pub(crate) fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        // A thread may end while it is looked at.
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|comm| comm.starts_with(name))
        .count()
}

/// What another system cannot tell is not looked at there.
#[cfg(not(target_os = "linux"))]
pub(crate) fn threads_named(_: &str) -> usize {
    0
}
