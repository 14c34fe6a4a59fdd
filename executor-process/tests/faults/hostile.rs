//! Workers that do not keep to the protocol: each is ended, its running task fails, and nobody else notices.

use std::{
    fs::{self, File, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
};

use executor_core::ExecutorExt as _;
use executor_macros::task;
use libtest_mimic::Trial;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::{
    killed::{death_of, only_worker},
    support::{
        guard::{Bench, Neighbours, add, add_for, check_serves, eventually, settle},
        latch::Gate,
        procfs,
        tasks::{Crash, double, hold, own_pid},
    },
};

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    let breaches = [
        ("garbage", Breach::Garbage, "there is no frame of kind 153"),
        (
            "four_gigabytes",
            Breach::Length(u32::MAX),
            "4294967295 bytes",
        ),
        (
            "more_than_is_allowed",
            Breach::Length((1 << 30) + 1),
            "1073741825 bytes",
        ),
        ("no_length", Breach::Length(0), "0 bytes"),
        (
            "unknown_kind",
            Breach::Kind(99),
            "there is no frame of kind 99",
        ),
        (
            "kind_of_the_other_direction",
            Breach::Kind(2),
            "there is no frame of kind 2",
        ),
        ("unknown_task", Breach::Done(999), "it answers task 999"),
        ("task_0", Breach::Done(0), "it answers task 0"),
        ("short_answer", Breach::Kind(22), "a frame is too short"),
        ("ready_again", Breach::Kind(18), "`ready` came out of turn"),
        ("failed_late", Breach::Kind(19), "`failed` came out of turn"),
        ("hello_again", Breach::Hello, "`hello` came out of turn"),
        (
            "part_of_no_chunk",
            Breach::Part(1),
            "is no chunk, and has parts",
        ),
        ("error_of_another", Breach::Error(7), "it answers task 7"),
        ("started_another", Breach::Started(2), "it answers task 2"),
        // Of the memory that both share, where they share any: `Done` and `Part` beyond its end, and a
        // claim to the arguments of another task.
        (
            "result_beyond_the_memory",
            Breach::Shared(26, u64::MAX - 8),
            "broke the protocol",
        ),
        (
            "result_at_the_end_of_the_memory",
            Breach::Shared(26, (1 << 40) - 8),
            "broke the protocol",
        ),
        (
            "part_beyond_the_memory",
            Breach::Shared(25, u64::MAX - 8),
            "broke the protocol",
        ),
        (
            "keeps_what_it_has_not",
            Breach::Numbered(27, 999),
            "broke the protocol",
        ),
    ];
    for (name, breach, complaint) in breaches {
        add(trials, &format!("hostile::{name}"), move |bench| {
            breaks_the_protocol(bench, breach, complaint);
        });
    }
    add(
        trials,
        "hostile::duplicate_of_a_result",
        duplicate_of_a_result,
    );
    add(trials, "hostile::half_a_frame_and_exit", half_a_frame);
    add(trials, "hostile::hangs_up", hangs_up);
    for what in [Scribble::Zeros, Scribble::Ones, Scribble::Random] {
        let name = format!("hostile::scribbles_{what:?}").to_lowercase();
        add_for(trials, &name, false, move |bench| scribbles(bench, what));
    }
}

/// What a hostile task says in its worker's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Breach {
    /// 0x99, again and again, behind a length that fits.
    Garbage,
    /// A length, and no more.
    Length(u32),
    /// A frame without a body.
    Kind(u8),
    /// An answer, with a body that is an encoded 0.
    Done(u64),
    Error(u64),
    Part(u64),
    Started(u64),
    /// Nothing but a number.
    Numbered(u8, u64),
    /// The answer of task 1, as a frame of this kind, which is at this place of slot 0.
    Shared(u8, u64),
    Hello,
    /// The beginning of an answer.
    Half(u64),
}

impl Breach {
    fn bytes(self) -> Vec<u8> {
        let numbered =
            |kind, seq: u64, rest: &[u8]| frame(kind, &[&seq.to_le_bytes(), rest].concat());
        match self {
            Self::Garbage => [&200_u32.to_le_bytes()[..], &[0x99; 300]].concat(),
            Self::Length(length) => length.to_le_bytes().to_vec(),
            Self::Kind(kind) => frame(kind, &[]),
            Self::Done(seq) => numbered(22, seq, &[0; 16]),
            Self::Error(seq) => numbered(23, seq, &[0; 8]),
            Self::Part(seq) => numbered(21, seq, &[0; 8]),
            Self::Started(seq) => numbered(20, seq, &[]),
            Self::Numbered(kind, seq) => numbered(kind, seq, &[]),
            Self::Shared(kind, offset) => {
                let nanos: &[u8] = if kind == 26 { &[0; 8] } else { &[] };
                let place = [&[0; 4], &offset.to_le_bytes()[..], &4096_u64.to_le_bytes()].concat();
                numbered(kind, 1, &[nanos, &place].concat())
            }
            Self::Hello => frame(17, &[0; 12]),
            Self::Half(seq) => {
                let mut bytes = numbered(22, seq, &[0; 4096]);
                bytes.truncate(100);
                bytes
            }
        }
    }
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 1).unwrap();
    [&len.to_le_bytes()[..], &[kind], body].concat()
}

/// The pipe over which this worker answers.
pub(crate) fn protocol_pipe() -> File {
    let is_pipe = |number: &u32| {
        let target = fs::read_link(format!("/proc/self/fd/{number}"));
        target.is_ok_and(|target| target.to_string_lossy().starts_with("pipe:"))
    };
    let is_for_writing = |number: &u32| {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        i32::from_str_radix(flags.unwrap().trim(), 8).unwrap() & 3 == 1
    };
    let number = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .find(|number| *number >= 64 && is_pipe(number) && is_for_writing(number));
    let path = format!("/proc/self/fd/{}", number.unwrap());
    OpenOptions::new().write(true).open(path).unwrap()
}

/// Writes into the protocol, and waits to be ended.
#[task(crate = "executor_core")]
fn break_protocol(breach: Breach, never: Gate) {
    protocol_pipe().write_all(&breach.bytes()).unwrap();
    never.wait();
}

/// Answers for itself, and then again by returning.
#[task(crate = "executor_core")]
fn answer_twice(seq: u64) -> u64 {
    protocol_pipe()
        .write_all(&Breach::Done(seq).bytes())
        .unwrap();
    0
}

/// Writes half an answer, and exits.
#[task(crate = "executor_core")]
fn answer_by_half(seq: u64) -> Vec<u8> {
    protocol_pipe()
        .write_all(&Breach::Half(seq).bytes())
        .unwrap();
    Crash::Exit(3).happen()
}

fn breaks_the_protocol(bench: &Bench, breach: Breach, complaint: &str) {
    let (tally, never) = (bench.tally("runs"), bench.gate("never"));
    let (started, go) = (bench.gate("started"), bench.gate("go"));
    let pool = bench.pool(2);
    // The first task of its worker, whichever that is.
    let hostile = pool.submit(break_protocol::task(breach, never)).unwrap();
    let other = pool
        .submit(hold::task(started.clone(), go.clone()))
        .unwrap();
    let neighbours = Neighbours::submit(&pool, &tally, 0..30);
    let other_pid = started.opener();
    let death = death_of(settle("the hostile task", hostile));
    assert!(death.status.contains(complaint), "{death:?}");
    assert!(death.status.contains("broke the protocol"), "{death:?}");
    assert_ne!(death.pid, Some(other_pid));
    go.open();
    assert_eq!(settle("the task beside it", other).unwrap(), other_pid);
    neighbours.check();
    check_serves(&pool);
    eventually("the worker is replaced, and no other", || {
        let pids = pool.worker_pids();
        pids.len() == 2 && pids.contains(&other_pid) && !pids.contains(&death.pid.unwrap())
    });
}

fn duplicate_of_a_result(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench.pool(1);
    eventually("the worker is started", || pool.worker_pids().len() == 1);
    let pid = pool.worker_pids()[0];
    let first = pool.submit(answer_twice::task(1)).unwrap();
    assert_eq!(settle("the first answer", first).unwrap(), 0);
    // The second one is seen at the latest with the next, whose task fails then.
    eventually("another worker takes tasks", || {
        match settle("a task behind it", pool.submit(own_pid::task()).unwrap()) {
            Ok(now) => now != pid,
            failed => {
                let death = death_of(failed);
                assert!(death.status.contains("it answers task 1"), "{death:?}");
                assert_eq!(death.pid, Some(pid));
                false
            }
        }
    });
    Neighbours::submit(&pool, &tally, 0..30).check();
    check_serves(&pool);
}

fn half_a_frame(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench.pool(1);
    let hostile = pool.submit(answer_by_half::task(1)).unwrap();
    let neighbours = Neighbours::submit(&pool, &tally, 0..30);
    let death = death_of(settle("half an answer", hostile));
    assert!(death.status.contains("exit status: 3"), "{death:?}");
    neighbours.check();
    check_serves(&pool);
    assert_ne!(Some(only_worker(&pool)), death.pid);
}

/// Closes the connection to its parent, and lives on.
#[task(crate = "executor_core")]
fn hang_up(never: Gate) {
    for number in 64..128 {
        if !Path::new(&format!("/proc/self/fd/{number}")).exists() {
            continue;
        }
        #[expect(unsafe_code, reason = "it is what the trial is about")]
        // SAFETY: whoever has opened this does not run any more before this process ends, but for a
        // thread that reads from it, for which it is an end of the input or an error.
        unsafe {
            rustix::io::close(number);
        }
    }
    never.wait();
}

fn hangs_up(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench.pool(2);
    let hostile = pool.submit(hang_up::task(bench.gate("never"))).unwrap();
    let neighbours = Neighbours::submit(&pool, &tally, 0..30);
    death_of(settle("the task that hangs up", hostile));
    neighbours.check();
    check_serves(&pool);
}

/// What a wild write leaves in the words that a worker shares with its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Scribble {
    Zeros,
    Ones,
    Random,
}

/// Writes over the words that are the worker's.
#[task(crate = "executor_core")]
fn scribble(what: Scribble) -> u32 {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    // Of what is shared the words are in the smallest piece.
    let (start, _) = maps
        .lines()
        .filter(|line| line.contains("rw-s") && line.contains("memfd:concurrent-futures"))
        .map(|line| {
            let (range, _) = line.split_once(' ').unwrap();
            let (start, end) = range.split_once('-').unwrap();
            let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
            (start, end)
        })
        .min_by_key(|(start, end)| end - start)
        .unwrap();
    let mut memory = OpenOptions::new()
        .write(true)
        .open("/proc/self/mem")
        .unwrap();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let bytes: Vec<u8> = (0..128)
        .map(|_| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            match what {
                Scribble::Zeros => 0,
                Scribble::Ones => 0xff,
                Scribble::Random => random as u8,
            }
        })
        .collect();
    memory.seek(SeekFrom::Start(start)).unwrap();
    memory.write_all(&bytes).unwrap();
    std::process::id()
}

/// It may cost the worker and the task that it runs, and nobody else anything.
fn scribbles(bench: &Bench, what: Scribble) {
    let tally = bench.tally("runs");
    let (started, go) = (bench.gate("started"), bench.gate("go"));
    let pool = bench.pool(2);
    let other = pool
        .submit(hold::task(started.clone(), go.clone()))
        .unwrap();
    let other_pid = started.opener();
    let hostile = settle("the scribbler", pool.submit(scribble::task(what)).unwrap());
    let pid = match hostile {
        Ok(pid) => pid,
        Err(error) => death_of::<()>(Err(error)).pid.unwrap(),
    };
    assert_ne!(pid, other_pid);
    let mut lost = 0;
    for number in 0..30 {
        let future = pool.submit(double::task(number)).unwrap();
        match settle("a task behind the scribbler", future) {
            Ok(doubled) => assert_eq!(doubled, 2 * number),
            Err(error) => {
                assert_eq!(death_of::<()>(Err(error)).pid, Some(pid));
                lost += 1;
            }
        }
    }
    assert!(lost <= 1, "{lost} tasks were lost");
    go.open();
    assert_eq!(settle("the task beside it", other).unwrap(), other_pid);
    procfs::signal(pid, Signal::KILL);
    eventually("the worker is gone", || !pool.worker_pids().contains(&pid));
    Neighbours::submit(&pool, &tally, 0..30).check();
    check_serves(&pool);
}
