//! Law 6, and the part of law 7 that is about processes: workers that die.

use executor_core::{
    Executor as _, ExecutorExt as _, Future, PortableTask, ReturnWhen, Shutdown, TaskError,
    TaskErrorKind, wait,
};

use super::{
    Bench, Laws, Pool, REMOTE, failure,
    settle::join,
    value,
    workers::{is_alive, kill, pids},
};
use crate::{
    guard::{step, unit},
    latch::{Notes, eventually},
    script::{Crash, facts, perform, script},
    tasks::{Fails, Fickle, add, fickle_argument, fickle_output},
};

/// How a task brings its worker down, and what the error says of it.
const CRASHES: [(Crash, &str, &[&str]); 6] = [
    (Crash::Abort, "aborts", &["abrt", "abort", "6", "c0000409"]),
    (Crash::Exit(0), "exits_without_an_error", &["0"]),
    (Crash::Exit(3), "exits_with_an_error", &["3"]),
    (Crash::Fault, "faults", &["segv", "11"]),
    (Crash::Kill, "is_killed_from_outside", &["kill", "9"]),
    (
        Crash::Overflow,
        "overflows_its_stack",
        &["abrt", "abort", "segv", "6", "11", "c00000fd"],
    ),
];

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("law06_a_worker_that_dies_fails_only_the_task_it_was_running");
    for (crash, name, says) in CRASHES {
        // Signals are sent by the `kill` of Unix.
        if cfg!(not(unix)) && matches!(crash, Crash::Fault | Crash::Kill) {
            continue;
        }
        laws.case(format!("a_task_that_{name}"), REMOTE, move |bench| {
            a_death(bench, crash, says);
        });
    }
    laws.case("the_run_time_counts_from_the_start", REMOTE, |bench| {
        let pool = bench.pool(1);
        let task = script().pass(2 * unit()).crash(Crash::Abort).task();
        let error = failure(pool.start(task).unwrap());
        let ran_for = error.worker_death().expect("it died").ran_for;
        assert!(ran_for.is_some_and(|time| time >= 2 * unit()), "{error}");
    })
    .case("of_what_it_wrote_the_end_is_kept", REMOTE, |bench| {
        let pool = bench.pool(1);
        let flood = script().print("x".repeat(300_000)).print("the very end");
        let error = failure(pool.start(flood.crash(Crash::Abort).task()).unwrap());
        let death = error.worker_death().expect("it died");
        let tail = &death.stderr_tail;
        assert!(tail.contains("the very end"), "{} bytes", tail.len());
        assert!(tail.len() <= 100_000, "{} bytes were kept", tail.len());
    })
    .case("its_neighbours_are_not_hurt", REMOTE, |bench| {
        let (pool, gate) = (bench.pool(2), bench.gate("the neighbour"));
        let neighbour = bench.hold(&pool, &gate);
        died(&failure(pool.start(crashes()).unwrap()));
        assert!(neighbour.is_running());
        gate.open();
        assert_eq!(value(neighbour), 0);
    })
    .case("what_is_queued_behind_it_runs", REMOTE, |bench| {
        let (pool, notes) = (bench.pool(1), bench.notes());
        let (started, gate) = (bench.gate("the task that dies"), bench.gate("its end"));
        let dies = script().open(&started).wait(&gate).crash(Crash::Abort);
        let dies = pool.start(dies.task()).unwrap();
        started.wait();
        let queued: Vec<_> = (0..20).map(|n| noted(&pool, &notes, n)).collect();
        gate.open();
        died(&failure(dies));
        queued.into_iter().map(value).for_each(|_| ());
        assert_eq!(notes.sorted(), (0..20).collect::<Vec<_>>());
    })
    .case(
        "what_is_queued_behind_it_can_be_cancelled",
        REMOTE,
        |bench| {
            let (pool, notes) = (bench.pool(1), bench.notes());
            let (started, gate) = (bench.gate("the task that dies"), bench.gate("its end"));
            let dies = script().open(&started).wait(&gate).crash(Crash::Abort);
            let dies = pool.start(dies.task()).unwrap();
            started.wait();
            let queued: Vec<_> = (0..20).map(|n| noted(&pool, &notes, n)).collect();
            assert!(queued.iter().step_by(2).all(Future::cancel));
            gate.open();
            died(&failure(dies));
            for future in queued {
                future.wait();
            }
            assert_eq!(
                notes.sorted(),
                (0..20).skip(1).step_by(2).collect::<Vec<_>>()
            );
        },
    )
    .case("one_after_the_other", REMOTE, |bench| {
        let pool = bench.pool(1);
        for n in 0..6 {
            died(&failure(pool.start(crashes()).unwrap()));
            assert_eq!(value(pool.number(n)), n);
        }
    })
    .case("many_among_others", REMOTE, |bench| {
        let (pool, notes) = (bench.pool(2), bench.notes());
        let futures: Vec<_> = (0..60)
            .map(|n| {
                let task = script().note(&notes, n).gives(u64::from(n));
                let task = if n % 10 == 9 {
                    task.crash(Crash::Exit(1))
                } else {
                    task
                };
                pool.start(task.task()).unwrap()
            })
            .collect();
        for (n, future) in (0..).zip(futures) {
            match future.result() {
                Ok(value) => assert_eq!((value, n % 10 != 9), (n, true)),
                Err(error) => {
                    died(&error);
                    assert_eq!(n % 10, 9, "{error}");
                }
            }
        }
        assert_eq!(notes.sorted(), (0..60).collect::<Vec<_>>());
    })
    .case("a_drain_goes_on", REMOTE, |bench| {
        let jam = bench.jam();
        let (dies, behind) = (jam.pool.start(crashes()).unwrap(), jam.number(1));
        jam.pool.shutdown(Shutdown::Drain).unwrap();
        let pool = jam.opened();
        join(&*pool);
        assert!(dies.is_done() && behind.is_done());
        died(&failure(dies));
        assert_eq!(value(behind), 1);
    })
    .case("the_drop_of_the_pool_goes_on", REMOTE, |bench| {
        let jam = bench.jam();
        let (dies, behind) = (jam.pool.start(crashes()).unwrap(), jam.number(1));
        step("the drop of the pool");
        drop(jam);
        assert!(dies.is_done() && behind.is_done());
        assert_eq!(value(behind), 1);
    })
    .case("a_wait_for_the_first_failure_ends", REMOTE, |bench| {
        let (pool, gate) = (bench.pool(2), bench.gate("the slow task"));
        let slow = bench.hold(&pool, &gate);
        let dies = pool.start(crashes()).unwrap();
        step("the first failure");
        let waited = wait([slow, dies], ReturnWhen::FirstException, None);
        gate.open();
        assert_eq!((waited.done.len(), waited.not_done.len()), (1, 1));
    })
    .case("the_figures_count_it_as_failed", REMOTE, |bench| {
        let pool = bench.pool(2);
        died(&failure(pool.start(crashes()).unwrap()));
        assert_eq!(value(pool.number(1)), 1);
        pool.shutdown(Shutdown::Drain).unwrap();
        join(&*pool);
        let stats = pool.stats();
        assert_eq!((stats.succeeded, stats.failed), (1, 1), "{stats:?}");
    });
    map_laws(laws);
    idle_laws(laws);
    codec_laws(laws);
}

fn map_laws(laws: &mut Laws) {
    laws.law("law06_in_a_map_the_item_that_dies_is_the_only_error");
    for chunk in [1, 7, 64] {
        laws.case(format!("in_chunks_of_{chunk}"), REMOTE, move |bench| {
            in_a_map(bench, chunk, &[11]);
        })
        .case(
            format!("several_in_chunks_of_{chunk}"),
            REMOTE,
            move |bench| {
                in_a_map(bench, chunk, &[0, 3, 4, 29]);
            },
        );
    }
    laws.case("unordered", REMOTE, |bench| {
        let (pool, notes) = (bench.pool(2), bench.notes());
        let results = pool.map(items(&notes, &[5])).chunk(4).unordered();
        let (good, bad): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
        assert_eq!((good.len(), bad.len()), (29, 1));
        assert_eq!(notes.sorted(), (0..30).collect::<Vec<_>>());
    });
}

fn idle_laws(laws: &mut Laws) {
    if cfg!(not(unix)) {
        return;
    }
    laws.law("law06_the_death_of_an_idle_worker_is_repaired_silently")
        .case("one_of_two", REMOTE, |bench| {
            let pool = bench.pool(2);
            let before = pids(bench, &pool);
            kill(before[0]);
            eventually("the worker to die", || !is_alive(before[0]));
            for n in 0..20 {
                assert_eq!(value(pool.number(n)), n);
            }
            let after = pids(bench, &pool);
            assert!(!after.contains(&before[0]) && after.contains(&before[1]));
        })
        .case("all", REMOTE, |bench| {
            let pool = bench.pool(2);
            let before = pids(bench, &pool);
            before.into_iter().for_each(kill);
            for n in 0..20 {
                assert_eq!(value(pool.number(n)), n);
            }
            assert!(pids(bench, &pool).iter().all(|pid| !before.contains(pid)));
        })
        .case("again_and_again", REMOTE, |bench| {
            let pool = bench.pool(1);
            for n in 0..5 {
                kill(value(pool.start(facts::task(None)).unwrap()).pid);
                assert_eq!(value(pool.number(n)), n);
            }
        });
}

fn codec_laws(laws: &mut Laws) {
    laws.law("law07_a_crash_in_the_codec_fails_that_task_alone")
        .case("while_the_argument_is_decoded", REMOTE, |bench| {
            let fails = Fails::DecodeAborts;
            dies_alone(bench, || fickle_argument::task(Fickle { fails, value: 1 }));
        })
        .case("while_the_output_is_encoded", REMOTE, |bench| {
            dies_alone(bench, || fickle_output::task(Fails::EncodeAborts, 1));
        })
        .case("in_a_map", REMOTE, |bench| {
            let executor = bench.executor();
            let fails = |n| {
                if n == 5 {
                    Fails::EncodeAborts
                } else {
                    Fails::Nowhere
                }
            };
            let calls = (0..10).map(|n| fickle_output::task(fails(n), n));
            let results: Vec<_> = executor.map(calls).chunk(4).collect();
            assert_eq!(results.len(), 10);
            for (n, result) in results.into_iter().enumerate() {
                assert_eq!(result.is_ok(), n != 5, "item {n}");
            }
        });
}

fn a_death(bench: &Bench, crash: Crash, says: &[&str]) {
    let pool = bench.pool(1);
    let worker = value(pool.start(facts::task(None)).unwrap());
    let task = script().print("last words").crash(crash).task();
    let error = failure(pool.start(task).unwrap());
    died(&error);
    let death = error.worker_death().expect("it says how the worker died");
    assert_eq!(death.pid, Some(worker.pid), "{error}");
    let status = death.status.to_lowercase();
    assert!(says.iter().any(|word| status.contains(word)), "{error}");
    assert!(death.ran_for.is_some(), "{error}");
    assert!(death.stderr_tail.contains("last words"), "{error}");
    assert!(error.to_string().contains(&death.status), "{error}");
    assert_eq!(value(pool.number(5)), 5, "the pool goes on");
}

/// Of thirty items some die; the others have their results, and each was started once.
fn in_a_map(bench: &Bench, chunk: usize, dying: &[u32]) {
    let (pool, notes) = (bench.pool(2), bench.notes());
    step("a map with items that die");
    let results: Vec<_> = pool
        .map(items(&notes, dying))
        .window(64)
        .chunk(chunk)
        .collect();
    assert_eq!(results.len(), 30);
    for (n, result) in (0..).zip(results) {
        match result {
            Ok(value) => assert_eq!(value, u64::from(n)),
            Err(error) => {
                assert!(dying.contains(&n), "item {n} is not to fail: {error}");
                died(&error);
            }
        }
    }
    assert_eq!(notes.sorted(), (0..30).collect::<Vec<_>>(), "runs");
}

fn items(notes: &Notes, dying: &[u32]) -> impl Iterator<Item = perform> {
    (0..30).map(|n| {
        let item = script().note(notes, n).gives(u64::from(n));
        let item = if dying.contains(&n) {
            item.crash(Crash::Abort)
        } else {
            item
        };
        item.task()
    })
}

fn dies_alone<T: PortableTask>(bench: &Bench, call: impl Fn() -> T) {
    let executor = bench.executor();
    for n in 0..3 {
        let future = executor.submit(call());
        let Ok(future) = future.map_err(|error| error.into_parts().1) else {
            panic!("the failure is the task's, not the submission's")
        };
        died(&failure(future));
        assert_eq!(value(executor.submit(add::task(n, 1)).unwrap()), n + 1);
    }
}

fn crashes() -> perform {
    script().crash(Crash::Abort).task()
}

#[track_caller]
fn noted(pool: &Pool, notes: &Notes, number: u32) -> executor_core::TaskFuture<u64> {
    pool.start(script().note(notes, number).task())
        .expect("an open pool accepts tasks")
}

#[track_caller]
fn died(error: &TaskError) {
    assert!(
        matches!(error.kind(), TaskErrorKind::WorkerDied(_)),
        "{error}"
    );
    assert!(error.is_worker_died() && error.may_have_run(), "{error}");
}
