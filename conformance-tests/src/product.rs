//! Every combination of what can happen to one task: it panics or not; it is cancelled at some moment
//! or never; its future is dropped at some moment or kept; it is waited for in one way or another; it
//! has a callback from before or from after.

use std::{fmt, time::Duration};

use executor_core::{Future, Outcome, State, TaskError, TaskFuture, as_completed};

use crate::{
    block_on::{Counting, block_on, poll},
    guard::step,
    latch::{Tally, eventually},
    laws::{BACKGROUND, Bench, Laws, PENDING},
    script::script,
};

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("product_of_panic_drop_cancel_wait_callback");
    for panics in [false, true] {
        for cancel in [
            Cancel::Never,
            Cancel::Pending,
            Cancel::Running,
            Cancel::Done,
        ] {
            let end = if panics { "panics" } else { "returns" };
            let name = format!("a_task_that_{end}_cancelled_{cancel:?}").to_lowercase();
            let needs = if cancel == Cancel::Running {
                BACKGROUND
            } else {
                PENDING
            };
            laws.case(name, needs, move |bench| {
                for drop in [Drop::Pending, Drop::Done, Drop::Never] {
                    for wait in [
                        Wait::No,
                        Wait::Block,
                        Wait::Timeout,
                        Wait::Await,
                        Wait::Select,
                    ] {
                        for callback in [Callback::No, Callback::Before, Callback::After] {
                            try_out(
                                bench,
                                Combination {
                                    panics,
                                    cancel,
                                    drop,
                                    wait,
                                    callback,
                                },
                            );
                        }
                    }
                }
            });
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Combination {
    panics: bool,
    cancel: Cancel,
    drop: Drop,
    wait: Wait,
    callback: Callback,
}

/// When the task is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cancel {
    Never,
    Pending,
    Running,
    Done,
}

/// When the future is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drop {
    Never,
    Pending,
    Done,
}

/// How the task is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    No,
    Block,
    Timeout,
    Await,
    Select,
}

/// When the callback is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Callback {
    No,
    Before,
    After,
}

impl Combination {
    fn outcome(self) -> Outcome {
        match self {
            Self {
                cancel: Cancel::Pending,
                ..
            } => Outcome::Cancelled,
            Self { panics: true, .. } => Outcome::Failed,
            Self { panics: false, .. } => Outcome::Succeeded,
        }
    }
}

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

fn try_out(bench: &Bench, of: Combination) {
    step(&format!("{of}"));
    let outcome = of.outcome();
    let jam = bench.jam();
    let (started, hold) = (bench.gate("a task to start"), bench.gate("a running task"));
    if of.cancel != Cancel::Running {
        hold.open();
    }
    let (runs, alive) = (bench.tally(), Tally::new());
    let calls = [Tally::new(), Tally::new()];
    let task = script().bump(&runs).open(&started).wait(&hold).gives(6);
    let task = if of.panics { task.panic() } else { task };
    let mut future = jam
        .pool
        .start_holding(task, alive.token())
        .unwrap_or_else(|error| panic!("a new pool accepts tasks: {error}"));
    let call = |future: &TaskFuture<u64>| {
        let [good, bad] = calls.clone();
        future.on_done(move |seen| (if seen == outcome { good } else { bad }).bump());
    };
    if of.callback == Callback::Before {
        call(&future);
    }
    let counting = Counting::default();
    if of.wait == Wait::Await && !bench.is_deferred() {
        assert!(poll(&mut future, &counting).is_pending(), "{of}");
    }
    if of.cancel == Cancel::Pending {
        assert!(future.cancel(), "{of}");
        assert_eq!(future.state(), State::Done(Outcome::Cancelled), "{of}");
    }
    let mut kept = (of.drop != Drop::Pending).then_some(future);
    jam.open();
    if of.cancel == Cancel::Running {
        started.wait();
        if let Some(future) = &kept {
            assert!(!future.cancel() && future.is_running(), "{of}");
        }
        hold.open();
    }
    let mut callback_is_due = of.callback == Callback::Before;
    if let Some(mut future) = kept.take() {
        let mut taken = None;
        match of.wait {
            // The drop of the pool waits.
            Wait::No => {}
            Wait::Block => future.wait(),
            Wait::Timeout => assert!(future.wait_timeout(Duration::from_secs(3600)), "{of}"),
            Wait::Await => taken = Some(block_on(&mut future)),
            Wait::Select => {
                future = as_completed([future])
                    .next()
                    .expect("one future is given back");
            }
        }
        if of.wait != Wait::No || outcome == Outcome::Cancelled {
            assert_eq!(future.state(), State::Done(outcome), "{of}");
            assert_eq!(alive.get(), 0, "the task is alive after it was done: {of}");
            if of.cancel == Cancel::Done {
                assert!(!future.cancel(), "{of}");
            }
            if of.callback == Callback::After {
                call(&future);
                callback_is_due = true;
                assert_eq!(calls[0].get(), 1, "called at once: {of}");
            }
        }
        if of.drop == Drop::Never {
            agrees(&taken.unwrap_or_else(|| future.result()), outcome, of);
        } else {
            drop(future);
        }
    }
    drop(jam);
    assert_eq!(
        runs.get(),
        usize::from(outcome != Outcome::Cancelled),
        "runs: {of}"
    );
    assert_eq!(alive.get(), 0, "{of}");
    assert_eq!(counting.handles(), 1, "a waker is kept: {of}");
    let expected = usize::from(callback_is_due);
    // A deferred executor settles on the thread that waits, and a worker is joined by the drop of its
    // pool, so there is nobody left who could call later.
    eventually("the callback", || calls[0].get() >= expected);
    assert_eq!(
        [calls[0].get(), calls[1].get()],
        [expected, 0],
        "calls: {of}"
    );
}

fn agrees(result: &Result<u64, TaskError>, outcome: Outcome, of: Combination) {
    let seen = match result {
        Ok(value) => {
            assert_eq!(*value, 6, "{of}");
            Outcome::Succeeded
        }
        Err(error) if error.is_cancelled() => Outcome::Cancelled,
        Err(error) => {
            assert!(error.is_panicked(), "{error}: {of}");
            Outcome::Failed
        }
    };
    assert_eq!(seen, outcome, "{of}");
}
