//! What tokio does not say: whether this thread is one that it polls futures on, and whether a runtime is at its end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use tokio::{runtime::Handle, task::coop};

/// How often a future may do something without yielding; tokio's own number is 128.
const BUDGET: usize = 1024;

/// Whether this code is being polled as a future by tokio, so that it must not block.
///
/// Tokio does not say; what it says is whether a future has used up its *budget*, the number of things that
/// it may do before it yields. Only a future that tokio polls has one: `spawn_blocking`, `block_in_place` and
/// all other threads have none, and neither have futures that are `unconstrained`. So this spends the budget, as
/// far as there is one, and gives it back. It takes a third of a microsecond, and is asked only before a thread
/// would block.
pub(crate) fn is_async() -> bool {
    if Handle::try_current().is_err() {
        return false;
    }
    let mut context = Context::from_waker(Waker::noop());
    // Dropped at the end, it restores the budget as it was before.
    let mut first = None;
    for _ in 0..BUDGET {
        match coop::poll_proceed(&mut context) {
            Poll::Pending => return true,
            Poll::Ready(spent) if first.is_none() => first = Some(spent),
            Poll::Ready(spent) => spent.made_progress(),
        }
    }
    false
}

/// Whether the runtime has ended, or is about to: it drops what is spawned now, there and then.
pub(crate) fn is_ending(handle: &Handle) -> bool {
    /// Says whether it was dropped without being polled.
    struct Sign {
        is_polled: bool,
        was_refused: Arc<AtomicBool>,
    }
    impl Drop for Sign {
        fn drop(&mut self) {
            if !self.is_polled {
                self.was_refused.store(true, Ordering::Release);
            }
        }
    }
    impl Sign {
        fn poll(mut self) {
            self.is_polled = true;
        }
    }
    let was_refused = Arc::<AtomicBool>::default();
    let sign = Sign {
        is_polled: false,
        was_refused: Arc::clone(&was_refused),
    };
    drop(handle.spawn(async move { sign.poll() }));
    was_refused.load(Ordering::Acquire)
}

#[cfg(test)]
mod tests {
    use std::{future, sync::mpsc};

    use tokio::{
        runtime::{Builder, Handle, Runtime},
        task,
    };

    use super::{is_async, is_ending};

    fn runtimes() -> [Runtime; 2] {
        [
            Builder::new_current_thread().build().unwrap(),
            Builder::new_multi_thread()
                .worker_threads(2)
                .build()
                .unwrap(),
        ]
    }

    #[test]
    fn a_plain_thread_is_not() {
        assert!(!is_async());
        for runtime in runtimes() {
            let _entered = runtime.enter();
            assert!(!is_async());
        }
    }

    #[test]
    fn a_future_of_tokio_is_and_keeps_its_budget() {
        for runtime in runtimes() {
            runtime.block_on(async {
                for _ in 0..1000 {
                    assert!(is_async());
                    assert!(task::coop::has_budget_remaining());
                }
                assert!(task::spawn(async { is_async() }).await.unwrap());
                assert!(is_async());
            });
        }
    }

    #[test]
    fn a_runtime_is_ending_once_it_drops_its_tasks() {
        struct Asks(Handle, mpsc::Sender<bool>);
        impl Drop for Asks {
            fn drop(&mut self) {
                self.1.send(is_ending(&self.0)).unwrap();
            }
        }
        for runtime in runtimes() {
            let handle = runtime.handle().clone();
            assert!(!is_ending(&handle));
            let (answer, answers) = mpsc::channel();
            let asks = Asks(handle.clone(), answer);
            runtime.spawn(async move {
                future::pending::<()>().await;
                drop(asks);
            });
            drop(runtime);
            assert!(is_ending(&handle));
            assert_eq!(answers.recv(), Ok(true));
        }
    }

    #[test]
    fn where_tokio_allows_to_block_it_is_not() {
        let [current, multi] = runtimes();
        for runtime in [&current, &multi] {
            let blocking = runtime.spawn_blocking(is_async);
            assert!(!runtime.block_on(blocking).unwrap());
        }
        multi.block_on(async {
            let inside = task::spawn(async { (task::block_in_place(is_async), is_async()) });
            assert_eq!(inside.await.unwrap(), (false, true));
        });
    }
}
