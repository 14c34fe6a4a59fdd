//! Running a future on the thread that wants its output.

use std::{
    cell::Cell,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use crate::park;

thread_local! {
    /// A signal that no `block_on` of this thread uses.
    static SPARE: Cell<Option<Arc<Signal>>> = const { Cell::new(None) };
}

/// Wakes one `block_on`. The flag is its own, so that a wait inside of the future, which consumes what
/// `unpark` leaves, cannot consume this.
struct Signal {
    is_set: AtomicBool,
    thread: Thread,
}

/// Runs a future to its end on this thread, which sleeps while there is nothing to do.
///
/// This is what an `async` task comes to on an executor whose workers are plain threads or processes. It
/// has no timers and no sockets; those come with the future, or with a runtime.
///
/// ```
/// use executor_core::block_on;
///
/// assert_eq!(block_on(async { 6 * 7 }), 42);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let signal = Signal::take();
    let waker = Waker::from(Arc::clone(&signal));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            SPARE.set(Some(signal));
            return output;
        }
        while !signal.is_set.swap(false, Ordering::Acquire) {
            park::sleep(None);
        }
    }
}

impl Signal {
    fn take() -> Arc<Self> {
        // A late waker of an earlier future may set it: then one poll is for nothing.
        SPARE.take().unwrap_or_else(|| {
            Arc::new(Self {
                is_set: AtomicBool::new(false),
                thread: thread::current(),
            })
        })
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_set.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{future::poll_fn, task::Poll, thread};

    use super::block_on;

    #[test]
    fn it_sleeps_until_it_is_woken() {
        let mut polls = 0;
        let output = block_on(poll_fn(|context| {
            polls += 1;
            if polls == 3 {
                return Poll::Ready(polls);
            }
            let waker = context.waker().clone();
            thread::spawn(move || waker.wake());
            Poll::Pending
        }));
        assert_eq!(output, 3);
    }

    #[test]
    fn a_wait_inside_does_not_eat_its_signal() {
        let mut polls = 0;
        block_on(poll_fn(|context| {
            polls += 1;
            if polls == 2 {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            // What `unpark` left is gone now.
            thread::park();
            Poll::Pending
        }));
        assert_eq!(polls, 2);
    }
}
