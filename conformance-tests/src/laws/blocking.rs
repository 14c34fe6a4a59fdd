//! Law 14, for async code: who blocks the thread of a runtime holds up all its tasks, perhaps also the one that
//! it waits for. Executors that can see this refuse.

use std::{
    future::Future as StdFuture,
    time::{Duration, Instant},
};

use executor_core::{
    ExecutorExt as _, Future, LocalExecutorExt as _, Reason, ReturnWhen, Task as _, TaskError,
    TaskErrorKind, as_completed, wait,
};

use super::{BOUNDED, Laws, Needs, REFUSES_BLOCKING, queue::full, value};
use crate::{OnFull, guard::step, runtime::Runtime, script::script, tasks::add};

const LONG: Duration = Duration::from_secs(3600);

/// A place in async code.
type Place = (Runtime, bool);

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("law14_a_blocking_wait_in_async_code_is_refused");
    for (runtime, name) in Runtime::TOKIO {
        for (is_task, place) in [(false, "block_on"), (true, "a_task")] {
            cases(laws, &format!("in_{place}_of_{name}"), (runtime, is_task));
        }
        laws.case(
            format!("and_allowed_in_spawn_blocking_of_{name}"),
            REFUSES_BLOCKING,
            move |bench| {
                let jam = bench.jam();
                let (future, gate) = (jam.number(4), jam.gate.clone());
                step("a wait in spawn_blocking");
                let waited = runtime.run(async move {
                    let waits = tokio::task::spawn_blocking(move || {
                        assert!(!future.wait_timeout(Duration::from_millis(1)));
                        gate.open();
                        value(future)
                    });
                    waits.await
                });
                assert_eq!(waited.unwrap(), 4);
            },
        );
    }
    laws.case(
        "in_an_async_task_of_its_own",
        REFUSES_BLOCKING.local(),
        |bench| {
            let jam = bench.jam();
            let (future, gate) = (jam.number(4), jam.gate.clone());
            let waits = jam.local().spawn_future(async move {
                let future = future.result_timeout(LONG).expect_err("it must not wait");
                gate.open();
                future.await.unwrap()
            });
            assert_eq!(value(waits.unwrap()), 4);
        },
    );
}

fn cases(laws: &mut Laws, place: &str, at: Place) {
    laws.case(format!("result_{place}"), REFUSES_BLOCKING, move |bench| {
        let (jam, ran) = (bench.jam(), bench.tally());
        let future = jam.pool.start(script().bump(&ran).task()).unwrap();
        let error = run(at, async move { future.result().unwrap_err() });
        refused(&error);
        assert!(error.may_have_run(), "the task goes on");
        drop(jam);
        assert_eq!(ran.get(), 1);
    })
    .case(format!("wait_{place}"), REFUSES_BLOCKING, move |bench| {
        let jam = bench.jam();
        let (future, gate) = (jam.number(4), jam.gate.clone());
        let value = run(at, async move {
            future.wait();
            assert!(!future.is_done() && future.error().is_none());
            let start = Instant::now();
            assert!(!future.wait_timeout(LONG) && start.elapsed() < LONG);
            gate.open();
            future.await.unwrap()
        });
        assert_eq!(value, 4);
    })
    .case(
        format!("result_timeout_{place}"),
        REFUSES_BLOCKING,
        move |bench| {
            let jam = bench.jam();
            let (future, gate) = (jam.number(4), jam.gate.clone());
            let value = run(at, async move {
                let future = future.result_timeout(LONG).expect_err("it must not wait");
                gate.open();
                future.await.unwrap()
            });
            assert_eq!(value, 4, "the same future can be awaited");
        },
    )
    .case(
        format!("wait_for_many_{place}"),
        REFUSES_BLOCKING,
        move |bench| {
            let jam = bench.jam();
            let (futures, gate) = ([jam.number(1), jam.number(2)], jam.gate.clone());
            let sum = run(at, async move {
                let waited = wait(futures, ReturnWhen::AllCompleted, None);
                assert_eq!((waited.done.len(), waited.not_done.len()), (0, 2));
                gate.open();
                let mut sum = 0;
                for future in waited.not_done {
                    sum += future.await.unwrap();
                }
                sum
            });
            assert_eq!(sum, 3);
        },
    )
    .case(
        format!("as_completed_{place}"),
        REFUSES_BLOCKING,
        move |bench| {
            let jam = bench.jam();
            let (futures, gate) = ([jam.number(1), jam.number(2)], jam.gate.clone());
            let sum = run(at, async move {
                let mut all = as_completed(futures);
                assert!(all.next().is_none(), "it must not wait");
                let rest = all.remaining();
                gate.open();
                let mut sum = 0;
                for future in rest {
                    sum += future.await.unwrap();
                }
                sum
            });
            assert_eq!(sum, 3);
        },
    )
    .case(
        format!("what_is_done_needs_no_wait_{place}"),
        REFUSES_BLOCKING,
        move |bench| {
            let pool = bench.pool(1);
            let futures = [1, 2, 3].map(|n| pool.number(n));
            step("tasks");
            futures.iter().for_each(Future::wait);
            let sum = run(at, async move {
                let [first, second, third] = futures;
                assert!(first.wait_timeout(LONG) && second.error().is_none());
                let second = second.result_timeout(LONG).expect("it is done").unwrap();
                let third = as_completed([third]).map(value).sum::<u64>();
                first.result().unwrap() + second + third
            });
            assert_eq!(sum, 6);
        },
    )
    .case(
        format!("submit_to_a_full_queue_{place}"),
        FULL,
        move |bench| {
            let jam = full(bench, OnFull::Block);
            let (pool, gate) = (jam.pool.clone(), jam.gate.clone());
            let sum = run(at, async move {
                let error = pool.submit(add::task(40, 2)).unwrap_err();
                assert!(matches!(error.reason(), Reason::BlockingInAsync), "{error}");
                assert!(error.to_string().contains("submit_async"), "{error}");
                assert_eq!(error.into_task().run(), 42, "the task comes back");
                let error = pool.submit_within(LONG, add::task(40, 2)).unwrap_err();
                assert!(matches!(error.reason(), Reason::BlockingInAsync), "{error}");
                let error = pool.try_submit(add::task(40, 2)).unwrap_err();
                assert!(matches!(error.reason(), Reason::Full { .. }), "{error}");
                gate.open();
                let future = pool.submit_async(add::task(40, 2)).await.unwrap();
                future.await.unwrap()
            });
            assert_eq!(sum, 42);
        },
    );
}

/// For those who refuse, and whose queue can be full.
const FULL: Needs = BOUNDED.refuses_blocking();

fn run<F>((runtime, is_task): Place, future: F) -> F::Output
where
    F: StdFuture<Output: Send> + Send + 'static,
{
    step("async code that must not block");
    if is_task {
        runtime.run(future)
    } else {
        runtime.block_on(future)
    }
}

#[track_caller]
fn refused(error: &TaskError) {
    assert!(
        matches!(error.kind(), TaskErrorKind::BlockingInAsync),
        "{error}"
    );
    assert!(error.to_string().contains(".await"), "{error}");
}
