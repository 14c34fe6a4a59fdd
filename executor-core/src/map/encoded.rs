//! Chunks that leave the process.
//!
//! A chunk travels under the name of its tasks, marked as a chunk. Each of its items, and each of its
//! results, is encoded for itself, as it would be alone, and is a *frame*: a byte that tells a value
//! from an error, and the encoded value or error. So what cannot be encoded or decoded fails alone.
//!
//! A chunk is `(whether it splits, [frame of a task])`; its output is
//! `(nanoseconds, [frame of a result], [frame of a task that was not begun])`, with the last as they
//! came.

use std::{marker::PhantomData, time::Duration};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::Error as _,
    ser::{Error as _, SerializeSeq as _},
};

use super::chunk::{Chunk, ChunkOutput, RunTask, Step};
use crate::{
    PortableTask, Task, TaskError,
    codec::{self, CodecError, Part},
    panic,
};

const VALUE: u8 = 0;
const ERROR: u8 = 1;

/// Runs an encoded chunk, and encodes its output; for the registry.
pub(crate) fn run<T: PortableTask>(body: &[u8], buffer: &mut Vec<u8>) -> Result<(), TaskError> {
    let (splits, frames): (bool, Vec<&[u8]>) = codec::decode_borrowed(Part::Task, body)?;
    let chunk = Chunk::new(RunEncoded(PhantomData::<fn() -> T>), frames, splits);
    let output = chunk.run();
    let rest: Vec<&[u8]> = output.rest.into_iter().flatten().collect();
    write_output::<T>(output.elapsed, &output.results, &RawFrames(&rest), buffer)?;
    Ok(())
}

/// The error of every item of a chunk that came back with more or fewer than it had.
pub(super) fn wrong_count<Output>() -> TaskError {
    CodecError::decoding::<Output>(
        Part::Output,
        &"a chunk came back with another number of items",
    )
    .into()
}

impl<T: PortableTask> PortableTask for Chunk<RunTask, T> {
    const NAME: &'static str = T::NAME;
    const SIGNATURE: &'static str = T::SIGNATURE;

    fn encode_output(output: &Self::Output, buffer: &mut Vec<u8>) -> Result<(), CodecError> {
        let rest = Frames(
            &output.rest,
            |item: &Result<T, TaskError>, buffer: &mut Vec<u8>| {
                item.as_ref()
                    .map_err(Clone::clone)
                    .and_then(|task| encode_task(task, buffer))
            },
        );
        write_output::<T>(output.elapsed, &output.results, &rest, buffer)
    }

    fn decode_output(bytes: &[u8]) -> Result<Self::Output, CodecError> {
        let (nanos, results, rest): (u64, Vec<&[u8]>, Vec<&[u8]>) =
            codec::decode_borrowed(Part::Output, bytes)?;
        Ok(ChunkOutput {
            results: results
                .into_iter()
                .map(|f| read(f, Part::Output, T::decode_output))
                .collect(),
            rest: rest.into_iter().map(read_task).collect(),
            elapsed: Duration::from_nanos(nanos),
        })
    }
}

impl<T: PortableTask> Serialize for Chunk<RunTask, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.splits, Frames(&self.items, encode_task::<T>)).serialize(serializer)
    }
}

impl<'de, T: PortableTask> Deserialize<'de> for Chunk<RunTask, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (splits, frames): (bool, Vec<&[u8]>) = Deserialize::deserialize(deserializer)?;
        let items: Result<Vec<T>, TaskError> = frames.into_iter().map(read_task).collect();
        Ok(Self::new(
            RunTask::new(),
            items.map_err(D::Error::custom)?,
            splits,
        ))
    }
}

/// The [`Step`] of a chunk in a worker: decode the task, and run it.
struct RunEncoded<T>(PhantomData<fn() -> T>);

impl<T> Clone for RunEncoded<T> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<T: PortableTask> Step<&[u8]> for RunEncoded<T> {
    type Output = T::Output;

    fn apply(&self, frame: &[u8]) -> Result<T::Output, TaskError> {
        read_task::<T>(frame).map(Task::run)
    }
}

fn write_output<T: PortableTask>(
    elapsed: Duration,
    results: &[Result<T::Output, TaskError>],
    rest: &impl Serialize,
    buffer: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
    let results = Frames(
        results,
        |result: &Result<T::Output, TaskError>, buffer: &mut Vec<u8>| {
            let output = result.as_ref().map_err(Clone::clone)?;
            // Encoding runs the user's code: it may panic.
            panic::catch(|| T::encode_output(output, buffer))?.map_err(TaskError::from)
        },
    );
    codec::encode(Part::Output, &(nanos, results, rest), buffer)
}

fn encode_task<T: PortableTask>(task: &T, buffer: &mut Vec<u8>) -> Result<(), TaskError> {
    panic::catch(|| codec::encode(Part::Task, task, buffer))?.map_err(TaskError::from)
}

fn read_task<T: PortableTask>(frame: &[u8]) -> Result<T, TaskError> {
    read(frame, Part::Task, |body| codec::decode(Part::Task, body))
}

/// Reads a frame, which may be anything.
fn read<V>(
    frame: &[u8],
    part: Part,
    decode: impl FnOnce(&[u8]) -> Result<V, CodecError>,
) -> Result<V, TaskError> {
    match frame.split_first() {
        Some((&VALUE, body)) => panic::catch(|| decode(body))?.map_err(TaskError::from),
        Some((&ERROR, body)) => Err(codec::decode(part, body)?),
        _ => Err(CodecError::decoding::<V>(part, &"a frame is neither value nor error").into()),
    }
}

/// Values that are encoded one by one.
struct Frames<'a, V, F>(&'a [V], F);

/// Frames as they came.
struct RawFrames<'a>(&'a [&'a [u8]]);

struct Bytes<'a>(&'a [u8]);

impl<V, F> Serialize for Frames<'_, V, F>
where
    F: Fn(&V, &mut Vec<u8>) -> Result<(), TaskError>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut frames = serializer.serialize_seq(Some(self.0.len()))?;
        let mut frame = Vec::new();
        for value in self.0 {
            frame.clear();
            frame.push(VALUE);
            if let Err(error) = (self.1)(value, &mut frame) {
                frame.clear();
                frame.push(ERROR);
                codec::encode(Part::Output, &error, &mut frame).map_err(S::Error::custom)?;
            }
            frames.serialize_element(&Bytes(&frame))?;
        }
        frames.end()
    }
}

impl Serialize for RawFrames<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|frame| Bytes(frame)))
    }
}

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}
