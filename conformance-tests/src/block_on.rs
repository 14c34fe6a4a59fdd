//! The smallest async runtime: one future, on the current thread; and futures that are not ready at once.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use crate::{guard, latch::eventually};

/// Polls `future` until it is ready.
#[track_caller]
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    guard::step("a future to be ready");
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        thread::park();
    }
}

/// Polls `future` once, with the waker that counts.
pub(crate) fn poll<F: Future + Unpin>(future: &mut F, counting: &Counting) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(&counting.waker()))
}

/// Polls `future` until it is ready, and after the first time only when it has been woken: who asks for no
/// more must not be forgotten.
#[track_caller]
pub(crate) fn poll_when_woken<F: Future + Unpin>(future: &mut F, counting: &Counting) -> F::Output {
    let mut seen = counting.woken();
    loop {
        if let Poll::Ready(output) = poll(future, counting) {
            return output;
        }
        eventually("a future that is pending to be woken", || {
            counting.woken() > seen
        });
        seen = counting.woken();
    }
}

/// Pending this many times, and woken at once each time.
pub(crate) async fn yields(times: u32) {
    let mut left = times;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Pending once, and woken by a thread that knows nothing of tasks.
pub(crate) async fn woken_elsewhere() {
    let mut is_asleep = false;
    poll_fn(|context| {
        if is_asleep {
            return Poll::Ready(());
        }
        is_asleep = true;
        let waker = context.waker().clone();
        thread::spawn(move || waker.wake());
        Poll::Pending
    })
    .await;
}

/// A waker that counts how often it is woken.
#[derive(Clone, Default)]
pub(crate) struct Counting(Arc<Count>);

#[derive(Default)]
struct Count(AtomicUsize);

impl Counting {
    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }

    pub(crate) fn woken(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    /// How many wakers and handles of this counter exist, this one included.
    pub(crate) fn handles(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
