//! A small pool of threads, and the ways in which it can be wrong.

use std::{
    collections::VecDeque,
    fmt,
    future::Future as _,
    pin::Pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    thread::{self, JoinHandle},
    time::Instant,
};

use executor_core::{
    Admission, Capabilities, Executor, Home, Job, JobKind, JoinError, LocalExecutor, Outcome, Ran,
    Reason, Rejected, Shutdown, StartedJob, Stats, Unsupported,
    context::{self, Worker},
};

/// What is wrong with a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// Nothing.
    None,
    /// Jobs are accepted and dropped.
    LosesJobs,
    /// Async tasks are accepted and dropped.
    LosesAsync,
    /// Async tasks are polled once, and given up when they are not ready then.
    PollsOnce,
    /// Jobs are accepted and kept.
    NeverRuns,
    /// The newest job is started first.
    WrongOrder,
    /// Jobs are claimed when they are accepted, and so are running while they are queued.
    ClaimsEarly,
    /// Jobs have no home, so that a worker cannot run what it waits for.
    ForgetsHome,
    /// The drop of the last handle cancels what is queued.
    DropCancels,
    /// Jobs are accepted after the shutdown.
    AcceptsLate,
    /// A shutdown that cannot be done is done as another.
    PretendsToKill,
    /// Nothing counts what runs.
    NoStats,
    /// A join from a worker waits for itself.
    JoinsItself,
    /// A worker that is told to cancel what is pending forgets it.
    ForgetsToCancel,
    /// Who waits for room is told so, and never woken.
    NeverWakes,
}

/// A pool of threads: a handle, whose clones share the workers.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    defect: Defect,
    workers: usize,
    /// How many jobs may be queued. More are refused, whatever the policy is.
    bound: Option<usize>,
    home: Home,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Queued>,
    shutdown: Option<Shutdown>,
    stats: Stats,
}

enum Queued {
    Job(Job),
    Started(StartedJob),
}

impl Pool {
    pub(crate) fn new(workers: usize, bound: Option<usize>, defect: Defect) -> Self {
        let shared = Arc::new(Shared {
            defect,
            workers,
            bound,
            home: Home::new(),
            queue: Mutex::default(),
            changed: Condvar::new(),
        });
        shared.lock().stats.workers = workers;
        let start = |index| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.work(index))
        };
        let threads = Mutex::new((0..workers).map(start).collect());
        Self(Arc::new(Handle { shared, threads }))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let cancels = self.shared.defect == Defect::DropCancels;
        let mode = if cancels {
            Shutdown::CancelPending
        } else {
            Shutdown::Drain
        };
        self.shared.shut_down(mode);
        if context::is_worker_of(self.shared.home) {
            return;
        }
        let threads = self
            .threads
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            thread.join().expect("a worker does not panic");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, index: usize) {
        let _worker = Worker::new(self.home, format!("worker-{index}"), index).enter();
        let mut queue = self.lock();
        loop {
            let next = match self.defect {
                Defect::WrongOrder => queue.jobs.pop_back(),
                _ => queue.jobs.pop_front(),
            };
            if let Some(job) = next {
                queue.stats.running += 1;
                drop(queue);
                let ran = match job {
                    Queued::Job(job) if self.defect == Defect::PollsOnce => poll_once(job),
                    Queued::Job(job) => job.run(),
                    Queued::Started(job) => Ran::Here(job.run()),
                };
                queue = self.lock();
                queue.stats.running -= 1;
                queue.stats.count(ran);
                self.changed.notify_all();
            } else if queue.shutdown.is_some() {
                queue.stats.workers -= 1;
                self.changed.notify_all();
                return;
            } else {
                queue = self
                    .changed
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn shut_down(&self, mode: Shutdown) {
        let cancelled = {
            let mut queue = self.lock();
            queue.shutdown = queue.shutdown.max(Some(mode));
            self.changed.notify_all();
            if mode == Shutdown::Drain || self.defect == Defect::ForgetsToCancel {
                VecDeque::new()
            } else {
                std::mem::take(&mut queue.jobs)
            }
        };
        for job in cancelled {
            if let Queued::Job(job) = job
                && job.cancel()
            {
                self.lock().stats.cancelled += 1;
            }
        }
    }
}

/// Runs a job, and gives it up if it is a future that is not ready at once.
fn poll_once(job: Job) -> Ran {
    let mut job = match job.into_async() {
        Ok(job) => job,
        Err(job) => return job.run(),
    };
    let mut context = Context::from_waker(Waker::noop());
    match Pin::new(&mut job).poll(&mut context) {
        Poll::Ready(ran) => ran,
        Poll::Pending => Ran::Here(Outcome::Failed),
    }
}

trait Count {
    fn count(&mut self, ran: Ran);
}

impl Count for Stats {
    fn count(&mut self, ran: Ran) {
        match ran {
            Ran::Here(Outcome::Failed) => self.failed += 1,
            Ran::Cancelled | Ran::Here(Outcome::Cancelled) => self.cancelled += 1,
            Ran::Here(Outcome::Succeeded) | Ran::Elsewhere => self.succeeded += 1,
        }
    }
}

impl Executor for Pool {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::local(self.0.shared.workers);
        capabilities.queue_bound = self.0.shared.bound;
        capabilities
    }

    fn execute(&self, job: Job, _: Admission) -> Result<(), Rejected> {
        let shared = &self.0.shared;
        let job = self.capabilities().admit(job)?;
        let mut queue = shared.lock();
        if queue.shutdown.is_some() {
            if shared.defect == Defect::AcceptsLate {
                return Ok(());
            }
            return Err(Rejected::new(job, Reason::ShutDown));
        }
        if let Some(bound) = shared.bound
            && queue.jobs.len() >= bound
        {
            return Err(Rejected::new(job, Reason::Full { bound }));
        }
        if shared.defect != Defect::ForgetsHome {
            job.bind(shared.home);
        }
        match shared.defect {
            Defect::LosesAsync if job.kind() == JobKind::Call => {
                queue.jobs.push_back(Queued::Job(job));
            }
            Defect::LosesJobs | Defect::LosesAsync => {
                drop(queue);
                drop(job);
            }
            Defect::NeverRuns => std::mem::forget(job),
            Defect::ClaimsEarly => {
                if let Ok(started) = job.claim() {
                    queue.jobs.push_back(Queued::Started(started));
                }
            }
            _ => queue.jobs.push_back(Queued::Job(job)),
        }
        shared.changed.notify_all();
        Ok(())
    }

    fn shutdown(&self, mode: Shutdown) -> Result<(), Unsupported> {
        if self.0.shared.defect != Defect::PretendsToKill {
            self.capabilities().check_shutdown(mode)?;
        }
        self.0.shared.shut_down(mode);
        Ok(())
    }

    fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        let shared = &self.0.shared;
        if context::is_worker_of(shared.home) && shared.defect != Defect::JoinsItself {
            return Err(JoinError::would_deadlock());
        }
        let mut queue = shared.lock();
        while queue.stats.workers > 0 {
            let Some(deadline) = deadline else {
                queue = shared
                    .changed
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(JoinError::still_running(queue.stats.workers));
            }
            let waited = shared.changed.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    fn stats(&self) -> Stats {
        let queue = self.0.shared.lock();
        match self.0.shared.defect {
            Defect::NoStats => Stats::default(),
            _ => {
                let mut stats = queue.stats;
                stats.queued = queue.jobs.len();
                stats
            }
        }
    }

    fn when_room(&self, _: JobKind, _: &Waker) -> bool {
        self.0.shared.defect == Defect::NeverWakes
    }
}

impl LocalExecutor for Pool {
    fn wants_work(&self) -> bool {
        let queue = self.0.shared.lock();
        queue.jobs.is_empty() && queue.stats.running < queue.stats.workers
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("defect", &self.0.shared.defect)
            .finish_non_exhaustive()
    }
}
