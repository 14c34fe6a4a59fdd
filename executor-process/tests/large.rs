//! Large arguments and results: whole, in order, and whatever happens to their workers. Over both transports, of
//! which one has shared memory for them.

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
    // Some trials look at what the whole process has.
    arguments.test_threads = Some(1);
    let mut trials = Vec::new();
    linux::add_to(&mut trials);
    libtest_mimic::run(&arguments, trials).exit_code()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{fs, os::unix::fs::MetadataExt as _, sync::Mutex};

    use executor_core::{Blob, ExecutorExt as _, Future as _, TaskErrorKind, TaskFuture};
    use executor_macros::task;
    use executor_process::{OnCrash, ProcessPoolExecutor};
    use libtest_mimic::Trial;
    use rustix::process::Signal;
    use serde::{Deserialize, Serialize, Serializer, ser};

    use crate::support::{
        guard::{Bench, add, check_serves, eventually, settle},
        latch::Tally,
        procfs,
        tasks::{double, hold},
    };

    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;

    pub(super) fn add_to(trials: &mut Vec<Trial>) {
        add(trials, "every_size_comes_back", every_size_comes_back);
        add(trials, "every_kind_comes_back", every_kind_comes_back);
        add(trials, "many_at_once", many_at_once);
        add(
            trials,
            "more_than_there_is_room_for",
            more_than_there_is_room_for,
        );
        add(trials, "larger_than_all_room", larger_than_all_room);
        add(
            trials,
            "results_taken_late_or_never",
            results_taken_late_or_never,
        );
        add(
            trials,
            "a_result_outlives_its_worker",
            a_result_outlives_its_worker,
        );
        add(
            trials,
            "a_result_outlives_its_pool",
            a_result_outlives_its_pool,
        );
        add(trials, "crashes_leave_no_hole", crashes_leave_no_hole);
        add(trials, "a_retry_has_its_argument", a_retry_has_its_argument);
        add(
            trials,
            "what_is_taken_back_is_free",
            what_is_taken_back_is_free,
        );
        add(
            trials,
            "a_kept_argument_stays_as_it_is",
            a_kept_argument_stays_as_it_is,
        );
        add(trials, "items_of_chunks", items_of_chunks);
        add(
            trials,
            "half_an_encoding_is_no_result",
            half_an_encoding_is_no_result,
        );
    }

    /// Bytes that no other seed has.
    fn pattern(seed: usize, len: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..len.min(251)).map(|n| (n * 31 + seed) as u8).collect();
        while bytes.len() < len {
            let more = bytes.len().min(len - bytes.len());
            bytes.extend_from_within(..more);
        }
        // So that whole copies that are shifted are told apart.
        for (n, place) in (0..len).step_by(64 * KIB).enumerate() {
            bytes[place] = (n * 7 + seed) as u8;
        }
        bytes
    }

    #[track_caller]
    fn check(bytes: &[u8], seed: usize, len: usize) {
        assert_eq!(bytes.len(), len);
        // Not `assert_eq`: it would print them.
        assert!(bytes == pattern(seed, len), "other bytes than {seed}");
    }

    #[task(crate = "executor_core")]
    fn echo(bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    #[task(crate = "executor_core")]
    fn echo_blob(blob: Blob) -> Blob {
        blob
    }

    #[task(crate = "executor_core")]
    fn echo_text(text: String) -> Result<Option<String>, String> {
        Ok(Some(text))
    }

    #[task(crate = "executor_core")]
    fn echo_both(first: Blob, between: u64, second: Vec<u8>) -> (Vec<u8>, u64, Blob) {
        (first.to_vec(), between, second.into())
    }

    #[task(crate = "executor_core")]
    fn echo_numbers(numbers: Vec<u64>) -> Vec<u64> {
        numbers
    }

    #[task(crate = "executor_core")]
    fn perhaps(bytes: Option<Vec<u8>>) -> Option<Vec<u8>> {
        bytes
    }

    #[task(crate = "executor_core")]
    fn make(seed: usize, len: usize) -> Vec<u8> {
        pattern(seed, len)
    }

    #[task(crate = "executor_core")]
    fn is_pattern(bytes: Blob, seed: usize) -> bool {
        *bytes == pattern(seed, bytes.len())
    }

    fn every_size_comes_back(bench: &Bench) {
        let pool = bench.pool(2);
        let around = [64 * KIB, 128 * KIB, 256 * KIB, MIB]
            .map(|size| [size - 64, size - 6, size - 1, size, size + 1]);
        for len in [0, 1, 2, 254, 255, 256, 4096]
            .into_iter()
            .chain(around.as_flattened().iter().copied())
        {
            let bytes = pool.submit(echo::task(pattern(len, len))).unwrap();
            let blob = pool
                .submit(echo_blob::task(pattern(len + 1, len).into()))
                .unwrap();
            check(&settle("bytes", bytes).unwrap(), len, len);
            check(&settle("a blob", blob).unwrap(), len + 1, len);
        }
    }

    fn every_kind_comes_back(bench: &Bench) {
        let pool = bench.pool(1);
        let text = "ä🦀".repeat(100_000);
        let echoed = pool.submit(echo_text::task(text.clone())).unwrap();
        assert!(settle("a text", echoed).unwrap() == Ok(Some(text)));
        for (first, second) in [
            (MIB, MIB),
            (10, MIB),
            (MIB, 10),
            (64 * KIB, 64 * KIB),
            (MIB, 70 * KIB),
        ] {
            let both = echo_both::task(pattern(1, first).into(), 5, pattern(2, second));
            let (one, between, two) = settle("both", pool.submit(both).unwrap()).unwrap();
            check(&one, 1, first);
            assert_eq!(between, 5);
            check(&two, 2, second);
        }
        let numbers: Vec<u64> = (0..100_000).collect();
        let echoed = pool.submit(echo_numbers::task(numbers.clone())).unwrap();
        assert!(settle("numbers", echoed).unwrap() == numbers);
        for bytes in [None, Some(Vec::new()), Some(pattern(3, MIB))] {
            let echoed = pool.submit(perhaps::task(bytes.clone())).unwrap();
            assert!(settle("perhaps", echoed).unwrap() == bytes);
        }
    }

    /// More results than there are places for, none of which is taken before all are there.
    fn many_at_once(bench: &Bench) {
        let pool = bench.pool(1);
        let futures: Vec<_> = (0..200)
            .map(|seed| pool.submit(echo::task(pattern(seed, 100 * KIB))).unwrap())
            .collect();
        assert!(pool.wait_idle(None));
        for (seed, future) in futures.into_iter().enumerate() {
            check(&settle("one of many", future).unwrap(), seed, 100 * KIB);
        }
    }

    fn more_than_there_is_room_for(bench: &Bench) {
        let pool = bench.pool(1);
        let len = 24 * MIB;
        let futures: Vec<_> = (0..14)
            .map(|seed| {
                pool.submit(echo_blob::task(pattern(seed, len).into()))
                    .unwrap()
            })
            .collect();
        assert!(pool.wait_idle(None));
        for (seed, future) in futures.into_iter().enumerate() {
            check(&settle("one of many", future).unwrap(), seed, len);
        }
        check_serves(&pool);
    }

    fn larger_than_all_room(bench: &Bench) {
        let pool = bench.pool(1);
        let len = 260 * MIB;
        let sent = pool
            .submit(is_pattern::task(pattern(5, len).into(), 5))
            .unwrap();
        assert!(settle("a large one there", sent).unwrap());
        let made = pool.submit(make::task(6, len)).unwrap();
        check(&settle("a large one back", made).unwrap(), 6, len);
        check_serves(&pool);
    }

    fn results_taken_late_or_never(bench: &Bench) {
        let pool = bench.pool(2);
        let early: Vec<TaskFuture<Vec<u8>>> = (0..40)
            .map(|seed| pool.submit(make::task(seed, MIB)).unwrap())
            .collect();
        assert!(pool.wait_idle(None));
        let (late, never): (Vec<_>, Vec<_>) = early
            .into_iter()
            .enumerate()
            .partition(|(seed, _)| seed % 3 == 0);
        drop(never);
        for seed in 0..100 {
            let echoed = pool.submit(echo::task(pattern(seed, MIB))).unwrap();
            check(&settle("a later one", echoed).unwrap(), seed, MIB);
        }
        for (seed, future) in late {
            check(&settle("an early one", future).unwrap(), seed, MIB);
        }
    }

    fn a_result_outlives_its_worker(bench: &Bench) {
        let (started, never) = (bench.gate("started"), bench.gate("never"));
        let pool = bench.pool(1);
        let made: Vec<_> = (0..3)
            .map(|seed| pool.submit(make::task(seed, 5 * MIB)).unwrap())
            .collect();
        let held = pool.submit(hold::task(started.clone(), never)).unwrap();
        let pid = started.opener();
        procfs::signal(pid, Signal::KILL);
        let error = settle("the task that ran", held).unwrap_err();
        assert!(
            matches!(error.kind(), TaskErrorKind::WorkerDied(_)),
            "{error:?}"
        );
        eventually("its worker is replaced", || {
            pool.worker_pids().iter().any(|&other| other != pid)
        });
        check_serves(&pool);
        for (seed, future) in made.into_iter().enumerate() {
            check(
                &settle("a result from before", future).unwrap(),
                seed,
                5 * MIB,
            );
        }
    }

    fn a_result_outlives_its_pool(bench: &Bench) {
        let pool = bench.pool(1);
        let vec = pool.submit(make::task(1, MIB)).unwrap();
        let blob = pool
            .submit(echo_blob::task(pattern(2, MIB).into()))
            .unwrap();
        assert!(pool.wait_idle(None));
        drop(pool);
        check(&settle("a vector", vec).unwrap(), 1, MIB);
        let blob = settle("a blob", blob).unwrap();
        check(&blob, 2, MIB);
    }

    #[task(crate = "executor_core")]
    fn die_with(bytes: Blob) -> usize {
        assert!(!bytes.is_empty());
        std::process::abort()
    }

    /// What a dead worker had is used again: else this would need more than there is.
    fn crashes_leave_no_hole(bench: &Bench) {
        let pool = bench.pool(1);
        let len = 60 * MIB;
        for seed in 0..6 {
            let died = pool
                .submit(die_with::task(pattern(seed, len).into()))
                .unwrap();
            let error = settle("a crash", died).unwrap_err();
            assert!(
                matches!(error.kind(), TaskErrorKind::WorkerDied(_)),
                "{error:?}"
            );
        }
        let echoed = pool
            .submit(echo_blob::task(pattern(9, len).into()))
            .unwrap();
        check(&settle("the last one", echoed).unwrap(), 9, len);
        if !bench.is_portable {
            let used = arena_bytes();
            assert!(
                (len..len + len / 2).contains(&used),
                "{used} bytes are in use"
            );
        }
    }

    /// How much memory the arguments of this process's pools have.
    fn arena_bytes() -> usize {
        let files = fs::read_dir("/proc/self/fd").unwrap();
        let bytes = files.filter_map(|file| {
            // One may be closed meanwhile: that of the directory itself.
            let path = file.ok()?.path();
            let name = fs::read_link(&path).ok()?;
            let is_ours = name.to_string_lossy().contains("memfd:concurrent-futures");
            is_ours.then(|| 512 * fs::metadata(&path).unwrap().blocks() as usize)
        });
        bytes.sum()
    }

    #[task(crate = "executor_core")]
    fn die_first(tally: Tally, bytes: Blob) -> Blob {
        tally.bump(0);
        if tally.count(0) == 1 {
            std::process::abort();
        }
        bytes
    }

    fn a_retry_has_its_argument(bench: &Bench) {
        let tally = bench.tally("runs");
        let pool = bench
            .builder(1)
            .on_crash(OnCrash::Retry(1))
            .build()
            .unwrap();
        let task = die_first::task(tally.clone(), pattern(4, MIB).into());
        let result = settle("the second run", pool.submit(task).unwrap());
        check(&result.unwrap(), 4, MIB);
        assert_eq!(tally.count(0), 2);
    }

    fn what_is_taken_back_is_free(bench: &Bench) {
        let (started, until) = (bench.gate("started"), bench.gate("until"));
        let pool = bench.pool(1);
        let held = pool
            .submit(hold::task(started.clone(), until.clone()))
            .unwrap();
        started.wait();
        for round in 0..40 {
            let echoed = pool.submit(echo::task(pattern(round, 10 * MIB))).unwrap();
            assert!(echoed.cancel());
        }
        let last = pool.submit(echo::task(pattern(5, 10 * MIB))).unwrap();
        until.open();
        settle("the first", held).unwrap();
        check(&settle("the last", last).unwrap(), 5, 10 * MIB);
    }

    static KEPT: Mutex<Vec<(usize, Blob)>> = Mutex::new(Vec::new());

    #[task(crate = "executor_core")]
    fn keep(bytes: Blob, seed: usize) -> Blob {
        KEPT.lock().unwrap().push((seed, bytes.clone()));
        bytes
    }

    /// Whether all that was kept is as it was.
    #[task(crate = "executor_core")]
    fn check_kept(forget: bool) -> usize {
        let mut kept = KEPT.lock().unwrap();
        for (seed, blob) in &*kept {
            assert!(**blob == pattern(*seed, blob.len()), "{seed} has changed");
        }
        let count = kept.len();
        if forget {
            kept.clear();
        }
        count
    }

    fn a_kept_argument_stays_as_it_is(bench: &Bench) {
        let pool = bench.pool(1);
        // More than there is room for, if what is forgotten were not free.
        for round in 0..6 {
            for seed in 0..10 {
                let kept = pool
                    .submit(keep::task(pattern(seed, 5 * MIB).into(), seed))
                    .unwrap();
                check(&settle("kept", kept).unwrap(), seed, 5 * MIB);
                let echoed = pool
                    .submit(echo::task(pattern(100 + round, 5 * MIB)))
                    .unwrap();
                check(&settle("another", echoed).unwrap(), 100 + round, 5 * MIB);
            }
            let count = pool.submit(check_kept::task(round % 2 == 0)).unwrap();
            let expected = if round % 2 == 0 && round > 0 { 20 } else { 10 };
            assert_eq!(
                settle("the check", count).unwrap(),
                expected,
                "round {round}"
            );
        }
        let forgotten = pool.submit(check_kept::task(true)).unwrap();
        assert_eq!(settle("the last check", forgotten).unwrap(), 10);
        if !bench.is_portable {
            let used = arena_bytes();
            assert!(
                (40 * MIB..=72 * MIB).contains(&used),
                "{used} bytes are in use"
            );
        }
    }

    fn items_of_chunks(bench: &Bench) {
        let pool: ProcessPoolExecutor = bench.pool(2);
        let lens = [10, 70 * KIB, 3, 300 * KIB, 64 * KIB, 1];
        let len_of = |n: usize| lens[n % lens.len()];
        let tasks = (0..300).map(|n| echo_blob::task(pattern(n, len_of(n)).into()));
        for (n, blob) in pool.map(tasks).enumerate() {
            check(&blob.unwrap(), n, len_of(n));
        }
        let tasks = (0..300).map(|n| echo::task(pattern(n, len_of(n))));
        for (n, bytes) in pool.map(tasks).enumerate() {
            check(&bytes.unwrap(), n, len_of(n));
        }
    }

    /// Writes many bytes, and then cannot go on, in the place that it names.
    #[derive(Debug, Clone, PartialEq, Deserialize)]
    struct Half {
        bytes: Vec<u8>,
        fails: bool,
    }

    impl Serialize for Half {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeStruct as _;

            struct Bytes<'a>(&'a [u8]);
            impl Serialize for Bytes<'_> {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_bytes(self.0)
                }
            }
            struct Fails(bool);
            impl Serialize for Fails {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    if self.0 {
                        return Err(ser::Error::custom("it is too much"));
                    }
                    serializer.serialize_bool(false)
                }
            }
            let mut fields = serializer.serialize_struct("Half", 2)?;
            fields.serialize_field("bytes", &Bytes(&self.bytes))?;
            fields.serialize_field("fails", &Fails(self.fails))?;
            fields.end()
        }
    }

    #[task(crate = "executor_core")]
    fn half(len: usize, fails: bool) -> Half {
        Half {
            bytes: vec![1; len],
            fails,
        }
    }

    #[task(crate = "executor_core")]
    fn take_half(half: Half) -> usize {
        half.bytes.len()
    }

    fn half_an_encoding_is_no_result(bench: &Bench) {
        let pool = bench.pool(1);
        for _ in 0..3 {
            let failed = pool.submit(half::task(MIB, true)).unwrap();
            let error = settle("half a result", failed).unwrap_err();
            assert!(error.to_string().contains("it is too much"), "{error}");
            // Neither of these gets what was left of it.
            let doubled: Vec<_> = pool
                .map((0..100).map(double::task))
                .map(Result::unwrap)
                .collect();
            assert!(doubled.into_iter().eq((0..100).map(|n| 2 * n)));
            let sent = Half {
                bytes: vec![2; MIB],
                fails: true,
            };
            let failed = pool.submit(take_half::task(sent)).unwrap();
            let error = settle("half an argument", failed).unwrap_err();
            assert!(error.to_string().contains("it is too much"), "{error}");
            let echoed = pool.submit(echo::task(pattern(7, MIB))).unwrap();
            check(&settle("a whole one", echoed).unwrap(), 7, MIB);
            let doubled = pool.submit(double::task(4)).unwrap();
            assert_eq!(settle("a small one", doubled).unwrap(), 8);
        }
    }
}
