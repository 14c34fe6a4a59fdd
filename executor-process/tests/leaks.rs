//! Crashes, storms of them, and many pools: afterwards nothing is left of them, and no task is lost or run
//! twice.
//!
//! The trials count what the whole process has, so they run one after another, in a program of their own.

#![cfg_attr(
    target_os = "linux",
    expect(
        clippy::unwrap_used,
        reason = "these are tests: an unwrap that fails is what they look for"
    )
)]

#[cfg(target_os = "linux")]
#[expect(dead_code, reason = "these trials use a part of it")]
#[path = "faults/support/mod.rs"]
mod support;

/// The trials look into `/proc`.
#[cfg(not(target_os = "linux"))]
fn main() {
    executor_process::init();
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    executor_process::init();
    let mut arguments = libtest_mimic::Arguments::from_args();
    arguments.test_threads = Some(1);
    let mut trials = Vec::new();
    linux::add_to(&mut trials);
    libtest_mimic::run(&arguments, trials).exit_code()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        collections::{BTreeMap, BTreeSet},
        fmt,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        thread,
        time::Duration,
    };

    use executor_core::{Executor as _, ExecutorExt as _, TaskError, TaskErrorKind, context};
    use executor_macros::task;
    use executor_process::ProcessPoolExecutor;
    use libtest_mimic::Trial;
    use rustix::process::Signal;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::support::{
        guard::{Bench, add, check_serves, eventually, pass, settle, step},
        latch::Tally,
        procfs,
        tasks::{Crash, crash, double, note},
    };

    pub(super) fn add_to(trials: &mut Vec<Trial>) {
        add(trials, "leaks::thousand_crashes", thousand_crashes);
        add(trials, "leaks::storm", storm);
        add(trials, "leaks::storm_of_waiters", storm_of_waiters);
        add(trials, "leaks::storm_of_maps", storm_of_maps);
        add(trials, "leaks::two_hundred_pools", two_hundred_pools);
    }

    /// What this process has that could be forgotten.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Holdings {
        descriptors: usize,
        threads: usize,
        children: usize,
        zombies: usize,
    }

    impl Holdings {
        fn now() -> Self {
            let children = procfs::children();
            Self {
                descriptors: procfs::descriptors(),
                threads: procfs::threads(),
                children: children.len(),
                zombies: children.iter().filter(|(_, is_zombie)| *is_zombie).count(),
            }
        }
    }

    /// How much memory this process has in use.
    fn resident() -> u64 {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
        pages * rustix::param::page_size() as u64
    }

    impl Holdings {
        /// What there is once nothing changes any more: threads may be ending.
        fn settled() -> Self {
            let mut last = Self::now();
            let mut unchanged = 0;
            while unchanged < 20 {
                pass(Duration::from_millis(2));
                let now = Self::now();
                unchanged = if now == last { unchanged + 1 } else { 0 };
                last = now;
            }
            last
        }

        fn is_within(self, before: Self) -> bool {
            self.descriptors <= before.descriptors
                && self.threads <= before.threads
                && self.children <= before.children
                && self.zombies <= before.zombies
        }
    }

    /// No more than before, once the last has been cleared away.
    #[track_caller]
    fn check_holdings(before: Holdings) {
        let mut now = Holdings::now();
        for _ in 0..5000 {
            if now.is_within(before) {
                return;
            }
            pass(Duration::from_millis(1));
            now = Holdings::now();
        }
        assert_eq!(now, before, "now and before");
    }

    #[track_caller]
    fn wait_until_complete(pool: &ProcessPoolExecutor, workers: usize) {
        eventually("all workers are ready", || {
            pool.stats().workers == workers && pool.worker_pids().len() == workers
        });
    }

    fn thousand_crashes(bench: &Bench) {
        let tally = bench.tally("runs");
        let pool = bench.pool(2);
        let crash_often = |numbers: std::ops::Range<u64>| {
            let count = numbers.end - numbers.start;
            let futures: Vec<_> = numbers
                .map(|number| {
                    let how = [Crash::Kill, Crash::Exit(0), Crash::Exit(3)][number as usize % 3];
                    pool.submit(crash::task(how, tally.clone(), number))
                        .unwrap()
                })
                .collect();
            let died = futures
                .into_iter()
                .map(|future| settle("a task that crashes", future).unwrap_err())
                .filter(TaskError::is_worker_died)
                .count();
            assert_eq!(died as u64, count);
            wait_until_complete(&pool, 2);
            check_serves(&pool);
        };
        crash_often(0..100);
        let (before, used) = (Holdings::settled(), resident());
        for hundred in 1..11 {
            crash_often(100 * hundred..100 * (hundred + 1));
        }
        check_holdings(before);
        let growth = resident().saturating_sub(used);
        println!("1000 crashes: {} KiB more memory in use", growth / 1024);
        assert!(growth <= 1 << 20, "{growth} bytes more in use");
        let mut runs = tally.all();
        runs.sort_unstable();
        assert!(runs.into_iter().eq(0..1100), "each ran once");
    }

    /// Aborts a worker where it is armed.
    #[derive(Clone, Copy)]
    struct Bomb<const DECODE: bool> {
        is_armed: bool,
    }

    impl<const DECODE: bool> Bomb<DECODE> {
        fn pass(self, decodes: bool) {
            if self.is_armed && decodes == DECODE && context::worker_index().is_some() {
                Crash::Abort.happen()
            }
        }
    }

    impl<const DECODE: bool> fmt::Debug for Bomb<DECODE> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Bomb")
        }
    }

    impl<const DECODE: bool> Serialize for Bomb<DECODE> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.pass(false);
            self.is_armed.serialize(serializer)
        }
    }

    impl<'de, const DECODE: bool> Deserialize<'de> for Bomb<DECODE> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let is_armed = Deserialize::deserialize(deserializer)?;
            let bomb = Self { is_armed };
            bomb.pass(true);
            Ok(bomb)
        }
    }

    /// Where a task of the storm crashes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    enum At {
        Nowhere,
        Decoding,
        Running,
        Encoding,
    }

    #[task(crate = "executor_core")]
    fn risk(bomb: Bomb<true>, at: At, tally: Tally, number: u64) -> (u64, Bomb<false>) {
        assert!(!bomb.is_armed);
        tally.bump(number);
        match at {
            At::Running => Crash::Abort.happen(),
            _ => {
                let is_armed = at == At::Encoding;
                (number, Bomb { is_armed })
            }
        }
    }

    /// Numbers that look random, the same in each run.
    struct Random(u64);

    impl Random {
        const fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }
    }

    /// Kills a worker now and then, until it is told to stop; whom.
    fn hunt(
        pool: ProcessPoolExecutor,
        is_over: Arc<AtomicBool>,
    ) -> thread::JoinHandle<BTreeSet<u32>> {
        thread::spawn(move || {
            let mut random = Random(0x2545_f491_4f6c_dd1d);
            let mut killed = BTreeSet::new();
            while !is_over.load(Ordering::Relaxed) {
                pass(Duration::from_micros(5_000 + random.next() % 20_000));
                let pids = pool.worker_pids();
                // Five in a row that are shot in their boot would break the pool.
                if pool.stats().workers > 0 && !pids.is_empty() {
                    let pid = pids[random.next() as usize % pids.len()];
                    procfs::signal(pid, Signal::KILL);
                    killed.insert(pid);
                }
            }
            killed
        })
    }

    fn storm(bench: &Bench) {
        let tally = bench.tally("runs");
        let pool = bench.pool(3);
        let is_over = Arc::new(AtomicBool::new(false));
        let hunter = hunt(pool.clone(), Arc::clone(&is_over));
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let fates: Vec<At> = (0..10_000)
            .map(|_| match random.next() % 300 {
                0 => At::Decoding,
                1 => At::Running,
                2 => At::Encoding,
                _ => At::Nowhere,
            })
            .collect();
        step("the storm begins");
        let futures: Vec<_> = (0..)
            .zip(&fates)
            .map(|(number, at)| {
                let is_armed = *at == At::Decoding;
                let task = risk::task(Bomb { is_armed }, *at, tally.clone(), number);
                pool.submit(task).unwrap()
            })
            .collect();
        let results: Vec<_> = futures
            .into_iter()
            .enumerate()
            .map(|(number, future)| settle(&format!("task {number} of the storm"), future))
            .collect();
        is_over.store(true, Ordering::Relaxed);
        let killed = hunter.join().unwrap();
        let mut runs = BTreeMap::<u64, usize>::new();
        for number in tally.all() {
            *runs.entry(number).or_default() += 1;
        }
        let mut shot = BTreeSet::new();
        for ((number, at), result) in (0..).zip(fates).zip(results) {
            let ran = runs.get(&number).copied().unwrap_or(0);
            match result {
                Ok((answer, _)) => {
                    assert_eq!((at, answer, ran), (At::Nowhere, number, 1));
                }
                Err(error) => {
                    let TaskErrorKind::WorkerDied(death) = error.kind() else {
                        panic!("task {number}: {error:?}");
                    };
                    let pid = death.pid.unwrap();
                    if death.status.contains("signal: 9") {
                        assert!(killed.contains(&pid), "task {number}: {death:?}");
                        assert!(shot.insert(pid), "{pid} took two tasks with it: {death:?}");
                        assert!(ran <= 1, "task {number} ran {ran} times");
                    } else {
                        assert!(death.status.contains("signal: 6"), "{death:?}");
                        assert_ne!(at, At::Nowhere, "task {number}: {death:?}");
                        assert_eq!(ran, usize::from(at != At::Decoding), "task {number}");
                    }
                }
            }
        }
        println!(
            "storm: {} workers were shot, {} tasks with them",
            killed.len(),
            shot.len()
        );
        check_serves(&pool);
    }

    /// The worker that was shot with a task, or `None` if the task gave its number.
    #[track_caller]
    fn victim_of(number: u64, result: Result<u64, TaskError>) -> Option<u32> {
        match result {
            Ok(answer) => {
                assert_eq!(answer, number);
                None
            }
            Err(error) => {
                let TaskErrorKind::WorkerDied(death) = error.kind() else {
                    panic!("task {number}: {error:?}");
                };
                assert!(
                    death.status.contains("signal: 9"),
                    "task {number}: {death:?}"
                );
                death.pid
            }
        }
    }

    /// Whoever gave a result ran once, and each that did not was shot, alone.
    #[track_caller]
    fn check_shots(tally: &Tally, victims: &[(u64, Option<u32>)], killed: &BTreeSet<u32>) {
        let mut runs = BTreeMap::<u64, usize>::new();
        for number in tally.all() {
            *runs.entry(number).or_default() += 1;
        }
        let mut shot = BTreeSet::new();
        for (number, victim) in victims {
            let ran = runs.get(number).copied().unwrap_or(0);
            match victim {
                None => assert_eq!(ran, 1, "runs of task {number}"),
                Some(pid) => {
                    assert!(ran <= 1, "task {number} ran {ran} times");
                    assert!(killed.contains(pid), "nobody has shot {pid}");
                    assert!(shot.insert(*pid), "{pid} took two tasks with it");
                }
            }
        }
        let (workers, tasks) = (killed.len(), shot.len());
        println!("{workers} workers were shot, {tasks} tasks with them");
    }

    /// Each waits for each task, and so reads the answers of the workers itself.
    fn storm_of_waiters(bench: &Bench) {
        const EACH: u64 = 1500;
        let tally = bench.tally("runs");
        for workers in [1, 3] {
            let pool = bench.pool(workers);
            let is_over = Arc::new(AtomicBool::new(false));
            let hunter = hunt(pool.clone(), Arc::clone(&is_over));
            step("the storm of waiters");
            let victims: Vec<_> = thread::scope(|scope| {
                let waiters: Vec<_> = (0..workers as u64)
                    .map(|waiter| {
                        let base = 100_000 * workers as u64 + EACH * waiter;
                        let (pool, tally) = (&pool, &tally);
                        scope.spawn(move || {
                            let call = |number| {
                                let future = pool.submit(note::task(tally.clone(), number));
                                let result = settle("a task in the storm", future.unwrap());
                                (number, victim_of(number, result))
                            };
                            (base..base + EACH).map(call).collect::<Vec<_>>()
                        })
                    })
                    .collect();
                let join = |waiter: thread::ScopedJoinHandle<'_, _>| waiter.join().unwrap();
                waiters.into_iter().flat_map(join).collect()
            });
            is_over.store(true, Ordering::Relaxed);
            check_shots(&tally, &victims, &hunter.join().unwrap());
            check_serves(&pool);
        }
    }

    /// A chunk whose worker is shot loses one item; those before it count, those behind it run elsewhere.
    fn storm_of_maps(bench: &Bench) {
        let tally = bench.tally("runs");
        let pool = bench.pool(3);
        let is_over = Arc::new(AtomicBool::new(false));
        let hunter = hunt(pool.clone(), Arc::clone(&is_over));
        let mut victims = Vec::new();
        for round in 0..4 {
            step("a map in the storm");
            let numbers = 5000 * round..5000 * (round + 1);
            let tasks = numbers
                .clone()
                .map(|number| note::task(tally.clone(), number));
            let results = pool.map(tasks).chunk(40 * round as usize + 1);
            victims.extend(
                numbers
                    .zip(results)
                    .map(|(number, result)| (number, victim_of(number, result))),
            );
        }
        assert_eq!(victims.len(), 20_000);
        is_over.store(true, Ordering::Relaxed);
        check_shots(&tally, &victims, &hunter.join().unwrap());
        check_serves(&pool);
    }

    fn two_hundred_pools(bench: &Bench) {
        let mut before = Holdings::now();
        for round in 0..205 {
            if round == 5 {
                // With what a thread that waits keeps from its first time on.
                before = Holdings::settled();
            }
            let pool = bench.pool(2);
            if round % 2 == 0 {
                let future = pool.submit(double::task(round)).unwrap();
                assert_eq!(settle("a task", future).unwrap(), 2 * round);
            }
            step("the pool is dropped");
            drop(pool);
        }
        check_holdings(before);
    }
}
