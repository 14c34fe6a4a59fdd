//! Whether this thread is one that tokio polls futures on.

use std::task::{Context, Poll, Waker};

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

#[cfg(test)]
mod tests {
    use tokio::{
        runtime::{Builder, Runtime},
        task,
    };

    use super::is_async;

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
