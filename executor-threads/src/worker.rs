//! What a worker thread does.

use std::{
    any::Any,
    cell::OnceCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use executor_core::{Job, JobKey, Outcome, Ran, Rejected, context, spin};
use executor_pool::{Counts, Own, Queue, contain};

use crate::{
    idle::Slept,
    shared::{Phase, Shared},
    sync::Parker,
};

thread_local! {
    /// The worker that this thread is.
    static WORKER: OnceCell<Worker> = const { OnceCell::new() };
}

/// One worker thread.
struct Worker {
    shared: Arc<Shared>,
    index: usize,
    counts: Arc<Counts>,
    /// Its own deques, where the queue has such.
    own: Option<Own>,
    parker: Parker,
}

/// The life of a worker thread. It has been counted as live and searching.
pub(crate) fn main(shared: &Arc<Shared>, index: usize, counts: &Arc<Counts>) {
    let _awake = spin::AwakeWorker::new();
    let own = match &shared.queue {
        Queue::Stealing(queue) => Some(queue.register()),
        Queue::Locked(_) => None,
    };
    WORKER.with(|cell| {
        let worker = cell.get_or_init(|| Worker {
            shared: Arc::clone(shared),
            index,
            counts: Arc::clone(counts),
            own,
            parker: Parker::default(),
        });
        worker.live();
    });
}

/// Puts a job on this thread's own deque. The thread is a worker of this pool: it needs no gate, since
/// it does not leave before its deque is empty.
#[inline]
pub(crate) fn push_own(shared: &Arc<Shared>, job: Job) -> Result<(), Rejected> {
    if shared.gate.is_closed() {
        return Err(Rejected::new(job, shared.refusal()));
    }
    WORKER.with(|cell| {
        let own = cell.get().and_then(|worker| worker.own.as_ref());
        own.expect("a worker of a pool that steals has deques")
            .push(job);
    });
    // If no worker can be started, then this one will run it.
    let _failed_to_start = shared.notify();
    Ok(())
}

/// Whether this thread has children on its own deque that nobody has taken.
pub(crate) fn has_own_children() -> bool {
    WORKER.with(|cell| {
        let own = cell.get().and_then(|worker| worker.own.as_ref());
        own.is_some_and(|own| !own.has_no_children())
    })
}

fn reclaim(key: JobKey) -> Option<Job> {
    WORKER.with(|cell| {
        let Worker { own, counts, .. } = cell.get()?;
        own.as_ref()?.reclaim_with(key, |outcome| {
            // What a waiter has run, that waiter has counted.
            if outcome == Outcome::Cancelled {
                counts.count(Ran::Cancelled);
            }
        })
    })
}

fn helped(ran: Ran) {
    WORKER.with(|cell| {
        if let Some(worker) = cell.get() {
            worker.counts.count(ran);
        }
    });
}

impl Worker {
    fn live(&self) {
        let Shared { settings, idle, .. } = &*self.shared;
        // Hooks run as the worker too: one that waits for the pool must not wait for itself.
        let beginning = self.context().enter();
        let begun = self.begin();
        drop(beginning);
        let context = match begun {
            Ok(None) => self.context(),
            Ok(Some(state)) => self.context().state(state),
            Err(cause) => {
                self.shared.break_down(cause);
                let left = idle.leave(0);
                debug_assert!(left, "a live worker is counted");
                return self.end();
            }
        };
        let guard = context.enter();
        self.work();
        if let Some(hook) = &settings.on_stop {
            contain(|| hook(self.index));
        }
        // The state, which may have a destructor, goes with it.
        contain(|| drop(guard));
        self.end();
    }

    fn context(&self) -> context::Worker {
        let name = thread::current().name().unwrap_or("executor").to_owned();
        context::Worker::new(self.shared.home, name, self.index)
            .reclaim(reclaim, helped)
            .helped(helped)
    }

    /// Calls the initializer and the start hook.
    fn begin(&self) -> Result<Option<Box<dyn Any>>, String> {
        let settings = &self.shared.settings;
        let begun = catch_unwind(AssertUnwindSafe(|| {
            let state = settings
                .initializer
                .as_ref()
                .map(|initializer| initializer());
            if let Some(hook) = &settings.on_start
                && !matches!(state, Some(Err(_)))
            {
                hook(self.index);
            }
            state.transpose()
        }));
        match begun {
            Ok(Ok(state)) => Ok(state),
            Ok(Err(error)) => Err(format!("the initializer of a worker failed: {error}")),
            Err(payload) => {
                let text = payload.downcast_ref::<&str>().copied();
                let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
                let text = text.unwrap_or("the panic's payload is not text");
                Err(format!("the initializer of a worker panicked: {text}"))
            }
        }
    }

    /// Runs jobs until it is time to go.
    fn work(&self) {
        let Shared {
            settings,
            queue,
            idle,
            min_workers,
            ..
        } = &*self.shared;
        loop {
            if let Some(job) = self.find() {
                if idle.stop_search() && !queue.is_empty() {
                    self.notify();
                }
                self.run(job);
                while let Some(job) = self.next() {
                    if self.own.as_ref().is_some_and(Own::takes_batch) {
                        self.notify();
                    }
                    self.run(job);
                }
                idle.start_search();
                continue;
            }
            if self.shared.phase() != Phase::Open {
                if self.shared.is_drained() {
                    let left = idle.leave(0);
                    debug_assert!(left, "a live worker is counted");
                    return;
                }
                // Somebody is inside the gate still.
                thread::yield_now();
                continue;
            }
            if self.leaves_above(self.shared.max_workers()) {
                return;
            }
            if spin::until(|| self.has_reason_to_look()) {
                continue;
            }
            let slept = idle.sleep(self.index, &self.parker, settings.keep_alive, || {
                self.shared.became_quiet();
                !self.has_reason_to_look()
            });
            if slept == Slept::TimedOut && self.leaves_above(*min_workers) {
                return;
            }
        }
    }

    /// Leaves if more than `keep` workers are live.
    fn leaves_above(&self, keep: usize) -> bool {
        let leaves = self.shared.idle.leave(keep);
        // Whoever added a job may have counted on this worker.
        if leaves && !self.shared.queue.is_empty() {
            self.notify();
        }
        leaves
    }

    fn has_reason_to_look(&self) -> bool {
        !self.shared.queue.is_empty()
            || self.shared.phase() != Phase::Open
            || self.shared.idle.live() > self.shared.max_workers()
    }

    fn notify(&self) {
        // If no worker can be started then this one does the work: it is live.
        let _failed_to_start = self.shared.notify();
    }

    #[inline]
    fn next(&self) -> Option<Job> {
        match (&self.shared.queue, &self.own) {
            (Queue::Stealing(queue), Some(own)) => queue.next(own),
            (Queue::Locked(queue), _) => queue.pop(),
            (Queue::Stealing(_), None) => None,
        }
    }

    fn find(&self) -> Option<Job> {
        self.next()
            .or_else(|| match (&self.shared.queue, &self.own) {
                (Queue::Stealing(queue), Some(own)) => queue.steal(own),
                _ => None,
            })
    }

    #[inline]
    fn run(&self, job: Job) {
        if self.shared.phase() >= Phase::Cancel {
            return self.shared.settle_unrun(job, |ran| self.counts.count(ran));
        }
        self.counts.set_busy(true);
        let ran = job.run();
        self.counts.set_busy(false);
        self.counts.count(ran);
    }

    fn end(&self) {
        if let (Queue::Stealing(queue), Some(own)) = (&self.shared.queue, &self.own) {
            queue.unregister(own);
        }
        // What the stop hook submitted has lost its worker.
        if !self.shared.queue.is_empty()
            && let Err(error) = self.shared.notify()
        {
            self.shared
                .break_down(format!("no worker thread could be started: {error}"));
        }
        self.shared.worker_ended(self.index);
    }
}
