//! Servers that die, freeze, and come back.

use std::time::Duration;

use executor_core::{ExecutorExt as _, Future as _};
use libtest_mimic::Trial;

use crate::support::{
    cluster::{LEASE, check_serves},
    guard::{add, eventually, pass, settle, step},
    tasks::{double, note, reverse},
};

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    add(trials, "servers::killed_ten_times", |bench| {
        const TASKS: u64 = 5_000;
        let tally = bench.tally("runs");
        let executor = bench.executor();
        let _worker = bench.worker(8);
        check_serves(&executor);
        let futures: Vec<_> = (0..TASKS)
            .map(|number| {
                executor
                    .submit(note::task(tally.clone(), number, 1))
                    .unwrap()
            })
            .collect();
        for kill in 0..10 {
            step(&format!("kill {kill}"));
            bench.server.kill();
            // Everybody notices that it is gone.
            pass(Duration::from_millis(20 * kill));
            bench.server.restart();
            pass(Duration::from_millis(100));
        }
        for (number, future) in (0..TASKS).zip(futures) {
            assert_eq!(settle(&format!("task {number}"), future).unwrap(), number);
        }
        let runs = tally.all();
        assert!(runs.len() >= TASKS as usize, "{} runs", runs.len());
        check_serves(&executor);
    });

    add(
        trials,
        "servers::frozen_for_longer_than_the_lease",
        |bench| {
            let tally = bench.tally("runs");
            let executor = bench.executor();
            let _worker = bench.worker(4);
            let futures: Vec<_> = (0..200)
                .map(|number| {
                    executor
                        .submit(note::task(tally.clone(), number, 10))
                        .unwrap()
                })
                .collect();
            eventually("some have run", || tally.all().len() >= 20);
            bench.server.freeze();
            pass(LEASE + Duration::from_secs(1));
            bench.server.thaw();
            for (number, future) in (0..).zip(futures) {
                assert_eq!(settle("a task", future).unwrap(), number);
            }
            check_serves(&executor);
        },
    );

    add(trials, "servers::restarted_with_tasks_that_wait", |bench| {
        const TASKS: u64 = 10_000;
        let executor = bench.executor();
        let futures: Vec<_> = (0..TASKS)
            .map(|number| executor.submit(double::task(number)).unwrap())
            .collect();
        eventually("all are with the server", || {
            executor.status().unwrap().pending == TASKS
        });
        bench.server.restart();
        let _worker = bench.worker(8);
        for (number, future) in (0..TASKS).zip(futures) {
            assert_eq!(
                settle(&format!("task {number}"), future).unwrap(),
                2 * number
            );
        }
    });

    add(trials, "servers::away_while_tasks_are_submitted", |bench| {
        let executor = bench.executor();
        let _worker = bench.worker(4);
        check_serves(&executor);
        bench.server.kill();
        let futures: Vec<_> = (0..100)
            .map(|number| executor.submit(double::task(number)).unwrap())
            .collect();
        assert!(futures.iter().all(|future| !future.is_done()));
        bench.server.restart();
        for (number, future) in (0..).zip(futures) {
            assert_eq!(
                settle("a task of the time without a server", future).unwrap(),
                2 * number
            );
        }
    });

    add(
        trials,
        "servers::killed_with_large_bodies_on_their_way",
        |bench| {
            const TASKS: u8 = 12;
            let executor = bench.executor();
            let _worker = bench.worker(4);
            check_serves(&executor);
            let futures: Vec<_> = (0..TASKS)
                .map(|number| {
                    let mut bytes = vec![number; 4 << 20];
                    bytes[0] = 255;
                    executor.submit(reverse::task(bytes)).unwrap()
                })
                .collect();
            for kill in 0..6 {
                step(&format!("kill {kill}"));
                pass(Duration::from_millis(150));
                bench.server.kill();
                bench.server.restart();
            }
            for (number, future) in (0..TASKS).zip(futures) {
                let bytes = settle(&format!("task {number}"), future).unwrap();
                let (last, rest) = bytes.split_last().unwrap();
                assert!(*last == 255 && rest.iter().all(|byte| *byte == number));
            }
        },
    );
}
