//! What becomes of the items of a chunk that another process ran, or began to run.

mod support;

use std::sync::{Arc, Mutex};

use executor_core::{
    Admission, Capabilities, Executor, ExecutorExt as _, Future as _, Job, PortableTask, Registry,
    Rejected, Sink, TaskError, TaskErrorKind, WorkerDeath,
};
use executor_macros::task;
use proptest::prelude::*;

use support::keeps_all;

#[task(crate = "executor_core")]
fn double(x: u64) -> u64 {
    assert!(x != 13, "unlucky");
    x * 2
}

#[task(crate = "executor_core", codec = "messagepack")]
fn repeat(text: &str, times: usize) -> String {
    text.repeat(times)
}

/// Keeps the jobs until the test comes for them.
#[derive(Debug, Clone, Default)]
struct Shelf(Arc<Mutex<Vec<Job>>>);

impl Shelf {
    fn take(&self) -> Vec<Job> {
        std::mem::take(&mut *self.0.lock().expect("nothing panics under it"))
    }
}

impl Executor for Shelf {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::local(1);
        capabilities.local = false;
        capabilities
    }

    fn execute(&self, job: Job, _admission: Admission) -> Result<(), Rejected> {
        self.0.lock().expect("nothing panics under it").push(job);
        Ok(())
    }

    keeps_all!();
}

/// A sink that moves every item away, as a worker process does.
#[derive(Default)]
struct Moving {
    buffer: Vec<u8>,
    moved: Vec<u8>,
    /// Where each item ended.
    ends: Vec<usize>,
}

impl Moving {
    fn flush(&mut self) {
        self.moved.append(&mut self.buffer);
    }
}

impl Sink for Moving {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn item_done(&mut self) {
        self.flush();
        self.ends.push(self.moved.len());
    }
}

/// Runs a job as a worker would, and leaves it as it is.
fn run(job: &mut Job) -> Moving {
    let mut body = Vec::new();
    let call = job
        .encode(&mut body)
        .expect("nobody has claimed it")
        .expect("it can be encoded");
    let mut sink = Moving::default();
    Registry::global()
        .run(&call, &mut sink)
        .expect("the task is listed");
    sink.flush();
    sink
}

fn died() -> TaskError {
    TaskError::new(TaskErrorKind::WorkerDied(WorkerDeath::new("killed")))
}

/// Maps over `tasks` with an executor that hands the first chunk to `first`, and runs all others.
fn map<T: PortableTask>(
    tasks: Vec<T>,
    first: impl FnOnce(Job),
) -> Vec<Result<T::Output, TaskError>> {
    let shelf = Shelf::default();
    let items = tasks.len();
    let mut first = Some(first);
    let mut results = shelf.map(tasks).chunk(items).start();
    let mut all = Vec::new();
    while all.len() < items {
        for mut job in shelf.take() {
            if let Some(first) = first.take() {
                first(job);
            } else {
                let output = run(&mut job).moved;
                job.claim()
                    .expect("nobody has claimed it")
                    .complete(output.into());
            }
        }
        // What the first chunk gave back is submitted again when its results are fetched.
        all.extend(results.next());
    }
    assert!(shelf.take().is_empty() && results.next().is_none());
    all
}

fn doubles(items: u64) -> Vec<double> {
    (0..items).map(double::task).collect()
}

#[test]
fn a_chunk_goes_through_a_sink_item_by_item() {
    let results = map(doubles(20), |mut job| {
        let sink = run(&mut job);
        assert_eq!(sink.ends.len(), 20);
        assert!(sink.ends.is_sorted());
        job.claim().unwrap().complete(sink.moved.into());
    });
    for (x, result) in (0..).zip(results) {
        match result {
            Ok(doubled) => assert_eq!(doubled, x * 2),
            Err(error) => assert!(x == 13 && error.is_panicked(), "{x}: {error}"),
        }
    }
}

#[test]
fn a_sink_that_keeps_everything_gets_the_same() {
    let results = map(doubles(5), |mut job| {
        let moved = run(&mut job).moved;
        let mut body = Vec::new();
        let call = job.encode(&mut body).unwrap().unwrap();
        let mut kept = b"before".to_vec();
        Registry::global().run(&call, &mut kept).unwrap();
        // All but the end, which has the time.
        let end = moved.len() - 8;
        assert_eq!(&kept[6..][..end], &moved[..end]);
        job.claim().unwrap().complete(kept[6..].into());
    });
    assert_eq!(results.len(), 5);
    assert!(results.iter().all(Result::is_ok));
}

#[test]
fn a_worker_that_dies_in_an_item_loses_that_item_alone() {
    let tasks = || -> Vec<_> {
        let texts = [
            "",
            "short",
            "longer than sixty-three bytes, when it is repeated",
        ];
        (0..9).map(|n| repeat::task(texts[n % 3], n)).collect()
    };
    let mut whole = None;
    let expected = map(tasks(), |mut job| {
        let sink = run(&mut job);
        job.claim().unwrap().complete(sink.moved.clone().into());
        whole = Some(sink);
    });
    let whole = whole.unwrap();
    for cut in 0..=whole.moved.len() {
        let survivors = whole.ends.iter().filter(|&&end| end <= cut).count();
        let results = map(tasks(), |job| {
            let partial = whole.moved[..cut].to_vec();
            assert!(job.claim().unwrap().interrupted(partial, died()).is_none());
        });
        for (n, (result, expected)) in results.iter().zip(&expected).enumerate() {
            match result {
                Err(error) => assert!(n == survivors && error.is_worker_died(), "{cut}: {error}"),
                Ok(text) => {
                    assert!(n != survivors, "cut at {cut}");
                    assert_eq!(text, expected.as_ref().unwrap());
                }
            }
        }
    }
}

/// Misbehaves halfway through: 2 panics while it is encoded, 3 cannot be, and 4 panics while it is decoded.
#[derive(Debug, Clone, PartialEq)]
struct Fussy(u64);

impl serde::Serialize for Fussy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::{Error as _, SerializeTuple as _};

        let mut tuple = serializer.serialize_tuple(2)?;
        tuple.serialize_element(&self.0)?;
        assert!(self.0 != 2, "not encoded");
        if self.0 == 3 {
            return Err(S::Error::custom("cannot be encoded"));
        }
        tuple.serialize_element(&self.0)?;
        tuple.end()
    }
}

impl<'de> serde::Deserialize<'de> for Fussy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (value, again): (u64, u64) = serde::Deserialize::deserialize(deserializer)?;
        assert!(value != 4 && value == again, "not decoded");
        Ok(Self(value))
    }
}

#[task(crate = "executor_core")]
fn fussy_argument(value: Fussy) -> u64 {
    value.0
}

#[task(crate = "executor_core", codec = "compact")]
fn fussy_output(value: u64) -> Fussy {
    Fussy(value)
}

#[test]
fn what_cannot_be_encoded_or_decoded_fails_alone() {
    #[track_caller]
    fn check<T: PortableTask>(task: impl Fn(u64) -> T, value: impl Fn(T::Output) -> u64) {
        let results = map((0..7).map(task).collect(), |mut job| {
            let sink = run(&mut job);
            assert_eq!(sink.ends.len(), 7);
            job.claim().unwrap().complete(sink.moved.into());
        });
        for (n, result) in (0..).zip(results) {
            match (n, result) {
                (2 | 4, Err(error)) => assert!(error.is_panicked(), "{n}: {error}"),
                (3, Err(error)) => assert!(error.is_codec(), "{n}: {error}"),
                (2..=4, Ok(_)) => panic!("{n} cannot have come through"),
                (n, result) => assert_eq!(value(result.unwrap()), n),
            }
        }
    }
    check(|n| fussy_argument::task(Fussy(n)), |value| value);
    check(fussy_output::task, |value| value.0);
}

#[test]
fn a_death_after_the_end_changes_nothing() {
    let results = map(doubles(4), |mut job| {
        let partial = run(&mut job).moved;
        assert!(job.claim().unwrap().interrupted(partial, died()).is_none());
    });
    assert!(results.iter().all(Result::is_ok));
}

#[test]
fn an_interrupted_task_that_is_no_chunk_fails() {
    let shelf = Shelf::default();
    let future = shelf.submit(double::task(1)).unwrap();
    let mut job = shelf.take().pop().unwrap();
    let partial = run(&mut job).moved;
    assert!(job.claim().unwrap().interrupted(partial, died()).is_none());
    assert!(future.result().unwrap_err().is_worker_died());
}

#[test]
fn an_interruption_gives_the_callbacks_back() {
    let shelf = Shelf::default();
    let (send, called) = std::sync::mpsc::channel();
    let future = shelf.submit(double::task(1)).unwrap();
    future.on_done(move |outcome| send.send(outcome).unwrap());
    let job = shelf.take().pop().unwrap();
    let callbacks = job.claim().unwrap().interrupted(Vec::new(), died());
    assert!(future.is_done() && called.try_recv().is_err());
    callbacks.expect("there is one").call();
    assert_eq!(called.try_recv(), Ok(executor_core::Outcome::Failed));
}

#[test]
fn damaged_outputs_fail_what_they_do_not_answer() {
    // Cut off, though the worker lives.
    let results = map(doubles(4), |mut job| {
        let sink = run(&mut job);
        let cut = sink.ends[1];
        job.claim().unwrap().complete(sink.moved[..cut].into());
    });
    assert_eq!(
        results.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [true, true, false, false]
    );
    assert!(results[3].as_ref().unwrap_err().is_codec());

    // More results than there were items: nobody knows whose.
    let results = map(doubles(2), |mut job| {
        let one = run(&mut job).moved;
        let many = [&one[..18], &one[..]].concat();
        job.claim().unwrap().complete(many.into());
    });
    assert!(
        results
            .iter()
            .all(|result| result.as_ref().is_err_and(TaskError::is_codec))
    );

    // A worker that has done nothing, and says that this is all: that could go on for ever.
    let results = map(doubles(2), |mut job| {
        let sink = run(&mut job);
        let end = &sink.moved[*sink.ends.last().unwrap()..];
        job.claim().unwrap().complete(end.into());
    });
    assert!(
        results
            .iter()
            .all(|result| result.as_ref().is_err_and(TaskError::is_codec))
    );
}

#[test]
fn a_chunk_that_stops_early_gives_the_rest_back_without_sending_it() {
    let results = map(doubles(4), |mut job| {
        let sink = run(&mut job);
        // As if the worker had stopped after two.
        let end = &sink.moved[sink.ends[3]..];
        let output = [&sink.moved[..sink.ends[1]], end].concat();
        job.claim().unwrap().complete(output.into());
    });
    let results: Vec<u64> = results.into_iter().map(Result::unwrap).collect();
    assert_eq!(results, [0, 2, 4, 6]);
}

#[test]
fn tables_number_tasks_by_name() {
    let registry = Registry::new();
    registry.with::<repeat>().unwrap().with::<double>().unwrap();
    let table = registry.table();
    assert_eq!(table.len(), 2);
    let (first, second) = (table.id(double::NAME), table.id(repeat::NAME));
    assert_eq!((first, second), (Some(0), Some(1)));
    // Asked again, and by a string that is elsewhere in memory.
    assert_eq!(table.id(double::NAME), first);
    let elsewhere = repeat::NAME.to_owned();
    assert_eq!(table.id(&elsewhere), second);
    assert_eq!(table.id("chunks::triple"), None);
    assert_eq!(table.id(""), None);
    assert_eq!(table.name(0), Some(double::NAME));
    assert_eq!(table.name(2), None);
    assert_eq!(table.digest(), registry.digest());

    let mut output = Vec::new();
    table
        .run(0, false, &3_u64.to_le_bytes(), &mut output)
        .unwrap();
    assert_eq!(double::decode_output(&output), Ok(6));
    let error = table.run(2, false, b"", &mut output).unwrap_err();
    assert!(matches!(error.kind(), TaskErrorKind::UnknownTask(_)));
    assert_eq!(output.len(), 8);
}

#[test]
fn a_global_name_is_known_however_it_is_asked_for() {
    let known = || Registry::global().contains(double::NAME);
    assert!(known() && known());
    let mut elsewhere = double::NAME.to_owned();
    assert!(Registry::global().contains(&elsewhere));
    // The same place in memory, and another name.
    elsewhere.replace_range(..1, "C");
    assert!(!Registry::global().contains(&elsewhere));
    assert!(!Registry::global().contains(""));
    assert!(!Registry::new().contains(double::NAME));
}

#[test]
fn programs_with_other_codecs_have_another_digest() {
    mod other {
        use executor_core::PortableTask;

        pub(super) mod unregistered {
            pub(crate) use executor_core::{PortableTask, Task, TaskError, codec, private};
            macro_rules! register {
                ($task:ty) => {};
            }
            pub(crate) use register;
        }
        #[executor_macros::task(crate = "self::unregistered", name = "same")]
        pub(super) fn plain(x: u64) -> u64 {
            x
        }
        pub(super) mod messagepack {
            #[executor_macros::task(
                crate = "super::unregistered",
                name = "same",
                codec = "messagepack"
            )]
            pub(in super::super) fn plain(x: u64) -> u64 {
                x
            }
        }
        const _: () = assert!(plain::NAME.len() == messagepack::plain::NAME.len());
    }
    let digest = |registry: &Registry| registry.digest();
    let compact = Registry::new();
    let named = Registry::new();
    compact.with::<other::plain>().unwrap();
    named.with::<other::messagepack::plain>().unwrap();
    assert_eq!(
        other::plain::SIGNATURE,
        other::messagepack::plain::SIGNATURE
    );
    assert_ne!(digest(&compact), digest(&named));
}

proptest! {
    #[test]
    fn any_bytes_settle_every_item_of_a_chunk(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        keep in 0_usize..40,
        is_dead: bool,
    ) {
        // Some of a true output, and then anything.
        let results = map(doubles(5), |mut job| {
            let mut output = run(&mut job).moved;
            output.truncate(keep);
            output.extend_from_slice(&bytes);
            let job = job.claim().unwrap();
            if is_dead {
                assert!(job.interrupted(output, died()).is_none());
            } else {
                job.complete(output.into());
            }
        });
        prop_assert_eq!(results.len(), 5);
    }

    #[test]
    fn any_bytes_can_be_run_as_a_chunk(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let call = executor_core::EncodedCall { name: repeat::NAME, is_chunk: true, body: &bytes };
        let mut sink = Moving::default();
        let ran = Registry::global().run(&call, &mut sink);
        prop_assert_eq!(ran.is_err(), bytes.is_empty());
    }
}
