//! Law 13, for `await`: each future works under any async runtime.

use std::thread;

use executor_core::{ExecutorExt as _, Future};

use super::{ANY, BACKGROUND, Laws};
use crate::{
    block_on::{Counting, block_on, poll},
    latch::eventually,
    tasks::add,
};

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("law13_each_future_works_under_any_async_runtime")
        .case("await", ANY, |bench| {
            assert_eq!(
                block_on(bench.executor().submit(add::task(1, 2)).unwrap()).unwrap(),
                3
            );
        })
        .case("await_many", ANY, |bench| {
            let pool = bench.pool(2);
            let sum = block_on(async {
                let futures: Vec<_> = (0..50).map(|n| pool.number(n)).collect();
                let mut sum = 0;
                for future in futures {
                    sum += future.await.unwrap();
                }
                sum
            });
            assert_eq!(sum, 50 * 49 / 2);
        })
        .case("await_of_a_pending_task", BACKGROUND, |bench| {
            let jam = bench.jam();
            let future = jam.number(4);
            thread::scope(|scope| {
                let waiter = scope.spawn(|| block_on(future).unwrap());
                jam.open();
                assert_eq!(waiter.join().unwrap(), 4);
            });
        })
        .case("pending_then_woken_once", BACKGROUND, |bench| {
            let jam = bench.jam();
            let mut future = jam.number(4);
            let counting = Counting::default();
            for _ in 0..3 {
                assert!(poll(&mut future, &counting).is_pending());
            }
            assert_eq!(counting.woken(), 0);
            jam.open();
            eventually("the waker to be woken", || counting.woken() > 0);
            assert_eq!(counting.woken(), 1, "polled three times, woken once");
            assert!(poll(&mut future, &counting).is_ready());
        })
        .case("a_new_waker_replaces_the_old", BACKGROUND, |bench| {
            let jam = bench.jam();
            let mut future = jam.number(4);
            let (old, new) = (Counting::default(), Counting::default());
            assert!(poll(&mut future, &old).is_pending());
            assert!(poll(&mut future, &new).is_pending());
            assert_eq!(old.handles(), 1, "the old waker is dropped");
            jam.open();
            eventually("the new waker to be woken", || new.woken() == 1);
            assert_eq!(old.woken(), 0);
        })
        .case(
            "dropped_while_pending_it_keeps_no_waker",
            BACKGROUND,
            |bench| {
                let jam = bench.jam();
                let mut future = jam.number(4);
                let counting = Counting::default();
                assert!(poll(&mut future, &counting).is_pending());
                drop(future);
                assert_eq!(counting.handles(), 1, "the waker went with the future");
                drop(jam);
                assert_eq!(counting.woken(), 0);
            },
        )
        .case("cancel_wakes", BACKGROUND, |bench| {
            let jam = bench.jam();
            let mut future = jam.number(4);
            let counting = Counting::default();
            assert!(poll(&mut future, &counting).is_pending());
            assert!(future.cancel());
            assert_eq!((counting.woken(), counting.handles()), (1, 1));
            assert!(poll(&mut future, &counting).is_ready());
        })
        .case("shared_clones_are_all_woken", BACKGROUND, |bench| {
            let jam = bench.jam();
            let shared = jam.number(4).shared();
            let mut clones: Vec<_> = (0..3)
                .map(|_| (shared.clone(), Counting::default()))
                .collect();
            for (clone, counting) in &mut clones {
                assert!(poll(clone, counting).is_pending());
            }
            let (dropped, counting) = clones.pop().unwrap();
            drop(dropped);
            assert_eq!(counting.handles(), 1, "a dropped clone keeps no waker");
            jam.open();
            for (clone, counting) in &mut clones {
                eventually("a clone to be woken", || counting.woken() == 1);
                assert!(poll(clone, counting).is_ready());
            }
        })
        .case("combinators_await", ANY, |bench| {
            let pool = bench.pool(2);
            let mapped = Future::map(pool.number(20), |n| n + 1);
            assert_eq!(block_on(mapped).unwrap(), 21);
            let next = pool.clone();
            let chain = pool.number(20).then(move |n| next.number(n + 2));
            assert_eq!(block_on(chain).unwrap(), 22);
            assert_eq!(block_on(pool.number(23).shared()).unwrap(), 23);
        });
}
