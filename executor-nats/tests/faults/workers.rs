//! Workers that die, freeze, drain, or do not know a task.

use std::time::{Duration, Instant};

use executor_core::{ExecutorExt as _, Future as _, TaskErrorKind};
use libtest_mimic::Trial;

use crate::support::{
    cluster::{LEASE, WorkerProcess, check_serves},
    guard::{add, eventually, settle, step},
    roles::OLD,
    tasks::{OnlyNew, crash, hold, identity, kill_worker, note},
};

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    add(trials, "workers::killed_with_tasks", |bench| {
        let tally = bench.tally("runs");
        let executor = bench.executor();
        let mut first = bench.worker(4);
        let _second = bench.worker(4);
        let futures: Vec<_> = (0..400)
            .map(|number| {
                executor
                    .submit(note::task(tally.clone(), number, 10))
                    .unwrap()
            })
            .collect();
        eventually("a tenth has run", || tally.all().len() >= 40);
        first.kill();
        let killed = Instant::now();
        for (number, future) in (0..).zip(futures) {
            assert_eq!(
                settle("a task of the worker that was killed", future).unwrap(),
                number
            );
        }
        // What the dead one had begun waits for its lease, and no longer.
        assert!(
            killed.elapsed() < LEASE + Duration::from_secs(20),
            "{:?}",
            killed.elapsed()
        );
        let runs = tally.all().len();
        assert!(
            (400..=404).contains(&runs),
            "{runs} runs: at most its 4 slots run again"
        );
    });

    add(trials, "workers::child_dies", |bench| {
        let tally = bench.tally("runs");
        let executor = bench.executor();
        let _worker = bench.worker(4);
        let (started, until) = (bench.gate("started"), bench.gate("until"));
        let neighbour = executor
            .submit(hold::task(tally.clone(), 1, started.clone(), until.clone()))
            .unwrap();
        started.wait();
        let submitted = Instant::now();
        let future = executor.submit(crash::task(tally.clone(), 2)).unwrap();
        let error = settle("the task that crashes", future).unwrap_err();
        // Far less than a lease: a dead child is seen, and not waited for.
        assert!(submitted.elapsed() < LEASE, "{:?}", submitted.elapsed());
        let death = error.worker_death().unwrap_or_else(|| panic!("{error}"));
        assert!(death.status.contains("signal: 6"), "{death:?}");
        assert!(death.stderr_tail.contains("ends its process"), "{death:?}");
        assert_eq!(tally.count(2), 1, "it is not run again");
        until.open();
        assert_eq!(
            settle("the neighbour", neighbour).unwrap(),
            1,
            "its first attempt"
        );
        check_serves(&executor);
    });

    add(trials, "workers::task_that_kills_every_worker", |bench| {
        let tally = bench.tally("runs");
        let executor = bench.executor();
        let future = executor
            .submit(kill_worker::task(tally.clone(), 7))
            .unwrap();
        // Whoever runs it dies; so there is always one more.
        let mut worker = bench.worker(1);
        step("the task has brought down its workers");
        let mut deaths = 0;
        while !future.is_done() {
            assert!(deaths < 10, "it runs again and again");
            eventually("its worker has died, or the task is done", || {
                worker.ended().is_some() || future.is_done()
            });
            if worker.ended().is_some() {
                deaths += 1;
                worker = bench.worker(1);
            }
        }
        let error = settle("the poisonous task", future).unwrap_err();
        assert!(
            matches!(error.kind(), TaskErrorKind::WorkerLost { attempts: 3 }),
            "{error:?}"
        );
        assert_eq!(tally.count(7), 3);
        check_serves(&executor);
    });

    add(
        trials,
        "workers::frozen_for_longer_than_the_lease",
        |bench| {
            let tally = bench.tally("runs");
            let executor = bench.executor();
            let frozen = bench.worker(1);
            let (started, until) = (bench.gate("started"), bench.gate("until"));
            let future = executor
                .submit(hold::task(tally, 1, started.clone(), until.clone()))
                .unwrap();
            started.wait();
            frozen.freeze();
            until.open();
            let second = bench.worker(1);
            let attempt = settle("the task of the frozen worker", future).unwrap();
            assert!(attempt >= 2, "attempt {attempt}");
            // The first one comes back late, with a second outcome that nobody takes.
            frozen.thaw();
            check_serves(&executor);
            drop(second);
            check_serves(&executor);
        },
    );

    add(trials, "workers::long_task_keeps_its_lease", |bench| {
        let tally = bench.tally("runs");
        let executor = bench.executor();
        let (_one, _other) = (bench.worker(1), bench.worker(1));
        let three = u64::try_from(3 * LEASE.as_millis()).unwrap();
        let future = executor
            .submit(note::task(tally.clone(), 1, three))
            .unwrap();
        assert_eq!(settle("a task of three leases", future).unwrap(), 1);
        assert_eq!(tally.count(1), 1, "a worker that lives keeps its task");
    });

    add(trials, "workers::drains_on_sigterm", |bench| {
        let tally = bench.tally("runs");
        let executor = bench.executor();
        let mut worker = bench.worker(1);
        let (started, until) = (bench.gate("started"), bench.gate("until"));
        let running = executor
            .submit(hold::task(tally.clone(), 1, started.clone(), until.clone()))
            .unwrap();
        started.wait();
        let waiting = executor.submit(note::task(tally.clone(), 2, 0)).unwrap();
        worker.terminate();
        assert!(worker.ended().is_none(), "it finishes what it runs");
        until.open();
        assert_eq!(settle("what ran", running).unwrap(), 1);
        eventually("the worker has ended", || worker.ended().is_some());
        assert!(worker.ended().unwrap().success(), "{:?}", worker.ended());
        assert_eq!(tally.count(2), 0, "it takes nothing new");
        let _next = bench.worker(1);
        assert_eq!(settle("what waited", waiting).unwrap(), 2);
        assert_eq!((tally.count(1), tally.count(2)), (1, 1));
    });

    add(trials, "workers::rolling_deploy", |bench| {
        let executor = bench.executor();
        let url = bench.server.url();
        let old = WorkerProcess::start_with(&url, 1, &[(OLD, "1")]);
        let future = executor.submit(OnlyNew(20)).unwrap();
        // The old one knows the others, and is not held up.
        check_serves(&executor);
        assert!(!future.is_done(), "nobody knows it");
        let _new = bench.worker(1);
        assert_eq!(
            settle("the task that only the new one knows", future).unwrap(),
            21
        );
        drop(old);
        check_serves(&executor);
    });

    add(trials, "workers::a_task_that_nobody_knows", |bench| {
        let executor = bench.executor();
        let url = bench.server.url();
        let _old = WorkerProcess::start_with(&url, 1, &[(OLD, "1")]);
        let future = executor.submit(OnlyNew(20)).unwrap();
        let error = settle("the task that nobody knows", future).unwrap_err();
        assert!(error.to_string().contains("faults.only_new"), "{error}");
        check_serves(&executor);
    });

    add(trials, "workers::ids_and_attempts", |bench| {
        let executor = bench.executor();
        let _worker = bench.worker(2);
        let mut ids = Vec::new();
        for _ in 0..3 {
            let future = executor.submit(identity::task()).unwrap();
            let (id, attempt) = settle("a task that asks who it is", future).unwrap();
            ids.push(id.expect("it has an id"));
            assert_eq!(attempt, 1);
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 3, "each has its own: {ids:?}");
    });
}
