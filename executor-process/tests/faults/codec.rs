//! Values that cannot be encoded or decoded, or bring their process down when somebody tries.

use executor_core::{ExecutorExt as _, TaskError, TaskErrorKind, context};
use executor_macros::task;
use libtest_mimic::Trial;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};

use crate::{
    killed::death_of,
    support::{
        guard::{Bench, Neighbours, add, check_serves, settle, step},
        latch::Tally,
        tasks::Crash,
    },
};

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    add(trials, "codec::too_long", too_long);
    add(trials, "codec::long_together", long_together);
    for how in [How::Error, How::Panic, How::Abort] {
        for at in [At::Encode, At::Decode] {
            let name = format!("{at:?}_{how:?}").to_lowercase();
            if (at, how) != (At::Encode, How::Abort) {
                // That would be the end of this process, which encodes arguments.
                add(trials, &format!("codec::argument_{name}"), move |bench| {
                    argument(bench, Trap { at, how, value: 7 });
                });
                add(
                    trials,
                    &format!("codec::argument_{name}_in_a_map"),
                    move |bench| {
                        argument_in_a_map(bench, at, how);
                    },
                );
            }
            if (at, how) != (At::Decode, How::Abort) {
                // And so would this be: it decodes results.
                add(trials, &format!("codec::result_{name}"), move |bench| {
                    result(bench, at, how);
                });
                add(
                    trials,
                    &format!("codec::result_{name}_in_a_map"),
                    move |bench| {
                        result_in_a_map(bench, at, how);
                    },
                );
                add(
                    trials,
                    &format!("codec::error_value_{name}"),
                    move |bench| {
                        error_value(bench, at, how);
                    },
                );
            }
        }
    }
}

/// So many bytes, at the most, go one way at once.
const MOST: usize = 4096;

#[task(crate = "executor_core")]
fn echo(tally: Tally, number: u64, bytes: Vec<u8>, grow: usize) -> Vec<u8> {
    tally.bump(number);
    bytes.repeat(grow)
}

/// What is longer than is allowed fails, and nothing else does.
fn too_long(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench.builder(2).max_message(MOST).build().unwrap();
    let submit = |number, len, grow| {
        let task = echo::task(tally.clone(), number, vec![1; len], grow);
        pool.submit(task).unwrap()
    };
    let futures = [submit(0, 3000, 1), submit(1, 5000, 1), submit(2, 3000, 2)];
    let behind = Neighbours::submit(&pool, &tally, 100..120);
    let [fits, long_argument, long_result] = futures;
    assert_eq!(settle("what fits", fits).unwrap().len(), 3000);
    let error = settle("a long argument", long_argument).unwrap_err();
    assert!(error.is_codec(), "{error:?}");
    assert_eq!(tally.count(1), 0, "it was not sent");
    let error = settle("a long result", long_result).unwrap_err();
    assert!(error.is_codec() || error.is_worker_died(), "{error:?}");
    assert_eq!(tally.count(2), 1);
    behind.check();
    check_serves(&pool);
}

/// The limit is one of single items: many small ones may be longer together.
fn long_together(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench.builder(2).max_message(MOST).build().unwrap();
    for chunk in [None, Some(50)] {
        step("a map");
        let tasks = (0..300).map(|number| echo::task(tally.clone(), number, vec![1; 100], 2));
        let map = pool.map(tasks);
        let results: Vec<_> = match chunk {
            None => map.collect(),
            Some(items) => map.chunk(items).collect(),
        };
        for (number, result) in results.into_iter().enumerate() {
            match result {
                Ok(bytes) => assert_eq!(bytes.len(), 200),
                Err(error) => panic!("item {number}, chunks of {chunk:?}: {error}"),
            }
        }
    }
    check_serves(&pool);
}

/// Where a value is trapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum At {
    Nowhere,
    Encode,
    Decode,
}

/// What becomes of who steps into a trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum How {
    Error,
    Panic,
    Abort,
}

/// A value that does not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trap {
    at: At,
    how: How,
    value: u64,
}

impl Trap {
    /// The complaint, if `at` is where the trap is.
    fn spring(&self, at: At) -> Result<(), &'static str> {
        if self.at != at {
            return Ok(());
        }
        match self.how {
            How::Error => Err("stepped into a trap"),
            How::Panic => panic!("fell into a trap"),
            How::Abort => {
                assert!(
                    context::worker_index().is_some(),
                    "this is for workers only"
                );
                Crash::Abort.happen()
            }
        }
    }
}

impl Serialize for Trap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.spring(At::Encode).map_err(S::Error::custom)?;
        (self.at, self.how, self.value).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Trap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (at, how, value) = Deserialize::deserialize(deserializer)?;
        let trap = Self { at, how, value };
        trap.spring(At::Decode).map_err(D::Error::custom)?;
        Ok(trap)
    }
}

#[task(crate = "executor_core")]
fn take(tally: Tally, trap: Trap) -> u64 {
    tally.bump(trap.value);
    trap.value
}

#[task(crate = "executor_core")]
fn give(tally: Tally, at: At, how: How, value: u64) -> Trap {
    tally.bump(value);
    Trap { at, how, value }
}

#[task(crate = "executor_core")]
fn fail(tally: Tally, at: At, how: How, value: u64) -> Result<u64, Trap> {
    tally.bump(value);
    Err(Trap { at, how, value })
}

/// The error is the one that such a trap is to give.
#[track_caller]
fn check<T: std::fmt::Debug>(result: Result<T, TaskError>, how: How) {
    match how {
        How::Error => {
            let error = result.unwrap_err();
            assert!(error.is_codec(), "{error:?}");
            assert!(error.to_string().contains("stepped into a trap"), "{error}");
        }
        How::Panic => {
            let error = result.unwrap_err();
            let text = error.to_string();
            let is_named = matches!(
                error.kind(),
                TaskErrorKind::Panicked(_) | TaskErrorKind::Codec(_)
            );
            assert!(is_named && text.contains("fell into a trap"), "{error:?}");
        }
        How::Abort => {
            let death = death_of(result);
            assert!(death.status.contains("signal: 6"), "{death:?}");
        }
    }
}

fn argument(bench: &Bench, trap: Trap) {
    let tally = bench.tally("runs");
    let pool = bench.pool(2);
    let (how, value) = (trap.how, trap.value);
    let before = Neighbours::submit(&pool, &tally, 100..110);
    let future = pool.submit(take::task(tally.clone(), trap)).unwrap();
    let behind = Neighbours::submit(&pool, &tally, 110..120);
    check(settle("the trapped argument", future), how);
    assert_eq!(tally.count(value), 0, "nobody had the argument");
    before.check();
    behind.check();
    check_serves(&pool);
}

fn result(bench: &Bench, at: At, how: How) {
    let tally = bench.tally("runs");
    let pool = bench.pool(2);
    let before = Neighbours::submit(&pool, &tally, 100..110);
    let future = pool.submit(give::task(tally.clone(), at, how, 7)).unwrap();
    let behind = Neighbours::submit(&pool, &tally, 110..120);
    check(settle("the trapped result", future), how);
    assert_eq!(tally.count(7), 1);
    before.check();
    behind.check();
    check_serves(&pool);
}

fn error_value(bench: &Bench, at: At, how: How) {
    let tally = bench.tally("runs");
    let pool = bench.pool(2);
    let before = Neighbours::submit(&pool, &tally, 100..110);
    let good = pool.submit(fail::task(tally.clone(), At::Nowhere, how, 8));
    let future = pool.submit(fail::task(tally.clone(), at, how, 7)).unwrap();
    let behind = Neighbours::submit(&pool, &tally, 110..120);
    check(settle("the trapped error", future), how);
    let good = settle("the error value", good.unwrap()).unwrap();
    assert_eq!(good.unwrap_err().value, 8);
    assert_eq!((tally.count(7), tally.count(8)), (1, 1));
    before.check();
    behind.check();
    check_serves(&pool);
}

/// The bad items of the maps: at the start, in the middle and at the end of a chunk of five.
const BAD: [u64; 3] = [0, 7, 19];

fn argument_in_a_map(bench: &Bench, at: At, how: How) {
    let tally = bench.tally("runs");
    let pool = bench.pool(2);
    let tasks = || {
        let tally = tally.clone();
        (0..20).map(move |value| {
            let at = if BAD.contains(&value) {
                at
            } else {
                At::Nowhere
            };
            take::task(tally.clone(), Trap { at, how, value })
        })
    };
    step("a map");
    let results = pool.map(tasks()).chunk(5).collect::<Vec<_>>();
    check_map(&tally, results, how, 0, 1);
    step("a map with chunks as it pleases");
    let results = pool.map(tasks()).collect::<Vec<_>>();
    check_map(&tally, results, how, 0, 2);
    check_serves(&pool);
}

fn result_in_a_map(bench: &Bench, at: At, how: How) {
    let tally = bench.tally("runs");
    let pool = bench.pool(2);
    let tasks = || {
        let tally = tally.clone();
        (0..20).map(move |value| {
            let at = if BAD.contains(&value) {
                at
            } else {
                At::Nowhere
            };
            give::task(tally.clone(), at, how, value)
        })
    };
    let values = |results: Vec<Result<Trap, TaskError>>| {
        let value = |result: Result<Trap, _>| result.map(|trap| trap.value);
        results.into_iter().map(value).collect::<Vec<_>>()
    };
    step("a map");
    let results = values(pool.map(tasks()).chunk(5).collect());
    check_map(&tally, results, how, 1, 1);
    step("a map with chunks as it pleases");
    let results = values(pool.map(tasks()).collect());
    check_map(&tally, results, how, 2, 2);
    check_serves(&pool);
}

/// Only the bad items failed, and what ran has run once in each map.
#[track_caller]
fn check_map(
    tally: &Tally,
    results: Vec<Result<u64, TaskError>>,
    how: How,
    bad_runs: usize,
    runs: usize,
) {
    assert_eq!(results.len(), 20);
    for (value, result) in (0..).zip(results) {
        if BAD.contains(&value) {
            check(result, how);
            assert_eq!(tally.count(value), bad_runs, "runs of bad item {value}");
        } else {
            assert_eq!(result.unwrap(), value);
            assert_eq!(tally.count(value), runs, "runs of item {value}");
        }
    }
}
