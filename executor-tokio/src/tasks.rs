//! Tasks that are futures, on tokio's own scheduler.
//!
//! An accepted job becomes a task of tokio's at once, and counts as under way from then on; so what bounds the
//! queue is the number of those. It is claimed when tokio polls it first: until then it can be cancelled.
//!
//! # Protocol
//!
//! One word holds how many jobs are under way (accepted and not over), how many of them have been polled and are
//! not over, and whether the executor is closed. A submission takes a place in it, if it is open and there is one, and
//! then spawns; so a closed executor whose count is 0 stays so. The job's own task gives the place back when it is
//! over, or dropped by a runtime that ends; then it tells those who wait: for room (threads on `changed`, wakers), or
//! for the end. They count themselves in `waiting` before they look at the word, and whoever changes the word looks
//! at `waiting` afterwards, all sequentially consistent: so nobody waits for what has happened, and nothing is locked
//! where nobody waits.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Instant,
};

use executor_core::{
    Admission, AsyncJob, Host, HostKind, HostedHome, Job, Outcome, Ran, Reason, Rejected, Stats,
};
use executor_pool::{Counts, OnFull};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::probe;

/// One job under way, in the word.
const UNDER_WAY: u64 = 1;
/// One job that has been polled and is not over, in the word.
const RUNNING: u64 = 1 << 31;
/// Nothing is accepted any more.
const CLOSED: u64 = 1 << 63;

/// What the handles of an executor and its async jobs share.
#[derive(Debug)]
pub(crate) struct Tasks {
    home: HostedHome,
    handle: Handle,
    limit: usize,
    on_full: OnFull,
    word: AtomicU64,
    /// What has not been started is to be cancelled.
    cancels: AtomicBool,
    counts: Counts,
    /// How many threads and wakers wait.
    waiting: AtomicUsize,
    wakers: Mutex<Vec<Waker>>,
    changed: Condvar,
}

/// A job as tokio polls it. In this order: a job that is dropped settles, and then its place is given back.
struct UnderWay {
    job: AsyncJob,
    place: Place,
}

/// A job's place in the count of those under way.
struct Place {
    tasks: Arc<Tasks>,
    stage: Stage,
}

/// How far a job is.
enum Stage {
    New,
    /// It was polled, and counts as running.
    Polled,
    Over,
}

impl Tasks {
    pub(crate) fn new(handle: Handle, limit: usize, on_full: OnFull) -> Arc<Self> {
        Arc::new_cyclic(|tasks: &Weak<Self>| Self {
            home: HostedHome::new(HostKind::Runtime, tasks.clone()),
            handle,
            // What the word has room for is more than any memory has.
            limit: limit.min(i32::MAX as usize),
            on_full,
            word: AtomicU64::new(0),
            cancels: AtomicBool::new(false),
            counts: Counts::default(),
            waiting: AtomicUsize::new(0),
            wakers: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Accepts a job, or gives it back. `is_worker` says whether the caller is a worker of the executor.
    pub(crate) fn execute(
        self: &Arc<Self>,
        job: Job,
        admission: Admission,
        is_worker: impl Fn() -> bool,
    ) -> Result<(), Rejected> {
        job.bind(self.home.home());
        let mut job = match job.into_async() {
            Ok(job) => job,
            Err(call) => unreachable!("only futures come here: {call:?}"),
        };
        let mut deadline = None;
        loop {
            job = match self.spawn(job) {
                Ok(()) => return Ok(()),
                Err((job, Some(reason))) => return Err(Rejected::new(job.into_job(), reason)),
                Err((job, None)) => job,
            };
            let full = Reason::Full { bound: self.limit };
            let waits = match admission {
                Admission::Now => return Err(Rejected::new(job.into_job(), full)),
                Admission::Within(_) => true,
                _ => self.on_full == OnFull::Block,
            };
            let refusal = if !waits && self.on_full == OnFull::Reject {
                Some(full)
            } else if probe::is_async() {
                // To run it here takes the thread, too.
                Some(Reason::BlockingInAsync)
            } else if waits && admission == Admission::Policy && is_worker() {
                Some(Reason::WouldDeadlock)
            } else {
                None
            };
            if let Some(reason) = refusal {
                return Err(Rejected::new(job.into_job(), reason));
            }
            if !waits {
                return self.run_in_caller(job);
            }
            if let Admission::Within(timeout) = admission {
                let deadline = *deadline.get_or_insert_with(|| Instant::now().checked_add(timeout));
                if !self.wait_until(deadline, |tasks| tasks.has_room()) {
                    return Err(Rejected::new(
                        job.into_job(),
                        Reason::TimedOut { waited: timeout },
                    ));
                }
            } else {
                self.wait_until(None, |tasks| tasks.has_room());
            }
        }
    }

    /// Hands a job to tokio, if there is room, and gives it back else: with the reason, if it is another one.
    fn spawn(self: &Arc<Self>, job: AsyncJob) -> Result<(), (AsyncJob, Option<Reason>)> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & CLOSED != 0 {
                return Err((job, Some(Reason::ShutDown)));
            }
            if under_way(word) >= self.limit {
                return Err((job, None));
            }
            let next = word + UNDER_WAY;
            match self
                .word
                .compare_exchange_weak(word, next, Ordering::SeqCst, Ordering::SeqCst)
            {
                Ok(_) => break,
                Err(seen) => word = seen,
            }
        }
        // The job's own task notices when a runtime that has ended drops it. It has no other handle.
        drop(self.handle.spawn(UnderWay {
            job,
            place: Place {
                tasks: Arc::clone(self),
                stage: Stage::New,
            },
        }));
        Ok(())
    }

    /// Runs a job in the caller, which there is no room for.
    fn run_in_caller(self: &Arc<Self>, job: AsyncJob) -> Result<(), Rejected> {
        let one_more = |word| (word & CLOSED == 0).then_some(word + UNDER_WAY + RUNNING);
        let counted = self
            .word
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more);
        if counted.is_err() {
            return Err(Rejected::new(job.into_job(), Reason::ShutDown));
        }
        let mut place = Place {
            tasks: Arc::clone(self),
            stage: Stage::Polled,
        };
        // With the runtime's timers and sockets, which its own threads look after.
        let _entered = self.handle.enter();
        place.end(job.into_job().run());
        Ok(())
    }

    /// Whether the runtime may be ending on this thread: then it drops its tasks one after the other, and this may be
    /// called by the destructor of one of them.
    pub(crate) fn may_end_here(&self) -> bool {
        Handle::try_current().is_ok() && probe::is_ending(&self.handle)
    }

    /// Has a waker woken when there may be room; false if there is some now.
    pub(crate) fn when_room(&self, waker: &Waker) -> bool {
        let mut wakers = self.wakers();
        if !wakers.iter().any(|old| old.will_wake(waker)) {
            wakers.push(waker.clone());
            self.waiting.fetch_add(1, Ordering::SeqCst);
        }
        if !self.has_room() {
            return true;
        }
        let before = wakers.len();
        wakers.retain(|old| !old.will_wake(waker));
        self.waiting
            .fetch_sub(before - wakers.len(), Ordering::SeqCst);
        false
    }

    /// Accepts nothing from now on; with `cancels`, what has not been started is cancelled.
    pub(crate) fn close(&self, cancels: bool) {
        if cancels {
            self.cancels.store(true, Ordering::SeqCst);
        }
        self.word.fetch_or(CLOSED, Ordering::SeqCst);
        self.tell();
    }

    /// Waits until nothing is under way, and, if `closed`, nothing can be any more. False if the deadline
    /// passed first.
    pub(crate) fn wait_idle(&self, deadline: Option<Instant>, closed: bool) -> bool {
        self.wait_until(deadline, |tasks| {
            let word = tasks.word();
            under_way(word) == 0 && (!closed || word & CLOSED != 0)
        })
    }

    /// Whether the runtime polls futures only while somebody drives it.
    pub(crate) fn may_stand_still(&self) -> bool {
        self.handle.runtime_flavor() == RuntimeFlavor::CurrentThread
    }

    /// How many jobs are accepted and not over.
    pub(crate) fn under_way(&self) -> usize {
        under_way(self.word())
    }

    pub(crate) fn add_to(&self, stats: &mut Stats) {
        let word = self.word();
        stats.running += running(word);
        stats.queued += under_way(word) - running(word);
        self.counts.add_to(stats);
    }

    fn word(&self) -> u64 {
        self.word.load(Ordering::SeqCst)
    }

    fn has_room(&self) -> bool {
        let word = self.word();
        word & CLOSED != 0 || under_way(word) < self.limit
    }

    fn wait_until(&self, deadline: Option<Instant>, reached: impl Fn(&Self) -> bool) -> bool {
        let mut wakers = self.wakers();
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let is_reached = loop {
            if reached(self) {
                break true;
            }
            wakers = match deadline {
                None => self
                    .changed
                    .wait(wakers)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break false;
                    }
                    let waited = self.changed.wait_timeout(wakers, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        };
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        drop(wakers);
        is_reached
    }

    /// Tells all who wait that something has changed.
    fn tell(&self) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        let wakers = {
            let mut wakers = self.wakers();
            self.waiting.fetch_sub(wakers.len(), Ordering::SeqCst);
            std::mem::take(&mut *wakers)
        };
        self.changed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn wakers(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host for Tasks {
    fn must_not_block(&self) -> bool {
        probe::is_async()
    }
}

impl Future for UnderWay {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { job, place } = self.get_mut();
        let is_new = matches!(place.stage, Stage::New);
        if is_new && place.tasks.cancels.load(Ordering::SeqCst) {
            job.cancel();
        }
        match Pin::new(job).poll(context) {
            Poll::Ready(ran) => {
                place.end(ran);
                Poll::Ready(())
            }
            Poll::Pending => {
                // What is over after its first poll, as most are, never counts as running.
                if is_new {
                    place.tasks.word.fetch_add(RUNNING, Ordering::SeqCst);
                    place.stage = Stage::Polled;
                }
                Poll::Pending
            }
        }
    }
}

impl Place {
    /// Gives the place back; the job is settled.
    fn end(&mut self, ran: Ran) {
        let place = match self.stage {
            Stage::New => UNDER_WAY,
            Stage::Polled => UNDER_WAY + RUNNING,
            Stage::Over => return,
        };
        self.stage = Stage::Over;
        self.tasks.counts.count_shared(ran);
        self.tasks.word.fetch_sub(place, Ordering::SeqCst);
        self.tasks.tell();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A job that was dropped is lost, unless it had been cancelled.
        self.end(Ran::Here(Outcome::Failed));
    }
}

fn under_way(word: u64) -> usize {
    usize::try_from(word % RUNNING).unwrap_or(usize::MAX)
}

fn running(word: u64) -> usize {
    usize::try_from((word & !CLOSED) / RUNNING).unwrap_or(usize::MAX)
}
