//! The way of a task through bytes, without a process: encoded, looked up, run, completed, taken.

use std::hint::black_box;

use executor_core::{
    EncodedCall, ExecutorExt as _, Future as _, Job, PortableTask, Registry, StartedJob,
    TaskFuture, TaskTable,
};
use executor_macros::task;
use serde::{Deserialize, Serialize};

use crate::{OPERATIONS, calls::same, meter::Meter, shelf::Shelf};

/// A type whose serde attributes could matter, so that its fields travel with their names.
#[derive(Debug, Serialize, Deserialize)]
struct Point {
    x: f64,
    y: f64,
}

#[task(crate = "executor_core")]
fn mirrored(point: Point) -> Point {
    Point {
        x: point.y,
        y: point.x,
    }
}

/// Whether a name is known, which each submission asks.
pub(crate) fn contains(meter: Meter) {
    let registry = Registry::global();
    meter.count(|| {
        for _ in 0..OPERATIONS {
            assert!(registry.contains(black_box(same::NAME)));
        }
    });
}

/// The number of a name, which each sending asks.
pub(crate) fn id(meter: Meter) {
    let table = Registry::global().table();
    table.id(same::NAME).expect("it is registered");
    meter.count(|| {
        for _ in 0..OPERATIONS {
            black_box(table.id(black_box(same::NAME)));
        }
    });
}

/// A number becomes bytes.
pub(crate) fn encode(meter: Meter) {
    encode_each(meter, same::task);
}

/// A struct becomes bytes.
pub(crate) fn encode_struct(meter: Meter) {
    encode_each(meter, point);
}

/// Bytes become a number, which is given back as bytes.
pub(crate) fn run(meter: Meter) {
    run_each(meter, same::task);
}

/// Bytes become a struct, which is given back as bytes.
pub(crate) fn run_struct(meter: Meter) {
    run_each(meter, point);
}

/// The bytes of the output arrive.
pub(crate) fn complete(meter: Meter) {
    let (futures, started) = answered();
    meter.count(|| {
        for (job, output) in started {
            job.complete(output);
        }
    });
    check(futures);
}

/// The bytes of the output become a number.
pub(crate) fn take(meter: Meter) {
    let (futures, started) = answered();
    for (job, output) in started {
        job.complete(output);
    }
    meter.count(|| {
        for future in futures {
            black_box(future.result().expect("it succeeded"));
        }
    });
}

fn point(n: u64) -> mirrored {
    mirrored::task(Point {
        x: n as f64,
        y: 1.0,
    })
}

fn encode_each<T: PortableTask>(meter: Meter, task: impl Fn(u64) -> T) {
    let (futures, mut jobs) = submitted(task);
    let mut sent = Vec::with_capacity(OPERATIONS as usize * 64);
    meter.count(|| {
        for job in &mut jobs {
            sent.clear();
            black_box(encoded(job, &mut sent));
        }
    });
    drop(futures);
}

fn run_each<T: PortableTask>(meter: Meter, task: impl Fn(u64) -> T) {
    let (futures, mut jobs) = submitted(task);
    let mut buffers = vec![Vec::new(); jobs.len()];
    let calls: Vec<_> = jobs
        .iter_mut()
        .zip(&mut buffers)
        .map(|(job, sent)| encoded(job, sent))
        .collect();
    let table = Registry::global().table();
    let mut output = Vec::with_capacity(64);
    meter.count(|| {
        for call in &calls {
            output.clear();
            run_call(&table, call, &mut output);
        }
    });
    drop(futures);
}

/// Jobs that a worker has started, and what it answers.
type Answers = Vec<(StartedJob, Box<[u8]>)>;

fn answered() -> (Vec<TaskFuture<u64>>, Answers) {
    let (futures, jobs) = submitted(same::task);
    let table = Registry::global().table();
    let answer = |mut job: Job| {
        let mut sent = Vec::new();
        let mut output = Vec::new();
        run_call(&table, &encoded(&mut job, &mut sent), &mut output);
        let started = job.claim().expect("nobody else wants it");
        (started, output.into_boxed_slice())
    };
    (futures, jobs.into_iter().map(answer).collect())
}

fn submitted<T: PortableTask>(task: impl Fn(u64) -> T) -> (Vec<TaskFuture<T::Output>>, Vec<Job>) {
    let shelf = Shelf::remote();
    let submit = |n| shelf.submit(task(n << 20)).expect("accepted");
    let futures = (0..OPERATIONS).map(submit).collect();
    (futures, shelf.take())
}

pub(crate) fn encoded<'b>(job: &mut Job, sent: &'b mut Vec<u8>) -> EncodedCall<'b> {
    job.encode(sent)
        .expect("it is portable")
        .expect("it can be encoded")
}

pub(crate) fn run_call(table: &TaskTable, call: &EncodedCall<'_>, output: &mut Vec<u8>) {
    let id = table.id(call.name).expect("it is registered");
    table
        .run(id, call.is_chunk, call.body, output)
        .expect("it succeeds");
}

fn check(futures: Vec<TaskFuture<u64>>) {
    for (n, future) in (0..).zip(futures) {
        assert_eq!(future.result().expect("it succeeded"), n << 20);
    }
}
