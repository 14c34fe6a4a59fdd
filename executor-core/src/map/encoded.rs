//! Chunks that leave the process.
//!
//! A chunk travels under the name of its tasks, marked as a chunk: a byte that says whether it splits, and
//! a [`frame`] for each task. Its output is a frame for each result, written as soon as the item is
//! done, and at last an end frame with the nanoseconds that it took. There may be fewer results than
//! tasks: the others were not begun. Their sender takes them from its own chunk, which stays in the cell
//! until the output is there.
//!
//! An output without the end frame comes from a worker that died, cut off at any byte. Its whole frames
//! are the results of the first items; the next item is the one that the worker died in.

use std::time::Duration;

use super::chunk::{Chunk, ChunkOutput, Pace, Results, RunTask, SPLIT_AFTER_ELSEWHERE};
use crate::{
    PortableTask, TaskError,
    codec::{
        CodecError, Part,
        frame::{self, Frame, Frames},
    },
    panic,
    registry::Sink,
};

/// What came back of a chunk, to be read when the results are taken.
pub(crate) struct Received<Item> {
    items: Vec<Item>,
    output: Vec<u8>,
    /// Why there is no more output, if that is known.
    death: Option<TaskError>,
}

/// Runs an encoded chunk, and puts its output into `sink`, item by item; for the registry.
pub(crate) fn run<T: PortableTask>(body: &[u8], sink: &mut dyn Sink) -> Result<(), TaskError> {
    let Some((&splits, tasks)) = body.split_first() else {
        return Err(CodecError::decoding::<T>(Part::Task, &"an empty chunk").into());
    };
    let mut tasks = Frames::new(tasks);
    let mut pace = Pace::new((splits != 0).then_some(SPLIT_AFTER_ELSEWHERE));
    loop {
        let mut start = 0;
        // Caught once for all items up to the next panic: that is free, once for each is not.
        let caught = panic::catch(|| {
            for task in tasks.by_ref() {
                let buffer = sink.buffer();
                start = buffer.len();
                run_item::<T>(task, buffer);
                sink.item_done();
                if pace.is_over() {
                    break;
                }
            }
        });
        let Err(error) = caught else { break };
        let buffer = sink.buffer();
        buffer.truncate(start);
        frame::write_error(buffer, &error);
        sink.item_done();
        if pace.is_over() {
            break;
        }
    }
    let nanos = u64::try_from(pace.elapsed().as_nanos()).unwrap_or(u64::MAX);
    frame::write_end(sink.buffer(), &nanos.to_le_bytes());
    Ok(())
}

#[inline]
fn run_item<T: PortableTask>(task: Frame<'_>, buffer: &mut Vec<u8>) {
    let written = match task {
        Frame::Value(body) => T::ARGUMENTS.decode::<T>(Part::Task, body).and_then(|task| {
            let output = task.run();
            frame::write_value(buffer, |buffer| T::encode_output(&output, buffer))
        }),
        // It could not be encoded, and its sender says so.
        Frame::Error(body) | Frame::End(body) => {
            return frame::write_error(buffer, &frame::read_error(body));
        }
    };
    if let Err(error) = written {
        frame::write_error(buffer, &error.into());
    }
}

impl<T: PortableTask> Chunk<RunTask, T> {
    /// Encodes the chunk onto the end of `buffer`. An item that cannot be encoded fails alone.
    pub(crate) fn encode(&self, buffer: &mut Vec<u8>) {
        buffer.push(u8::from(self.splits));
        let mut items = self.items.iter();
        loop {
            let mut start = 0;
            let caught = panic::catch(|| {
                for item in items.by_ref() {
                    start = buffer.len();
                    let written = frame::write_value(buffer, |buffer| {
                        T::ARGUMENTS.encode(Part::Task, item, buffer)
                    });
                    if let Err(error) = written {
                        frame::write_error(buffer, &error.into());
                    }
                }
            });
            let Err(error) = caught else { return };
            buffer.truncate(start);
            frame::write_error(buffer, &error);
        }
    }

    /// The output of this chunk from what a worker sent. `death` says why there is no more of it, where
    /// the worker did not come to the end.
    pub(crate) fn received(
        self,
        output: Vec<u8>,
        death: Option<TaskError>,
    ) -> ChunkOutput<T, T::Output> {
        let received = Received {
            items: self.items,
            output,
            death,
        };
        ChunkOutput::Received(received, Received::read)
    }
}

impl<T: PortableTask> Received<T> {
    /// Reads what came back, which may be anything.
    fn read(self) -> Results<T, T::Output> {
        let Self {
            mut items,
            output,
            death,
        } = self;
        let (mut done, end) = read_results::<T>(items.len(), &output);
        let mut elapsed = None;
        let rest = match end {
            // A worker that gives everything back has not done the first either; that must not go on
            // for ever.
            End::Told(time) if !done.is_empty() || items.is_empty() => {
                elapsed = Some(time);
                items.split_off(done.len())
            }
            // It is not known which result is whose.
            End::TooMany => {
                done = failed(items.len(), &damaged::<T>());
                Vec::new()
            }
            End::Missing | End::Told(_) => match death {
                Some(death) if done.len() < items.len() => {
                    done.push(Err(death));
                    items.split_off(done.len())
                }
                Some(_) => Vec::new(),
                None => {
                    done.extend(failed(items.len() - done.len(), &damaged::<T>()));
                    Vec::new()
                }
            },
        };
        if std::mem::needs_drop::<T>() {
            panic::guard(|| drop(items));
        }
        Results {
            done,
            rest,
            elapsed,
        }
    }
}

/// How an output ended.
enum End {
    /// As it should, after this time.
    Told(Duration),
    /// It is cut off, or damaged.
    Missing,
    /// There are more results than items.
    TooMany,
}

fn read_results<T: PortableTask>(
    items: usize,
    output: &[u8],
) -> (Vec<Result<T::Output, TaskError>>, End) {
    let mut frames = Frames::new(output);
    let mut done = Vec::with_capacity(items);
    let mut end = End::Missing;
    loop {
        let caught = panic::catch(|| {
            for frame in frames.by_ref() {
                if let Frame::End(nanos) = frame {
                    end = read_end(nanos);
                    break;
                }
                if done.len() == items {
                    end = End::TooMany;
                    break;
                }
                done.push(match frame {
                    Frame::Value(body) => T::decode_output(body).map_err(TaskError::from),
                    Frame::Error(body) | Frame::End(body) => Err(frame::read_error(body)),
                });
            }
        });
        match caught {
            Ok(()) => break,
            Err(error) => done.push(Err(error)),
        }
    }
    if !frames.is_empty() && matches!(end, End::Told(_)) {
        end = End::Missing;
    }
    (done, end)
}

fn read_end(nanos: &[u8]) -> End {
    nanos.try_into().map_or(End::Missing, |nanos| {
        End::Told(Duration::from_nanos(u64::from_le_bytes(nanos)))
    })
}

fn failed<Output>(items: usize, error: &TaskError) -> Vec<Result<Output, TaskError>> {
    (0..items).map(|_| Err(error.clone())).collect()
}

/// The error of the items of a chunk whose output makes no sense.
#[cold]
fn damaged<T: PortableTask>() -> TaskError {
    CodecError::decoding::<T::Output>(
        Part::Output,
        &"what came back of its chunk is damaged, or not of so many items",
    )
    .into()
}
