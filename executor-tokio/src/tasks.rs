//! Tasks that are futures, on tokio's own scheduler.
//!
//! An accepted job becomes a task of tokio's at once, and counts as under way from then on; so what bounds the
//! queue is the number of those. It is claimed when tokio polls it first: until then it can be cancelled.
//!
//! # Protocol
//!
//! `under_way` counts the jobs that are accepted and not over. A submission goes through the gate, takes a place
//! in the count if there is one, and spawns. The job's own task gives the place back when it is over, or dropped
//! by a runtime that ends; then it tells those who wait: for room (threads on `changed`, wakers), or for the end.
//! They count themselves in `waiting` before they look at the count, and whoever gives a place back looks at
//! `waiting` afterwards, all sequentially consistent: so that nobody is told nothing, and nothing is locked
//! where nobody waits.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Instant,
};

use executor_core::{
    Admission, AsyncJob, Host, HostKind, HostedHome, Job, Outcome, Ran, Reason, Rejected, Stats,
};
use executor_pool::{Counts, Gate, OnFull};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::probe;

/// What the handles of an executor and its async jobs share.
#[derive(Debug)]
pub(crate) struct Tasks {
    home: HostedHome,
    handle: Handle,
    limit: usize,
    on_full: OnFull,
    gate: Gate,
    /// What has not been started is to be cancelled.
    cancels: AtomicBool,
    under_way: AtomicUsize,
    running: AtomicUsize,
    counts: Counts,
    /// How many threads and wakers wait.
    waiting: AtomicUsize,
    wakers: Mutex<Vec<Waker>>,
    changed: Condvar,
}

/// A job as tokio polls it.
struct UnderWay {
    job: AsyncJob,
    is_started: bool,
    place: Place,
}

/// A job's place in the count of those under way.
struct Place {
    tasks: Arc<Tasks>,
    /// What became of the job; else it is lost.
    ran: Option<Ran>,
}

impl Tasks {
    pub(crate) fn new(handle: Handle, limit: usize, on_full: OnFull) -> Arc<Self> {
        Arc::new_cyclic(|tasks: &Weak<Self>| Self {
            home: HostedHome::new(HostKind::Runtime, tasks.clone()),
            handle,
            limit,
            on_full,
            gate: Gate::new(),
            cancels: AtomicBool::new(false),
            under_way: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
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
            let refusal = if waits && probe::is_async() {
                Some(Reason::BlockingInAsync)
            } else if waits && admission == Admission::Policy && is_worker() {
                Some(Reason::WouldDeadlock)
            } else if !waits && self.on_full == OnFull::Reject {
                Some(full)
            } else {
                None
            };
            if let Some(reason) = refusal {
                return Err(Rejected::new(job.into_job(), reason));
            }
            if !waits {
                self.counts.count_shared(job.into_job().run());
                return Ok(());
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
        let Some(_inside) = self.gate.enter() else {
            return Err((job, Some(Reason::ShutDown)));
        };
        let one_more = |count| (count < self.limit).then_some(count + 1);
        if self
            .under_way
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more)
            .is_err()
        {
            return Err((job, None));
        }
        // The job's own task notices when a runtime that has ended drops it. It has no other handle.
        drop(self.handle.spawn(UnderWay {
            job,
            is_started: false,
            place: Place {
                tasks: Arc::clone(self),
                ran: None,
            },
        }));
        Ok(())
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
        self.gate.close();
        self.tell();
    }

    /// Waits until nothing is under way, and, if `closed`, nothing can be any more. False if the deadline
    /// passed first.
    pub(crate) fn wait_idle(&self, deadline: Option<Instant>, closed: bool) -> bool {
        self.wait_until(deadline, |tasks| {
            (!closed || tasks.gate.is_shut()) && tasks.under_way() == 0
        })
    }

    /// Whether the runtime polls futures only while somebody drives it.
    pub(crate) fn may_stand_still(&self) -> bool {
        self.handle.runtime_flavor() == RuntimeFlavor::CurrentThread
    }

    /// How many jobs are accepted and not over.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::SeqCst)
    }

    pub(crate) fn add_to(&self, stats: &mut Stats) {
        let running = self.running.load(Ordering::SeqCst);
        stats.running += running;
        stats.queued += self.under_way().saturating_sub(running);
        self.counts.add_to(stats);
    }

    fn has_room(&self) -> bool {
        self.gate.is_closed() || self.under_way() < self.limit
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
        let this = self.get_mut();
        let tasks = &this.place.tasks;
        if !this.is_started {
            if tasks.cancels.load(Ordering::SeqCst) {
                this.job.cancel();
            }
            // Before the task runs, which may look.
            tasks.running.fetch_add(1, Ordering::SeqCst);
            this.is_started = true;
        }
        let polled = Pin::new(&mut this.job).poll(context);
        if let Poll::Ready(ran) = polled {
            this.place.ran = Some(ran);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

// In the order of its fields: the job settles, if it has not, and then its place is given back.
impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.is_started {
            self.place.tasks.running.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let ran = self.ran.unwrap_or(Ran::Here(Outcome::Failed));
        self.tasks.counts.count_shared(ran);
        self.tasks.under_way.fetch_sub(1, Ordering::SeqCst);
        self.tasks.tell();
    }
}
