//! Tasks that are futures, on tokio's own scheduler.
//!
//! An accepted job becomes a task of tokio's at once, and counts as under way from then on; so what bounds the
//! queue is the number of those. It is claimed when tokio polls it first: until then it can be cancelled.
//!
//! # Protocol
//!
//! Two counts that only grow say how many jobs are under way (accepted and not over): `taken`, of the places that
//! submissions have taken, which also says whether the executor is closed, and `over`, of those given back. They are apart since
//! different threads write them. A submission reads `taken`, then `over`, and takes a place by exchanging the `taken` that
//! it has read; `over` never shrinks, so there still is a place if that succeeds. Whoever only looks reads `over` first. Where the last `over` that a submission saw is
//! enough, it does not look at the real one. A closed executor whose counts are equal stays so.
//!
//! The job's own task gives the place back when it is
//! over, or dropped by a runtime that ends; then it tells those who wait: for room (threads on `changed`, wakers), or
//! for the end. They count themselves in `waiting` before they look at the counts, and whoever changes those looks
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

use crossbeam_utils::CachePadded;
use executor_core::{
    Admission, AsyncJob, Host, HostKind, HostedHome, Job, Outcome, Ran, Reason, Rejected, Stats,
};
use executor_pool::{Counts, OnFull};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::probe;

/// In `taken`: nothing is accepted any more.
const CLOSED: u64 = 1 << 63;

/// What the handles of an executor and its async jobs share.
#[derive(Debug)]
pub(crate) struct Tasks {
    home: HostedHome,
    handle: Handle,
    limit: u64,
    on_full: OnFull,
    /// What has not been started is to be cancelled.
    cancels: AtomicBool,
    /// How many threads and wakers wait.
    waiting: AtomicUsize,
    wakers: Mutex<Vec<Waker>>,
    changed: Condvar,
    submissions: CachePadded<Submissions>,
    ends: CachePadded<Ends>,
}

/// What submissions write.
#[derive(Debug, Default)]
struct Submissions {
    taken: AtomicU64,
    /// An earlier value of `over`.
    seen_over: AtomicU64,
}

/// What jobs write that are over, or go on.
#[derive(Debug, Default)]
struct Ends {
    over: AtomicU64,
    /// Jobs that have been polled and are not over.
    running: AtomicUsize,
    /// All but those that succeeded.
    counts: Counts,
    /// Jobs that somebody else has settled, who counts them.
    elsewhere: AtomicU64,
}

/// A job as tokio polls it, with its place. No larger than this, tokio's task has 128 bytes, and else 256.
struct UnderWay {
    /// `None` once it is over.
    job: Option<AsyncJob>,
    tasks: Arc<Tasks>,
}

impl Tasks {
    pub(crate) fn new(handle: Handle, limit: usize, on_full: OnFull) -> Arc<Self> {
        Arc::new_cyclic(|tasks: &Weak<Self>| Self {
            home: HostedHome::new(HostKind::Runtime, tasks.clone()),
            handle,
            limit: limit as u64,
            on_full,
            submissions: CachePadded::default(),
            ends: CachePadded::default(),
            cancels: AtomicBool::new(false),
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
            let full = Reason::Full {
                bound: usize::try_from(self.limit).unwrap_or(usize::MAX),
            };
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
        if let Err(reason) = self.take_place(true) {
            return Err((job, reason));
        }
        // The job's own task notices when a runtime that has ended drops it. It has no other handle.
        drop(self.handle.spawn(UnderWay {
            job: Some(job),
            tasks: Arc::clone(self),
        }));
        Ok(())
    }

    /// Takes a place. The reason why there is none; that there is no room is no reason where that `is_bounded`.
    fn take_place(&self, is_bounded: bool) -> Result<(), Option<Reason>> {
        let Submissions { taken, seen_over } = &*self.submissions;
        let mut seen = taken.load(Ordering::Relaxed);
        loop {
            if seen & CLOSED != 0 {
                return Err(Some(Reason::ShutDown));
            }
            if is_bounded && seen.saturating_sub(seen_over.load(Ordering::Relaxed)) >= self.limit {
                let over = self.ends.over.load(Ordering::SeqCst);
                if seen.saturating_sub(over) >= self.limit {
                    return Err(None);
                }
                seen_over.fetch_max(over.min(seen), Ordering::Relaxed);
            }
            match taken.compare_exchange_weak(seen, seen + 1, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Ok(()),
                Err(now) => seen = now,
            }
        }
    }

    /// Runs a job in the caller, which there is no room for.
    fn run_in_caller(self: &Arc<Self>, job: AsyncJob) -> Result<(), Rejected> {
        if self.take_place(false).is_err() {
            return Err(Rejected::new(job.into_job(), Reason::ShutDown));
        }
        self.ends.running.fetch_add(1, Ordering::SeqCst);
        // With the runtime's timers and sockets, which its own threads look after.
        let _entered = self.handle.enter();
        self.end(job.into_job().run(), true);
        Ok(())
    }

    /// Gives a place back, of a job that is settled; `was_running` says whether it counted as running.
    fn end(&self, ran: Ran, was_running: bool) {
        let Ends {
            over,
            running,
            counts,
            elsewhere,
        } = &*self.ends;
        if was_running {
            running.fetch_sub(1, Ordering::SeqCst);
        }
        match ran {
            Ran::Here(Outcome::Succeeded) => {}
            Ran::Elsewhere => {
                elsewhere.fetch_add(1, Ordering::SeqCst);
            }
            other => counts.count_shared(other),
        }
        over.fetch_add(1, Ordering::SeqCst);
        self.tell();
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
        self.submissions.taken.fetch_or(CLOSED, Ordering::SeqCst);
        self.tell();
    }

    /// Waits until nothing is under way, and, if `closed`, nothing can be any more. False if the deadline
    /// passed first.
    pub(crate) fn wait_idle(&self, deadline: Option<Instant>, closed: bool) -> bool {
        self.wait_until(deadline, |tasks| {
            let (under_way, is_closed) = tasks.look();
            under_way == 0 && (is_closed || !closed)
        })
    }

    /// Whether the runtime polls futures only while somebody drives it.
    pub(crate) fn may_stand_still(&self) -> bool {
        self.handle.runtime_flavor() == RuntimeFlavor::CurrentThread
    }

    /// How many jobs are accepted and not over.
    pub(crate) fn under_way(&self) -> usize {
        usize::try_from(self.look().0).unwrap_or(usize::MAX)
    }

    pub(crate) fn add_to(&self, stats: &mut Stats) {
        let Ends {
            over,
            running,
            counts,
            elsewhere,
        } = &*self.ends;
        let running = running.load(Ordering::SeqCst);
        let (failed, cancelled) = (stats.failed, stats.cancelled);
        // First what is taken from `over`: then the difference is not less than 0.
        counts.add_to(stats);
        let others = stats.failed - failed + stats.cancelled - cancelled;
        let others = others + elsewhere.load(Ordering::SeqCst);
        stats.succeeded += over.load(Ordering::SeqCst).saturating_sub(others);
        stats.running += running;
        stats.queued += self.under_way().saturating_sub(running);
    }

    /// How many jobs are under way, and whether the executor is closed.
    ///
    /// `over` first: if it equals what has been taken later, nothing was under way when it was read.
    fn look(&self) -> (u64, bool) {
        let over = self.ends.over.load(Ordering::SeqCst);
        let taken = self.submissions.taken.load(Ordering::SeqCst);
        ((taken & !CLOSED) - over, taken & CLOSED != 0)
    }

    fn has_room(&self) -> bool {
        let (under_way, is_closed) = self.look();
        is_closed || under_way < self.limit
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

    /// # Panics
    ///
    /// If it is polled after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { job: slot, tasks } = self.get_mut();
        let job = slot.as_mut().expect("tokio polls no task that is over");
        let was_running = job.is_started();
        if !was_running && tasks.cancels.load(Ordering::SeqCst) {
            job.cancel();
        }
        match Pin::new(&mut *job).poll(context) {
            Poll::Ready(ran) => {
                *slot = None;
                tasks.end(ran, was_running);
                Poll::Ready(())
            }
            Poll::Pending => {
                // What is over after its first poll, as most are, never counts as running.
                if !was_running && job.is_started() {
                    tasks.ends.running.fetch_add(1, Ordering::SeqCst);
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Some(job) = self.job.take() else { return };
        let was_running = job.is_started();
        // It settles, and then its place is given back.
        drop(job);
        // It is lost, unless it had been cancelled.
        self.tasks.end(Ran::Here(Outcome::Failed), was_running);
    }
}
