//! Blobs, and long pieces of encodings: what executors and backends see of them.

#![expect(
    clippy::unwrap_used,
    reason = "these are tests: an unwrap that fails is what they look for"
)]

mod support;

use std::sync::{Arc, Mutex};

use executor_core::{
    Admission, Blob, Capabilities, Executor, ExecutorExt as _, Future as _, Job, Registry,
    Rejected, Sink,
    codec::{Encoded, Held, Shelf},
    testing::{InlineExecutor, RoundTripExecutor},
};
use executor_macros::task;

use support::keeps_all;

const LONG: usize = 64 * 1024;

#[task(crate = "executor_core")]
fn joined(first: Blob, second: Vec<u8>, third: &str) -> Blob {
    [&first[..], &second, third.as_bytes()].concat().into()
}

#[task(crate = "executor_core")]
fn turned(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().rev().collect()
}

#[task(crate = "executor_core", codec = "messagepack")]
fn turned_by_name(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().rev().collect()
}

fn lengths() -> impl Iterator<Item = usize> {
    [
        0,
        1,
        254,
        255,
        256,
        65_000,
        LONG - 1,
        LONG,
        LONG + 1,
        1 << 20,
    ]
    .into_iter()
}

fn check_on(executor: &impl Executor) {
    for len in lengths() {
        let bytes: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
        let back: Vec<u8> = bytes.iter().rev().copied().collect();
        let task = joined::task(bytes.clone().into(), vec![8; len], "end");
        let whole = executor.submit(task).unwrap().result().unwrap();
        assert_eq!(whole.len(), 2 * len + 3);
        assert!(whole[..len] == bytes && whole[len..2 * len] == vec![8; len]);
        assert_eq!(whole[2 * len..], *b"end");
        let turned = executor.submit(turned::task(bytes.clone())).unwrap();
        assert!(turned.result().unwrap() == back, "{len} bytes");
        let turned = executor.submit(turned_by_name::task(bytes)).unwrap();
        assert!(turned.result().unwrap() == back, "{len} bytes by name");
    }
}

#[test]
fn blobs_and_bytes_pass_through_every_executor() {
    check_on(&InlineExecutor::new());
    check_on(&RoundTripExecutor::new());
    for room in [0, LONG, 3 * LONG, usize::MAX] {
        check_on(&Shelved { room });
    }
}

/// Sends everything through shelves with so much room, and holds the outputs there.
#[derive(Debug, Clone)]
struct Shelved {
    room: usize,
}

#[derive(Default)]
struct Pieces {
    room: usize,
    bytes: Mutex<Vec<u8>>,
}

impl Pieces {
    /// One that lives for ever, and is not lost.
    fn kept(room: usize) -> &'static Self {
        static KEPT: Mutex<Vec<&Pieces>> = Mutex::new(Vec::new());
        let pieces: &'static Self = Box::leak(Box::new(Self {
            room,
            ..Self::default()
        }));
        KEPT.lock().unwrap().push(pieces);
        pieces
    }
}

impl Shelf for Pieces {
    fn put(&self, front: &[u8], long: &[u8]) -> bool {
        let mut bytes = self.bytes.lock().unwrap();
        let fits = bytes.len().saturating_add(front.len() + long.len()) <= self.room;
        assert!(long.len() >= LONG, "short pieces stay");
        if fits {
            bytes.extend_from_slice(front);
            bytes.extend_from_slice(long);
        }
        fits
    }

    fn finish(&self, rest: &[u8]) -> bool {
        let mut bytes = self.bytes.lock().unwrap();
        let fits = bytes.len() + rest.len() <= self.room;
        if fits {
            bytes.extend_from_slice(rest);
        } else {
            bytes.clear();
        }
        fits
    }
}

struct Received {
    buffer: Vec<u8>,
    shelf: &'static Pieces,
}

impl Sink for Received {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn shelf(&mut self) -> Option<&'static dyn Shelf> {
        Some(self.shelf)
    }
}

struct Elsewhere(Vec<u8>);

impl Held for Elsewhere {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn append_to(&self, range: std::ops::Range<usize>, bytes: &mut Vec<u8>) {
        let end = range.end.min(self.0.len());
        bytes.extend_from_slice(&self.0[range.start.min(end)..end]);
    }
}

/// What is on the shelf, or else in the buffer; never in both.
fn whole(shelf: &Pieces, buffer: &[u8]) -> Vec<u8> {
    let shelved = std::mem::take(&mut *shelf.bytes.lock().unwrap());
    assert!(shelved.is_empty() || buffer.is_empty());
    if shelved.is_empty() {
        buffer.to_vec()
    } else {
        shelved
    }
}

impl Executor for Shelved {
    fn capabilities(&self) -> Capabilities {
        Capabilities::local(1)
    }

    fn execute(&self, mut job: Job, _: Admission) -> Result<(), Rejected> {
        let (there, mut sent) = (Pieces::kept(self.room), Vec::new());
        let call = job.encode_onto(Some(there), &mut sent);
        let mut call = call.unwrap().unwrap();
        let arguments = whole(there, call.body);
        call.body = &arguments;
        let mut sink = Received {
            buffer: Vec::new(),
            shelf: Pieces::kept(self.room),
        };
        Registry::global().run(&call, &mut sink).unwrap();
        let output = whole(sink.shelf, &sink.buffer);
        let held = Encoded::held(Box::new(Elsewhere(output)));
        drop(job.claim().unwrap().settle(Ok(held)));
        Ok(())
    }

    keeps_all!();
}

#[test]
fn a_blob_of_a_held_output_keeps_the_copy_and_nothing_else() {
    let executor = Shelved { room: usize::MAX };
    let task = joined::task(vec![1; LONG].into(), Vec::new(), "");
    let blob = executor.submit(task).unwrap().result().unwrap();
    let first = blob.as_ptr();
    let same = blob.clone();
    assert_eq!((blob.as_ptr(), same.len()), (same.as_ptr(), LONG));
    drop(blob);
    assert!(same.iter().all(|&byte| byte == 1));
    assert_eq!(same.as_ptr(), first);
}

#[test]
fn what_is_no_byte_string_is_an_error_or_read_as_one() {
    use executor_core::codec::{Codec, Part};

    let numbers = vec![1_u8, 2, 3];
    for codec in [Codec::Compact, Codec::MessagePack] {
        // A sequence of numbers, which serde makes of a plain vector.
        let mut sequence = Vec::new();
        codec.encode(Part::Output, &numbers, &mut sequence).unwrap();
        let read = Encoded::from(sequence).into_byte_string(codec);
        assert_eq!(read.unwrap(), numbers, "{codec:?}");
        for wrong in [
            &[][..],
            &[0xc6, 0, 0],
            &[0xc4, 9, 1],
            &[255, 1],
            &[7, 1],
            &[2, 1, 1, 1],
        ] {
            let held = Encoded::held(Box::new(Elsewhere(wrong.to_vec())));
            assert!(held.into_byte_string(codec).is_err(), "{codec:?} {wrong:?}");
        }
    }
}

#[test]
fn lenders_see_whether_something_is_kept() {
    use executor_core::codec::{Codec, Part};

    let blob = Blob::from(vec![3; LONG]);
    let mut bytes = Vec::new();
    Codec::Compact
        .encode(Part::Task, &blob, &mut bytes)
        .unwrap();
    let mut owner: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::new(bytes);
    let read = executor_core::lend(&owner, || {
        Codec::Compact
            .decode::<Blob>(Part::Task, (*owner).as_ref())
            .unwrap()
    });
    assert!(Arc::get_mut(&mut owner).is_none(), "the blob keeps it");
    assert_eq!(read, blob);
    drop(read);
    assert!(Arc::get_mut(&mut owner).is_some());
}
