//! Frames between a pool of processes and its workers.

use std::hint::black_box;

use self::frame::{FromWorker, Payload, Run, ToWorker, first};
use crate::{OPERATIONS, meter::Meter};

/// They are private to their crate, and are to stay so: this is the same code, compiled once more.
#[path = "../../../executor-process/src/wire/frame.rs"]
#[expect(dead_code, reason = "not every frame is on a hot path")]
mod frame;

/// A short task to a worker.
pub(crate) fn write_run(meter: Meter) {
    let mut buffer = Vec::with_capacity(64);
    meter.count(|| {
        for seq in 0..OPERATIONS {
            buffer.clear();
            black_box(&run(seq)).write(&mut buffer);
        }
    });
}

/// The worker reads it.
pub(crate) fn read_run(meter: Meter) {
    let mut bytes = Vec::new();
    (0..OPERATIONS).for_each(|seq| run(seq).write(&mut bytes));
    let mut rest = bytes.as_slice();
    meter.count(|| {
        for _ in 0..OPERATIONS {
            let (kind, body) = next(&mut rest);
            let message = ToWorker::read(kind, body).expect("it was written just now");
            black_box(message);
        }
    });
    assert!(rest.is_empty());
}

/// A short answer to the parent.
pub(crate) fn write_done(meter: Meter) {
    let mut buffer = Vec::with_capacity(64);
    meter.count(|| {
        for seq in 0..OPERATIONS {
            buffer.clear();
            black_box(&done(seq)).write(&mut buffer);
        }
    });
}

/// The parent reads it.
pub(crate) fn read_done(meter: Meter) {
    let mut bytes = Vec::new();
    (0..OPERATIONS).for_each(|seq| done(seq).write(&mut bytes));
    let mut rest = bytes.as_slice();
    meter.count(|| {
        for _ in 0..OPERATIONS {
            let (kind, body) = next(&mut rest);
            let message = FromWorker::read(kind, body).expect("it was written just now");
            black_box(message);
        }
    });
    assert!(rest.is_empty());
}

fn next<'b>(rest: &mut &'b [u8]) -> (u8, &'b [u8]) {
    let found = first(rest, 1024).expect("it was written just now");
    let (len, kind, body) = found.expect("there is one more");
    *rest = &rest[len..];
    (kind, body)
}

fn run(seq: u64) -> Run<'static> {
    Run {
        seq,
        task: 1,
        is_chunk: false,
        label: frame::Label::default(),
        body: Payload::Here(&[7; 8]),
    }
}

fn done(seq: u64) -> FromWorker<'static> {
    FromWorker::Done {
        seq,
        nanos: 1000,
        body: &[7; 8],
    }
}
