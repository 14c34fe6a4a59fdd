//! Law 2: there is one definition of done, and everybody who looks agrees with it.

use std::time::Duration;

use executor_core::{
    ExecutorExt as _, Future, Outcome, ReturnWhen, State, TaskError, TaskFuture, as_completed,
    first_ok, join_all, wait,
};

use super::{ANY, BACKGROUND, Bench, Laws, PENDING};
use crate::{
    block_on::block_on,
    guard::step,
    latch::{Gate, Tally},
    script::script,
    tasks::{add, panics},
};

/// One way to look at a future that is done: panics unless it shows `outcome`.
type View = fn(TaskFuture<u64>, Outcome);

const VIEWS: [(&str, View); 17] = [
    ("state", |future, outcome| {
        assert_eq!(future.state(), State::Done(outcome))
    }),
    ("is_done", |future, outcome| {
        assert!(future.is_done() && !future.is_running());
        assert_eq!(future.is_cancelled(), outcome == Outcome::Cancelled);
    }),
    ("wait_timeout", |future, _| {
        assert!(future.wait_timeout(Duration::ZERO))
    }),
    ("result", |future, outcome| {
        agrees(&future.result(), outcome)
    }),
    ("result_timeout", |future, outcome| {
        match future.result_timeout(Duration::ZERO) {
            Ok(result) => agrees(&result, outcome),
            Err(_) => panic!("done, and yet there is no result"),
        }
    }),
    ("take", |future, outcome| {
        agrees(&future.take().expect("done"), outcome)
    }),
    ("error", |future, outcome| {
        agrees(&future.error().map_or(Ok(2), Err), outcome)
    }),
    ("peek_error", |future, outcome| {
        agrees(&future.peek_error().map_or(Ok(2), Err), outcome)
    }),
    ("callback", |future, outcome| {
        let called = Tally::new();
        let inside = called.clone();
        future.on_done(move |seen| {
            assert_eq!(seen, outcome);
            inside.add();
        });
        assert_eq!(called.get(), 1, "called in the call of on_done");
    }),
    ("wait", |future, _| {
        let waited = wait([future], ReturnWhen::AllCompleted, Some(Duration::ZERO));
        assert_eq!((waited.done.len(), waited.not_done.len()), (1, 0));
    }),
    ("as_completed", |future, outcome| {
        let mut all = as_completed([future]).timeout(Duration::ZERO);
        agrees(&all.next().expect("it is done").result(), outcome);
        assert!(all.next().is_none());
    }),
    ("join_all", |future, outcome| {
        agrees(&join_all([future])[0], outcome)
    }),
    ("first_ok", |future, outcome| {
        agrees(
            &first_ok([future]).map_err(|errors| errors[0].clone()),
            outcome,
        );
    }),
    ("await", |future, outcome| {
        agrees(&block_on(future), outcome)
    }),
    ("map", |future, outcome| {
        let mapped = Future::map(future, |n| n);
        assert_eq!(mapped.state(), State::Done(outcome));
        agrees(&mapped.result(), outcome);
    }),
    ("shared", |future, outcome| {
        let shared = future.shared();
        assert_eq!(shared.state(), State::Done(outcome));
        agrees(&shared.clone().result(), outcome);
        agrees(&shared.result(), outcome);
    }),
    ("cancel_afterwards", |future, outcome| {
        assert!(!future.cancel(), "it is done: nothing is cancelled now");
        assert_eq!(future.state(), State::Done(outcome));
    }),
];

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("law02_there_is_one_definition_of_done");
    for (name, view) in VIEWS {
        laws.case(format!("succeeded_for_{name}"), ANY, move |bench| {
            view(
                done(bench.executor().submit(add::task(1, 1)).unwrap()),
                Outcome::Succeeded,
            );
        })
        .case(format!("failed_for_{name}"), ANY, move |bench| {
            view(
                done(bench.executor().submit(panics::task(1)).unwrap()),
                Outcome::Failed,
            );
        })
        .case(
            format!("cancelled_for_{name}_when_cancel_returns"),
            PENDING,
            move |bench| {
                let jam = bench.jam();
                let future = jam.number(2);
                assert!(future.cancel());
                view(future, Outcome::Cancelled);
            },
        );
    }
    laws.case(
        "cancelled_for_waiters_that_were_there_before",
        PENDING,
        |bench| {
            let jam = bench.jam();
            let future = jam.number(2);
            let called = Tally::new();
            let inside = called.clone();
            future.on_done(move |outcome| {
                assert_eq!(outcome, Outcome::Cancelled);
                inside.add();
            });
            assert!(future.cancel());
            assert_eq!(called.get(), 1, "called when cancel returns");
        },
    )
    .case(
        "a_future_that_is_not_done_is_not_done_for_anybody",
        BACKGROUND,
        not_done,
    )
    .case("done_in_a_callback", PENDING, |bench| {
        let pool = bench.pool(1);
        let gate = Gate::new("the callback that looks at its future");
        let shared = pool.number(2).shared();
        let (inside, seen) = (shared.clone(), gate.clone());
        shared.on_done(move |outcome| {
            if inside.is_done() && inside.state() == State::Done(outcome) {
                seen.open();
            }
        });
        shared.wait();
        gate.wait();
    })
    .case(
        "a_dropped_future_is_cancelled_by_nobody",
        PENDING,
        |bench| {
            let jam = bench.jam();
            let ran = bench.gate("the task of a dropped future");
            drop(jam.pool.start(script().open(&ran).task()).unwrap());
            drop(jam);
            assert!(ran.is_open());
        },
    );
}

fn not_done(bench: &Bench) {
    let jam = bench.jam();
    let future = jam.number(1);
    assert_eq!(future.state(), State::Pending);
    assert!(!future.is_done() && !future.is_running() && !future.is_cancelled());
    assert!(!future.wait_timeout(Duration::ZERO) && !future.wait_timeout(Duration::from_millis(1)));
    assert!(future.take().is_none() && future.peek_error().is_none());
    let waited = wait([future], ReturnWhen::AllCompleted, Some(Duration::ZERO));
    assert_eq!((waited.done.len(), waited.not_done.len()), (0, 1));
    let mut all = as_completed(waited.not_done).timeout(Duration::ZERO);
    assert!(all.next().is_none());
    let future = all.remaining().pop().expect("it was not given out");
    let future = future
        .result_timeout(Duration::ZERO)
        .expect_err("it is not done");
    jam.open();
    assert_eq!(super::value(future), 1);
}

#[track_caller]
fn done(future: TaskFuture<u64>) -> TaskFuture<u64> {
    step("a task to be done");
    future.wait();
    future
}

#[track_caller]
fn agrees(result: &Result<u64, TaskError>, outcome: Outcome) {
    match outcome {
        Outcome::Succeeded => assert_eq!(result.as_ref().ok(), Some(&2)),
        Outcome::Failed => assert!(result.as_ref().is_err_and(TaskError::is_panicked)),
        Outcome::Cancelled => assert!(result.as_ref().is_err_and(TaskError::is_cancelled)),
    }
}
