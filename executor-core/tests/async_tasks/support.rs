//! What the tests poll with, and what they wait on.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Instant,
};

use executor_core::{
    Admission, AsyncJob, Capabilities, Executor, Job, JobKind, JoinError, LocalExecutor, Ran,
    Reason, Rejected, Shutdown, Stats, Unsupported, set_callback_panic_hook,
};

/// Keeps jobs until the test comes for them.
#[derive(Debug, Clone)]
pub(crate) struct Shelf(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bound: usize,
    room: Room,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: Vec<Job>,
    is_shut_down: bool,
    refusals: usize,
    waiting: Vec<Waker>,
}

/// How a shelf answers `when_room`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Tells,
    CannotTell,
    /// One job goes while the question is asked.
    ComesMeanwhile,
    /// It keeps wakers for those who submit futures, and for nobody else.
    TellsFutures,
}

impl Shelf {
    pub(crate) fn new() -> Self {
        Self::bounded(usize::MAX, Room::Tells)
    }

    pub(crate) fn bounded(bound: usize, room: Room) -> Self {
        Self(Arc::new(Inner {
            bound,
            room,
            queue: Mutex::default(),
        }))
    }

    /// The oldest job, as it came.
    pub(crate) fn take_job(&self) -> Job {
        let (job, waiting) = {
            let mut queue = lock(&self.0.queue);
            assert!(!queue.jobs.is_empty(), "nothing was submitted");
            (queue.jobs.remove(0), std::mem::take(&mut queue.waiting))
        };
        waiting.into_iter().for_each(Waker::wake);
        job
    }

    /// The oldest job, to be polled.
    pub(crate) fn take(&self) -> Polled {
        let job = self.take_job();
        assert_eq!(job.kind(), JobKind::Future);
        Polled::new(job.into_async().expect("its task is a future"))
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.0.queue).jobs.len()
    }

    /// How many jobs were given back since the last call.
    pub(crate) fn refusals(&self) -> usize {
        std::mem::take(&mut lock(&self.0.queue).refusals)
    }

    /// How many wakers are kept.
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.0.queue).waiting.len()
    }
}

impl Executor for Shelf {
    fn capabilities(&self) -> Capabilities {
        Capabilities::local(1)
    }

    fn execute(&self, job: Job, _admission: Admission) -> Result<(), Rejected> {
        let mut queue = lock(&self.0.queue);
        let bound = self.0.bound;
        let reason = if queue.is_shut_down {
            Reason::ShutDown
        } else if queue.jobs.len() >= bound {
            Reason::Full { bound }
        } else {
            queue.jobs.push(job);
            return Ok(());
        };
        queue.refusals += 1;
        Err(Rejected::new(job, reason))
    }

    fn shutdown(&self, _mode: Shutdown) -> Result<(), Unsupported> {
        lock(&self.0.queue).is_shut_down = true;
        Ok(())
    }

    fn join(&self, _deadline: Option<Instant>) -> Result<(), JoinError> {
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }

    fn when_room(&self, kind: JobKind, waker: &Waker) -> bool {
        match self.0.room {
            Room::CannotTell => false,
            Room::ComesMeanwhile => {
                drop(self.take_job());
                false
            }
            Room::TellsFutures if kind == JobKind::Call => false,
            Room::Tells | Room::TellsFutures => {
                let mut queue = lock(&self.0.queue);
                if queue.is_shut_down || queue.jobs.len() < self.0.bound {
                    return false;
                }
                queue.waiting.push(waker.clone());
                true
            }
        }
    }
}

impl LocalExecutor for Shelf {
    fn wants_work(&self) -> bool {
        false
    }
}

/// An async job with the one who polls it.
pub(crate) struct Polled {
    pub(crate) job: AsyncJob,
    waker: TestWaker,
}

impl Polled {
    fn new(job: AsyncJob) -> Self {
        Self {
            job,
            waker: TestWaker::new(),
        }
    }

    pub(crate) fn poll(&mut self) -> Poll<Ran> {
        self.waker.poll(&mut self.job)
    }

    /// How often it was woken since the last call.
    pub(crate) fn woken(&self) -> usize {
        self.waker.woken()
    }
}

/// A waker that counts.
#[derive(Clone)]
pub(crate) struct TestWaker {
    count: Arc<Count>,
    waker: Waker,
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl TestWaker {
    pub(crate) fn new() -> Self {
        let count = Arc::new(Count::default());
        Self {
            waker: Waker::from(Arc::clone(&count)),
            count,
        }
    }

    pub(crate) fn poll<F: Future + Unpin>(&self, future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(&self.waker))
    }

    /// How often it was woken since the last call.
    pub(crate) fn woken(&self) -> usize {
        self.count.0.swap(0, Ordering::Relaxed)
    }
}

/// Opens once; futures and threads wait for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<Door>, Condvar)>);

#[derive(Debug, Default)]
struct Door {
    is_open: bool,
    polls: usize,
    waker: Option<Waker>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn open(&self) {
        let waker = {
            let mut door = lock(&self.0.0);
            door.is_open = true;
            door.waker.take()
        };
        self.0.1.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Sleeps at an `.await` until the gate is open.
    pub(crate) async fn pass(&self) {
        poll_fn(|context| {
            let mut door = lock(&self.0.0);
            door.polls += 1;
            if door.is_open {
                return Poll::Ready(());
            }
            door.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Blocks the thread until the gate is open.
    pub(crate) fn wait(&self) {
        let mut door = lock(&self.0.0);
        while !door.is_open {
            door = self.0.1.wait(door).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// How often a future that passes has been polled.
    pub(crate) fn polls(&self) -> usize {
        lock(&self.0.0).polls
    }
}

/// Counts how often its tokens are dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drops(Arc<AtomicUsize>);

impl Drops {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn token(&self) -> Token {
        Token(self.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a task has in it; `Send`, and no `Clone`.
#[derive(Debug)]
pub(crate) struct Token(Drops);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Panics when it is dropped.
#[derive(Debug)]
pub(crate) struct Bomb(pub(crate) &'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

/// How many panics with this message the callback hook was told of. Called once before.
pub(crate) fn reported(message: &str) -> usize {
    static ONCE: Once = Once::new();
    static MESSAGES: Mutex<Vec<String>> = Mutex::new(Vec::new());
    ONCE.call_once(|| {
        set_callback_panic_hook(|panic| {
            lock(&MESSAGES).push(panic.report().message().to_owned());
        });
    });
    let messages = lock(&MESSAGES);
    messages.iter().filter(|other| *other == message).count()
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
