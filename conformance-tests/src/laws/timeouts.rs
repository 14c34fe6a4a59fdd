//! Law 15: four timeouts, four errors.

use std::time::{Duration, Instant};

use executor_core::{
    Executor as _, ExecutorExt as _, Future, Task as _, TaskErrorKind, TaskOptions, Timeout,
};

use super::{ANY, BACKGROUND, BOUNDED, Bench, Laws, PENDING, failure, value};
use crate::{
    OnFull,
    guard::{pass, step, unit},
    script::script,
    subject::Config,
    tasks::add,
};

pub(crate) fn laws(laws: &mut Laws) {
    laws.law(
        "law15_a_timeout_of_the_wait_the_task_the_queue_and_the_shutdown_are_different_errors",
    )
    .case("of_the_wait_gives_the_future_back", BACKGROUND, |bench| {
        let jam = bench.jam();
        let future = jam.number(3);
        let start = Instant::now();
        let future = future
            .result_timeout(unit())
            .expect_err("the worker is busy");
        assert!(start.elapsed() >= unit());
        jam.open();
        assert_eq!(value(future), 3, "the task went on");
    })
    .case("of_the_wait_keeps_the_result", BACKGROUND, |bench| {
        let jam = bench.jam();
        let future = jam.number(3);
        assert!(!future.wait_timeout(Duration::from_millis(1)));
        jam.open();
        step("a wait with time enough");
        assert!(future.wait_timeout(Duration::from_secs(60)));
        assert_eq!(future.result_timeout(Duration::ZERO).unwrap().unwrap(), 3);
    })
    .case("of_the_queue", PENDING, |bench| {
        let jam = bench.jam();
        let ran = bench.tally();
        let options = TaskOptions::new().with_queue_timeout(unit());
        let task = script().bump(&ran).task();
        let future = jam.pool.start_with(options, task).unwrap();
        pass(unit());
        jam.open();
        let error = failure(future);
        assert!(
            matches!(error.kind(), TaskErrorKind::TimedOut(Timeout::Queue)),
            "{error}"
        );
        assert!(!error.may_have_run());
        assert_eq!(ran.get(), 0);
    })
    .case(
        "of_the_queue_passes_under_a_blocking_wait",
        BACKGROUND,
        |bench| {
            let jam = bench.jam();
            let options = TaskOptions::new().with_queue_timeout(unit());
            let future = jam.pool.start_with(options, script().task()).unwrap();
            let error = failure(future);
            assert!(
                matches!(error.kind(), TaskErrorKind::TimedOut(Timeout::Queue)),
                "{error}"
            );
        },
    )
    .case(
        "of_the_queue_does_not_touch_a_task_that_starts_in_time",
        ANY,
        |bench| {
            let options = TaskOptions::new().with_queue_timeout(Duration::from_secs(3600));
            let future = bench
                .executor()
                .submit_with(options, add::task(1, 1))
                .unwrap();
            assert_eq!(value(future), 2);
        },
    )
    .case("of_the_task", ANY, of_the_task)
    .case("of_the_shutdown", BACKGROUND, |bench| {
        let jam = bench.jam();
        jam.pool.shutdown(executor_core::Shutdown::Drain).unwrap();
        let error = jam.pool.join(Some(Instant::now() + unit()));
        assert!(error.is_err_and(|error| error.is_still_running()));
    })
    .case("of_the_submission", BOUNDED, |bench| {
        let jam = bench.jam_with(&Config::workers(1).with_queue(1, OnFull::Block));
        let queued = jam.number(1);
        let late = script().gives(2).task();
        let error = jam.pool.start_within(unit(), late).unwrap_err();
        assert!(error.is_timed_out() && error.is_full(), "{error}");
        match error.reason() {
            executor_core::Reason::TimedOut { waited } => assert!(*waited >= unit()),
            reason => panic!("not a timeout: {reason}"),
        }
        assert_eq!(error.into_task().run(), 2, "the task comes back");
        jam.open();
        assert_eq!(value(queued), 1);
    })
    .case("of_a_map", BACKGROUND, |bench| {
        let jam = bench.jam();
        let items = (0..3).map(|n| add::task(n, n));
        let mut results = jam.pool.map(items).timeout(unit());
        let error = results.next().unwrap().unwrap_err();
        assert!(
            matches!(error.kind(), TaskErrorKind::TimedOut(Timeout::Wait)),
            "{error}"
        );
    });
}

/// Where a task's run time can be limited, it is; elsewhere that is refused, and the task comes back.
fn of_the_task(bench: &Bench) {
    let executor = bench.executor();
    let options = TaskOptions::new().with_timeout(Duration::from_secs(3600));
    if bench.capabilities().task_timeout {
        assert_eq!(
            value(executor.submit_with(options, add::task(1, 1)).unwrap()),
            2
        );
        return;
    }
    let error = executor.submit_with(options, add::task(1, 41)).unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    assert_eq!(error.into_task().run(), 42, "the task comes back");
}
