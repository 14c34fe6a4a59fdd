//! Tasks that take longer than those of their kind did before: what was sent ahead on the strength of that does not wait for them.

use std::time::Duration;

use executor_core::{ExecutorExt as _, Future as _};
use executor_macros::task;
use executor_process::ProcessPoolExecutor;
use libtest_mimic::Trial;

use crate::support::{
    guard::{Bench, add, pass, settle, step},
    latch::Gate,
};

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    add(trials, "guesses::a_long_one_in_front", a_long_one_in_front);
    add(trials, "guesses::a_long_one_behind", a_long_one_behind);
}

const ROUNDS: usize = 10;

/// Short, unless it is given gates.
#[task(crate = "executor_core")]
fn perhaps(gates: Option<(Gate, Gate)>) -> bool {
    if let Some((started, until)) = &gates {
        started.open();
        until.wait();
    }
    gates.is_some()
}

/// Has the pool learn that such tasks are short, and fall asleep.
fn teach(pool: &ProcessPoolExecutor) {
    for _ in 0..300 {
        let short = pool.submit(perhaps::task(None)).unwrap();
        assert!(!settle("a short task", short).unwrap());
    }
    // For a moment it looks again and again, and would notice what it should be told of.
    pass(Duration::from_millis(20));
}

fn a_long_one_in_front(bench: &Bench) {
    let pool = bench.pool(2);
    for round in 0..ROUNDS {
        teach(&pool);
        let gates = (
            bench.gate(&format!("started {round}")),
            bench.gate(&format!("until {round}")),
        );
        step("a long task, and a short one after it");
        let long = pool.submit(perhaps::task(Some(gates.clone()))).unwrap();
        let short = pool.submit(perhaps::task(None)).unwrap();
        assert!(!settle("the short one", short).unwrap());
        assert!(!long.is_done());
        gates.1.open();
        assert!(settle("the long one", long).unwrap());
    }
}

fn a_long_one_behind(bench: &Bench) {
    let pool = bench.pool(2);
    for round in 0..ROUNDS {
        teach(&pool);
        let gates = (
            bench.gate(&format!("started {round}")),
            bench.gate(&format!("until {round}")),
        );
        step("a short task, and a long one after it");
        let short = pool.submit(perhaps::task(None)).unwrap();
        let long = pool.submit(perhaps::task(Some(gates.clone()))).unwrap();
        gates.0.wait();
        assert!(!settle("the short one", short).unwrap());
        assert!(!long.is_done());
        gates.1.open();
        assert!(settle("the long one", long).unwrap());
    }
}
