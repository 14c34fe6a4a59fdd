//! A waiter that reads the answer itself.
//!
//! Between a worker's answer and a thread that waits for it there is usually the pool's own thread, and
//! so two wake-ups. A thread that waits for the only task that the pool has takes the place of the pool's
//! thread for that one worker: it blocks in the worker's pipe. The pipe wakes it on the worker's own
//! core, which is the quickest way there is to wake anybody.
//!
//! Meanwhile the pool's thread does not watch that pipe, but it still sees the worker's end, and time
//! limits. It goes on not to watch it for a moment, since a thread that has waited like this once will do so
//! again, and each change of what is watched is a system call. Until then it looks every millisecond
//! itself, and a future that is waited for in another way says so.
//!
//! Whoever else takes the task away from the worker, by a cancellation, say, or because the worker
//! is dead, wakes the driver.

use std::{
    cell::OnceCell,
    io,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use executor_core::{JobKey, spin};

use super::{Shared, effects::Effects, link::Link, state::State};
use crate::{
    os::linux::{EventFd, wait_readable},
    wire::page::Page,
};

/// How long a worker stays unwatched after a waiter has read its answer.
const LINGER: Duration = Duration::from_millis(3);

/// The worker that is being driven.
struct Driven {
    index: usize,
    id: u64,
    job: JobKey,
    replies: Arc<OwnedFd>,
    page: Arc<Page>,
    /// How many bytes of answers were known.
    known: u64,
}

/// Reads the answer to `job` on this thread, if nothing else is to be read from its worker.
pub(super) fn drive(
    shared: &Shared,
    job: JobKey,
    is_done: &dyn Fn() -> bool,
    deadline: Option<Instant>,
) {
    let Some(interrupt) = interrupt_of_this_thread() else {
        return;
    };
    let Some(driven) = shared.state().begin_drive(job, &interrupt) else {
        return;
    };
    let mut effects = Effects::default();
    // If the worker answers at once, it wakes nobody.
    spin::until(|| is_done() || driven.page.has_committed_beyond(driven.known));
    loop {
        let now = Instant::now();
        let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
        if is_done() || left.is_some_and(|left| left.is_zero()) {
            break;
        }
        if wait_readable(&*driven.replies, interrupt.event.fd(), left).is_err() {
            break;
        }
        let mut state = shared.state();
        let goes_on = state.read_driven(&driven, &mut effects);
        effects.carry_out(shared, state);
        if !goes_on {
            break;
        }
    }
    let is_needed = shared.state().end_drive(&driven);
    if is_needed {
        shared.reactor.wake();
    }
}

impl State {
    /// Whether a waiter reads this worker's answers.
    pub(super) fn is_driven(&self, index: usize) -> bool {
        self.workers
            .get(index)
            .and_then(Option::as_ref)
            .is_some_and(|worker| worker.driver.is_some())
    }

    fn begin_drive(&mut self, job: JobKey, interrupt: &Arc<Interrupt>) -> Option<Driven> {
        if !self.queue.is_empty() || self.busy() != 1 {
            // There is more to be seen to than one answer.
            return None;
        }
        let (index, worker) = self
            .workers
            .iter_mut()
            .enumerate()
            .find_map(|(index, slot)| {
                let worker = slot.as_mut()?;
                let is_only = worker.flights.len() == 1 && worker.place_of(job) == Some(0);
                (is_only && worker.is_ready() && worker.driver.is_none()).then_some((index, worker))
            })?;
        interrupt.clear();
        worker.watch(false);
        let Link::Shared(link) = &worker.link else {
            return None;
        };
        let (replies, page) = (Arc::clone(&link.replies), Arc::clone(&link.page));
        let known = link.known();
        self.drivers += 1;
        worker.driver = Some(Arc::clone(interrupt));
        let driven = Driven {
            index,
            id: worker.id,
            job,
            replies,
            page,
            known,
        };
        Some(driven)
    }

    /// Reads what has come. False if there is nothing more to wait for here.
    fn read_driven(&mut self, driven: &Driven, effects: &mut Effects) -> bool {
        let Some(Some(worker)) = self.workers.get(driven.index) else {
            return false;
        };
        if worker.id != driven.id {
            return false;
        }
        self.read_as_driver(driven.index, Instant::now(), effects);
        self.workers
            .get(driven.index)
            .and_then(Option::as_ref)
            .is_some_and(|worker| worker.place_of(driven.job).is_some() && !worker.is_closed)
    }

    /// Gives the worker back. True if the pool's thread has something to do for it.
    fn end_drive(&mut self, driven: &Driven) -> bool {
        self.drivers -= 1;
        let is_closed = !self.is_open();
        let worker = self.workers.get_mut(driven.index).and_then(Option::as_mut);
        let Some(worker) = worker.filter(|worker| worker.id == driven.id) else {
            return is_closed;
        };
        worker.driver = None;
        if !worker.flights.is_empty() {
            worker.watch(true);
        }
        let is_due = worker
            .retires_after
            .is_some_and(|most| worker.served >= most)
            || self
                .settings
                .max_resident
                .is_some_and(|most| worker.link.resident() > most);
        let is_first = self.driven_until.is_none();
        self.driven_until = Instant::now().checked_add(LINGER);
        is_closed || self.intake.is_asleep() && (is_first || !self.queue.is_empty() || is_due)
    }

    /// Has the pool's thread watch workers again that waiters have left to themselves.
    pub(super) fn watch_again(&mut self, now: Instant) {
        let Some(until) = self.driven_until else {
            return;
        };
        let is_over = now >= until;
        if is_over {
            self.driven_until = None;
        }
        for worker in self.workers.iter_mut().flatten() {
            if is_over || !worker.flights.is_empty() {
                worker.watch(true);
            }
        }
    }

    /// Somebody waits for this job who does not read the answer.
    pub(super) fn watch_worker_of(&mut self, job: JobKey) {
        if self.driven_until.is_none() {
            return;
        }
        for worker in self.workers.iter_mut().flatten() {
            if worker.place_of(job).is_some() {
                worker.watch(true);
            }
        }
    }
}

/// What wakes a driver. It is only used under the pool's lock, but for the waiting: so it is known without a system call
/// whether there is something to be cleared, and as a rule there is not.
pub(super) struct Interrupt {
    event: EventFd,
    is_set: AtomicBool,
}

impl Interrupt {
    fn new() -> io::Result<Self> {
        Ok(Self {
            event: EventFd::new()?,
            is_set: AtomicBool::new(false),
        })
    }

    pub(super) fn notify(&self) {
        self.event.notify();
        self.is_set.store(true, Ordering::Relaxed);
    }

    fn clear(&self) {
        if self.is_set.swap(false, Ordering::Relaxed) {
            self.event.clear();
        }
    }
}

/// What wakes this thread while it drives; `None` if there can be no such thing.
fn interrupt_of_this_thread() -> Option<Arc<Interrupt>> {
    thread_local! {
        static INTERRUPT: OnceCell<Option<Arc<Interrupt>>> = const { OnceCell::new() };
    }
    INTERRUPT
        .try_with(|interrupt| {
            interrupt
                .get_or_init(|| Interrupt::new().ok().map(Arc::new))
                .clone()
        })
        .ok()
        .flatten()
}
