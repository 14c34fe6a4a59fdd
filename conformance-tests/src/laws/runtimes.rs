//! Law 13, for `await` under the runtimes that users have: tokio in both flavours, smol, and the executor of
//! the futures crate.

use std::{future::poll_fn, pin::Pin, task::Poll};

use executor_core::{ExecutorExt as _, Future, TaskFuture};

use super::{ANY, BACKGROUND, Bench, Laws, PENDING, value};
use crate::{
    guard::step,
    runtime::Runtime,
    script::script,
    tasks::{add, panics},
};

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("law13_each_future_works_under_any_async_runtime");
    for (runtime, name) in Runtime::ALL {
        laws.case(format!("{name}_result"), ANY, move |bench| {
            let executor = bench.executor();
            let futures = [(); 2].map(|()| executor.submit(add::task(1, 2)).unwrap());
            let [here, there] = futures;
            step("a result in an async runtime");
            assert_eq!(runtime.block_on(here).unwrap(), 3);
            assert_eq!(runtime.run(there).unwrap(), 3);
        })
        .case(format!("{name}_error"), ANY, move |bench| {
            let future = bench.executor().submit(panics::task(7)).unwrap();
            step("an error in an async runtime");
            let error = runtime.run(future).unwrap_err();
            assert!(error.is_panicked(), "{error}");
        })
        .case(format!("{name}_cancelled"), PENDING, move |bench| {
            let jam = bench.jam();
            let future = jam.number(1);
            assert!(future.cancel());
            let error = runtime.run(future).unwrap_err();
            assert!(error.is_cancelled(), "{error}");
        })
        .case(
            format!("{name}_pending_then_done"),
            BACKGROUND,
            move |bench| {
                let jam = bench.jam();
                let (future, gate) = (jam.number(4), jam.gate.clone());
                step("a task that is pending at first");
                let value = runtime.run(async move {
                    let mut future = future;
                    assert!(!is_ready(&mut future).await, "its worker is busy");
                    gate.open();
                    future.await.unwrap()
                });
                assert_eq!(value, 4);
            },
        )
        .case(
            format!("{name}_pending_then_cancelled"),
            BACKGROUND,
            move |bench| {
                let jam = bench.jam();
                let shared = jam.number(4).shared();
                let mut waits = shared.clone();
                step("a task that is cancelled while it is awaited");
                let error = runtime.run(async move {
                    assert!(!is_ready(&mut waits).await, "its worker is busy");
                    assert!(shared.cancel());
                    waits.await.unwrap_err()
                });
                assert!(error.is_cancelled(), "{error}");
            },
        )
        .case(format!("{name}_many"), ANY, move |bench| {
            let pool = bench.pool(2);
            step("many tasks in an async runtime");
            let sum = runtime.run(async move {
                let calls = (0..50).map(|n| pool.number(n));
                let tasks = (50..100).map(|n| pool.start_async(script().yields(2).gives(n)));
                let futures: Vec<_> = calls.chain(tasks).collect();
                let mut sum = 0;
                for future in futures {
                    sum += future.await.unwrap();
                }
                // Here, as everywhere: all is done, so the drop of the pool has nothing to wait for.
                drop(pool);
                sum
            });
            assert_eq!(sum, 100 * 99 / 2);
        })
        .case(
            format!("{name}_dropped_while_pending"),
            BACKGROUND,
            move |bench| {
                let jam = bench.jam();
                let (ran, first) = (bench.tally(), bench.tally());
                let polled = jam.pool.start(script().bump(&ran).task()).unwrap();
                let never_polled = jam.pool.start(script().bump(&first).task()).unwrap();
                runtime.run(async move {
                    let mut polled = polled;
                    assert!(!is_ready(&mut polled).await, "its worker is busy");
                    drop((polled, never_polled));
                });
                drop(jam);
                assert_eq!((ran.get(), first.get()), (1, 1), "the tasks go on");
            },
        )
        .case(
            format!("{name}_dropped_while_it_runs"),
            BACKGROUND,
            move |bench| {
                let (pool, gate) = (bench.pool(1), bench.gate("the end of a task"));
                let (started, ran) = (bench.gate("a task to start"), bench.tally());
                let task = script().open(&started).wait(&gate).bump(&ran).task();
                let future = pool.start(task).unwrap();
                started.wait();
                runtime.run(async move {
                    let mut future = future;
                    assert!(!is_ready(&mut future).await, "it runs");
                    drop(future);
                });
                gate.open();
                drop(pool);
                assert_eq!(ran.get(), 1, "the task goes on");
            },
        )
        .case(format!("{name}_submit_async"), ANY, move |bench| {
            let executor = bench.executor();
            step("a submission in an async runtime");
            let sum = runtime.run(async move {
                let future = executor.submit_async(add::task(1, 2)).await.unwrap();
                future.await.unwrap()
            });
            assert_eq!(sum, 3);
        })
        .case(
            format!("{name}_an_executor_may_be_dropped_there"),
            ANY,
            move |bench| {
                dropped_there(bench, runtime);
            },
        );
    }
}

/// The last handle goes in async code: that finishes what was accepted, as anywhere.
fn dropped_there(bench: &Bench, runtime: Runtime) {
    let (pool, ran) = (bench.pool(1), bench.tally());
    let calls = (0..10).map(|_| pool.start(script().bump(&ran).task()).unwrap());
    let futures: Vec<TaskFuture<u64>> = calls.collect();
    step("the drop of an executor in an async runtime");
    runtime.run(async move { drop(pool) });
    futures.into_iter().map(value).for_each(|_| ());
    assert_eq!(ran.get(), 10);
}

/// Polls once.
async fn is_ready<F: std::future::Future + Unpin>(future: &mut F) -> bool {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context).is_ready())).await
}
