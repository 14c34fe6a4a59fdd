//! The smallest async runtime: one future, on the current thread.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use crate::guard;

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
