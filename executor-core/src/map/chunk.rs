//! Many items in one job.

use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    PortableTask, Task, TaskError,
    codec::{self, CodecError, Part},
    context, panic,
};

/// A chunk that has run for this long gives back what it has not begun, unless its size is fixed:
/// its items are slower than was thought, and should be shared out.
const SPLIT_AFTER: Duration = Duration::from_millis(2);

/// How many items may go by between two looks at the clock, which costs as much as a cheap item.
const LOOK_EVERY: usize = 16;

/// What is done with each item of a map.
pub trait Step<Item>: Clone + Send {
    /// What an item becomes.
    type Output: Send;

    /// Treats one item.
    fn apply(&self, item: Item) -> Self::Output;
}

/// The [`Step`] of a map over tasks: run the task.
#[derive(Debug, Clone, Copy)]
pub struct RunTask(());

/// The [`Step`] of a map with a closure: call it.
pub struct Apply<F>(Arc<F>);

/// Many items in one job.
pub(crate) struct Chunk<S, Item> {
    step: S,
    items: Vec<Item>,
    splits: bool,
}

/// What a chunk gives back.
pub(crate) struct ChunkOutput<Item, Output> {
    /// The results of the first items.
    pub(super) results: Vec<Result<Output, TaskError>>,
    /// The items that were not begun.
    pub(super) rest: Vec<Item>,
    /// How long it took.
    pub(super) elapsed: Duration,
}

impl RunTask {
    pub(super) const fn new() -> Self {
        Self(())
    }
}

impl<F> Apply<F> {
    pub(crate) fn new(f: F) -> Self {
        Self(Arc::new(f))
    }
}

impl<T: Task> Step<T> for RunTask {
    type Output = T::Output;

    #[inline]
    fn apply(&self, task: T) -> T::Output {
        task.run()
    }
}

impl<F, Item, R> Step<Item> for Apply<F>
where
    F: Fn(Item) -> R + Send + Sync,
    R: Send,
{
    type Output = R;

    #[inline]
    fn apply(&self, item: Item) -> R {
        (self.0)(item)
    }
}

impl<F> Clone for Apply<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> fmt::Debug for Apply<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Apply").finish_non_exhaustive()
    }
}

impl<S, Item> Chunk<S, Item> {
    pub(super) const fn new(step: S, items: Vec<Item>, splits: bool) -> Self {
        Self {
            step,
            items,
            splits,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.items.len()
    }
}

impl<S: Step<Item>, Item: Send> Task for Chunk<S, Item> {
    type Output = ChunkOutput<Item, S::Output>;

    fn run(self) -> Self::Output {
        let start = Instant::now();
        let mut results = Vec::with_capacity(self.items.len());
        let mut items = self.items.into_iter();
        let mut look_at = 1;
        loop {
            // Caught once for all items up to the next panic: that is free, once for each is not.
            let caught = panic::catch(|| {
                for item in items.by_ref() {
                    results.push(Ok(self.step.apply(item)));
                    if results.len() >= look_at {
                        let late = self.splits && start.elapsed() >= SPLIT_AFTER;
                        if late || context::stop_requested() {
                            break;
                        }
                        look_at += look_at.min(LOOK_EVERY);
                    }
                }
            });
            match caught {
                Ok(()) => break,
                // The item that panicked is gone from the iterator, and this is its result.
                Err(error) => results.push(Err(error)),
            }
        }
        ChunkOutput {
            results,
            rest: items.collect(),
            elapsed: start.elapsed(),
        }
    }
}

impl<T: Serialize> Serialize for Chunk<RunTask, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.splits, &self.items).serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Chunk<RunTask, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (splits, items) = Deserialize::deserialize(deserializer)?;
        Ok(Self::new(RunTask::new(), items, splits))
    }
}

/// A chunk travels under the name of its tasks, marked as a chunk. Its output is
///
/// ```text
/// nanoseconds: u64, count: u64, count * (kind: u8, length: u64, body), the rest as a sequence
/// ```
///
/// with little-endian integers, kind 0 for an output and 1 for an error. So each output is encoded as
/// it would be alone, and one that cannot be encoded or decoded fails alone.
impl<T: PortableTask> PortableTask for Chunk<RunTask, T> {
    const NAME: &'static str = T::NAME;
    const SIGNATURE: &'static str = T::SIGNATURE;

    fn encode_output(output: &Self::Output, buffer: &mut Vec<u8>) -> Result<(), CodecError> {
        let nanos = u64::try_from(output.elapsed.as_nanos()).unwrap_or(u64::MAX);
        buffer.extend_from_slice(&nanos.to_le_bytes());
        let count = output.results.len() as u64;
        buffer.extend_from_slice(&count.to_le_bytes());
        for result in &output.results {
            let start = buffer.len();
            buffer.extend_from_slice(&[OUTPUT, 0, 0, 0, 0, 0, 0, 0, 0]);
            let encoded = match result {
                Ok(output) => panic::catch(|| T::encode_output(output, buffer))
                    .and_then(|encoded| encoded.map_err(TaskError::from)),
                Err(error) => Err(error.clone()),
            };
            if let Err(error) = encoded {
                buffer.truncate(start);
                buffer.extend_from_slice(&[ERROR, 0, 0, 0, 0, 0, 0, 0, 0]);
                codec::encode(Part::Output, &error, buffer)?;
            }
            let length = (buffer.len() - start - ITEM_HEADER) as u64;
            buffer[start + 1..start + ITEM_HEADER].copy_from_slice(&length.to_le_bytes());
        }
        codec::encode(Part::Output, &output.rest, buffer)
    }

    fn decode_output(bytes: &[u8]) -> Result<Self::Output, CodecError> {
        let mut reader = Reader {
            bytes,
            output: PhantomData::<Self::Output>,
        };
        let elapsed = Duration::from_nanos(u64::from_le_bytes(reader.array()?));
        let count = reader.length()?;
        // The count is the sender's claim: an item has a header at least.
        if count > reader.bytes.len() / ITEM_HEADER {
            return Err(reader.error("more items are announced than there are bytes"));
        }
        let mut results = Vec::with_capacity(count);
        for _ in 0..count {
            let [kind] = reader.array()?;
            let length = reader.length()?;
            let body = reader.slice(length)?;
            results.push(match kind {
                OUTPUT => panic::catch(|| T::decode_output(body))
                    .and_then(|decoded| decoded.map_err(TaskError::from)),
                _ => Err(codec::decode(Part::Output, body)?),
            });
        }
        let rest = codec::decode(Part::Output, reader.bytes)?;
        Ok(ChunkOutput {
            results,
            rest,
            elapsed,
        })
    }
}

/// Runs an encoded chunk, for the registry.
pub(crate) fn run_encoded<T: PortableTask>(
    body: &[u8],
    output: &mut Vec<u8>,
) -> Result<(), TaskError> {
    let chunk: Chunk<RunTask, T> = panic::catch(|| codec::decode(Part::Task, body))
        .and_then(|c| c.map_err(TaskError::from))?;
    Chunk::encode_output(&chunk.run(), output).map_err(TaskError::from)
}

const OUTPUT: u8 = 0;
const ERROR: u8 = 1;
const ITEM_HEADER: usize = 9;

/// Reads from bytes that may be anything.
struct Reader<'a, Output> {
    bytes: &'a [u8],
    output: PhantomData<Output>,
}

impl<'a, Output> Reader<'a, Output> {
    fn slice(&mut self, length: usize) -> Result<&'a [u8], CodecError> {
        match self.bytes.split_at_checked(length) {
            Some((slice, rest)) => {
                self.bytes = rest;
                Ok(slice)
            }
            None => Err(self.error("a chunk ends too early")),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let mut array = [0; N];
        array.copy_from_slice(self.slice(N)?);
        Ok(array)
    }

    fn length(&mut self) -> Result<usize, CodecError> {
        let length = u64::from_le_bytes(self.array()?);
        usize::try_from(length).map_err(|_| self.error("a length is beyond all memory"))
    }

    fn error(&self, reason: &'static str) -> CodecError {
        CodecError::decoding::<Output>(Part::Output, &reason)
    }
}
