//! Blocking a thread until a future is done.

use std::{
    sync::Arc,
    task::{Wake, Waker},
    time::{Duration, Instant},
};

use crate::{Future, spin, sync::thread};

/// Waits until `future` is done; false if `timeout` passed first, or if the wait would deadlock. A
/// timeout of zero is a look, not a wait: it never runs the task.
pub(crate) fn wait_until_done<F: Future>(future: &F, timeout: Option<Duration>) -> bool {
    if future.is_done() || timeout == Some(Duration::ZERO) {
        return future.is_done();
    }
    // A timeout too far away for the clock is none.
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    wait(future, deadline, |is_done| spin::moment(is_done))
}

/// As [`wait_until_done`], for who has more work for the workers and should not be late with it: it leaves its core
/// to nobody for a moment, and sleeps at once if no other is free. After the deadline it is a look.
pub(crate) fn wait_for_more<F: Future>(future: &F, deadline: Option<Instant>) -> bool {
    if future.is_done() || passed(deadline) {
        return future.is_done();
    }
    wait(future, deadline, |is_done| spin::until(is_done))
}

fn wait<F: Future>(
    future: &F,
    deadline: Option<Instant>,
    wait_a_moment: impl FnOnce(&mut dyn FnMut() -> bool) -> bool,
) -> bool {
    while future.help() {}
    if future.is_done() {
        // It was run here: there is nothing to poll for.
        return true;
    }
    if future.would_deadlock() {
        return false;
    }
    future.drive(earlier(deadline, future.expires()));
    if wait_a_moment(&mut || future.is_done()) {
        return true;
    }
    let waker = thread_waker();
    if !future.subscribe(&waker) {
        return true;
    }
    loop {
        // Again after every wake-up: there may be a second step now.
        while future.help() {}
        if future.is_done() {
            return true;
        }
        if future.would_deadlock() {
            future.unsubscribe(&waker);
            return false;
        }
        if !sleep(earlier(deadline, future.expires())) && passed(deadline) {
            future.unsubscribe(&waker);
            return future.is_done();
        }
    }
}

/// Waits until `future` is done, on any thread: for those who have lent what the task uses, and must not go on
/// before. Where other waits are refused this one holds up others, and ends all the same, since the task runs.
pub(crate) fn wait_for_borrower<F: Future>(future: &F) {
    let waker = thread_waker();
    let mut is_awaited = false;
    loop {
        while future.help() {}
        if !is_awaited {
            if spin::moment(|| future.is_done()) || !future.subscribe(&waker) {
                return;
            }
            is_awaited = true;
        }
        if future.is_done() {
            return;
        }
        sleep(future.expires());
    }
}

/// Sleeps until woken, or until `deadline`; false if that passed. May wake without a reason.
pub(crate) fn sleep(deadline: Option<Instant>) -> bool {
    spin::asleep(|| match deadline {
        None => {
            thread::park();
            true
        }
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            #[cfg(not(loom))]
            thread::park_timeout(left);
            #[cfg(loom)]
            thread::yield_now();
            !left.is_zero()
        }
    })
}

/// A waker of the current thread.
pub(crate) fn thread_waker() -> Waker {
    #[cfg(loom)]
    return Waker::from(Arc::new(Unpark(thread::current())));
    #[cfg(not(loom))]
    {
        std::thread_local! {
            static WAKER: Waker = Waker::from(Arc::new(Unpark(thread::current())));
        }
        // A thread that is being torn down has no thread-locals any more, and still may wait.
        WAKER
            .try_with(Waker::clone)
            .unwrap_or_else(|_| Waker::from(Arc::new(Unpark(thread::current()))))
    }
}

pub(crate) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

pub(crate) fn passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}
