//! The part of a cell that knows the task's type, behind a table of functions.

use std::{mem::ManuallyDrop, ptr::NonNull};

use super::{Extra, Header, asynchronous::Asynchronous, state::FAILED};
use crate::{
    PortableTask, Task, TaskError,
    codec::{CodecError, Encoded, Part},
    map::{RunTask, chunk::Chunk},
    panic,
    sync::UnsafeCell,
};

/// The part of a cell that depends on the task's type.
#[repr(C)]
pub(super) struct TaskCell<T: Task, X: Extra> {
    // First, so that a pointer to the cell is a pointer to its header.
    header: Header,
    stage: UnsafeCell<Stage<T>>,
    extra: UnsafeCell<ManuallyDrop<X>>,
}

pub(super) union Stage<T: Task> {
    pub(super) task: ManuallyDrop<T>,
    pub(super) output: ManuallyDrop<Result<T::Output, TaskError>>,
    encoded: ManuallyDrop<Encoded>,
}

pub(super) struct VTable {
    pub(super) name: fn() -> &'static str,
    pub(super) run: unsafe fn(NonNull<Header>) -> u32,
    pub(super) fail: unsafe fn(NonNull<Header>, TaskError),
    pub(super) drop_task: unsafe fn(NonNull<Header>),
    pub(super) drop_output: unsafe fn(NonNull<Header>, bool),
    pub(super) take: unsafe fn(NonNull<Header>, bool, NonNull<()>),
    pub(super) error: unsafe fn(NonNull<Header>, bool) -> Option<TaskError>,
    pub(super) move_task: unsafe fn(NonNull<Header>, NonNull<()>),
    pub(super) settled: Option<unsafe fn(NonNull<Header>)>,
    pub(super) free: unsafe fn(NonNull<Header>),
    pub(super) portable: Option<&'static Portable>,
    /// Of a task that is a future only.
    pub(super) asynchronous: Option<&'static Asynchronous>,
}

/// What the stage of a portable task's cell holds: the task, or what has it inside.
pub(super) trait Carries: Task<Output = <Self::Task as Task>::Output> {
    type Task: PortableTask;

    /// The task; `None` once it has been started.
    fn carried(&self) -> Option<&Self::Task>;
}

/// The same of a chunk's cell.
pub(super) trait CarriesChunk:
    Task<Output = <Chunk<RunTask, Self::Item> as Task>::Output>
{
    type Item: PortableTask;

    /// The chunk; `None` once it has been started.
    fn carried(&self) -> Option<&Chunk<RunTask, Self::Item>>;

    /// The chunk itself; `None` once it has been started.
    fn into_carried(self) -> Option<Chunk<RunTask, Self::Item>>;
}

impl<T: PortableTask> Carries for T {
    type Task = T;

    fn carried(&self) -> Option<&T> {
        Some(self)
    }
}

impl<T: PortableTask> CarriesChunk for Chunk<RunTask, T> {
    type Item = T;

    fn carried(&self) -> Option<&Self> {
        Some(self)
    }

    fn into_carried(self) -> Option<Self> {
        Some(self)
    }
}

/// What a backend that leaves the process needs to know of a task's type.
pub(crate) struct Portable {
    pub(crate) name: &'static str,
    pub(super) encode: unsafe fn(NonNull<Header>, &mut Vec<u8>) -> Result<(), CodecError>,
    pub(super) store: unsafe fn(NonNull<Header>, Encoded),
    /// Of a chunk only: stores what its worker had done when it died.
    pub(super) interrupt: Option<Interrupt>,
}

pub(super) type Interrupt = unsafe fn(NonNull<Header>, Vec<u8>, TaskError);

impl<T: Task, X: Extra> TaskCell<T, X> {
    pub(super) const LOCAL: VTable = VTable {
        name: std::any::type_name::<T>,
        run: Self::run,
        fail: Self::fail,
        drop_task: Self::drop_task,
        drop_output: Self::drop_output,
        take: Self::take,
        error: Self::error,
        move_task: Self::move_task,
        settled: if size_of::<X>() == 0 {
            None
        } else {
            Some(Self::settled)
        },
        free: Self::free,
        portable: None,
        asynchronous: None,
    };

    pub(super) fn new(header: Header, task: T, extra: X) -> Self {
        Self {
            header,
            stage: UnsafeCell::new(Stage {
                task: ManuallyDrop::new(task),
            }),
            extra: UnsafeCell::new(ManuallyDrop::new(extra)),
        }
    }

    /// A cell on the heap, to be freed by `free`.
    pub(super) fn allocate(header: Header, task: T, extra: X) -> NonNull<Header> {
        NonNull::from(Box::leak(Box::new(Self::new(header, task, extra)))).cast()
    }

    pub(super) const fn header(&self) -> &Header {
        &self.header
    }

    pub(super) const fn stage(&self) -> &UnsafeCell<Stage<T>> {
        &self.stage
    }

    /// # Safety
    ///
    /// `header` is the header of a live `TaskCell<T, X>`. So for all functions below; what else they
    /// need of the stage is said at each.
    pub(super) unsafe fn cell<'a>(header: NonNull<Header>) -> &'a Self {
        // SAFETY: the header is the first field, and the cell is used through `&` alone.
        unsafe { header.cast().as_ref() }
    }

    /// # Safety
    ///
    /// The stage is the caller's and holds the task; it holds the output afterwards.
    unsafe fn run(header: NonNull<Header>) -> u32 {
        // SAFETY: the caller owns the stage.
        unsafe { Self::cell(header) }
            .stage
            .with_mut(|stage| unsafe {
                let task = ManuallyDrop::take(&mut (*stage).task);
                let output = panic::catch(|| task.run());
                let outcome = if output.is_ok() { 0 } else { FAILED };
                (*stage).output = ManuallyDrop::new(output);
                outcome
            })
    }

    /// # Safety
    ///
    /// The stage is the caller's and holds the task; it holds the error afterwards.
    unsafe fn fail(header: NonNull<Header>, error: TaskError) {
        // SAFETY: the caller owns the stage.
        unsafe {
            Self::drop_task(header);
            Self::cell(header)
                .stage
                .with_mut(|stage| (*stage).output = ManuallyDrop::new(Err(error)));
        }
    }

    /// # Safety
    ///
    /// The stage is the caller's and holds the task; it is empty afterwards.
    unsafe fn drop_task(header: NonNull<Header>) {
        // SAFETY: the caller owns the stage.
        unsafe { Self::cell(header) }
            .stage
            .with_mut(|stage| unsafe {
                if std::mem::needs_drop::<T>() {
                    panic::guard(|| ManuallyDrop::drop(&mut (*stage).task));
                }
            });
    }

    /// # Safety
    ///
    /// The stage is the caller's and holds an output (encoded or not); it is empty afterwards.
    pub(super) unsafe fn drop_output(header: NonNull<Header>, encoded: bool) {
        // SAFETY: the caller owns the stage.
        unsafe { Self::cell(header) }
            .stage
            .with_mut(|stage| unsafe {
                if encoded {
                    ManuallyDrop::drop(&mut (*stage).encoded);
                } else {
                    let output = &mut (*stage).output;
                    if std::mem::needs_drop::<T::Output>() || output.is_err() {
                        panic::guard(|| ManuallyDrop::drop(output));
                    }
                }
            });
    }

    /// # Safety
    ///
    /// The stage is the caller's and holds an output that is not encoded; `place` is for a
    /// `Result<T::Output, TaskError>`. The stage is empty afterwards.
    unsafe fn take(header: NonNull<Header>, _encoded: bool, place: NonNull<()>) {
        // SAFETY: the caller owns the stage and the place.
        unsafe { Self::cell(header) }
            .stage
            .with_mut(|stage| unsafe {
                place.cast().write(ManuallyDrop::take(&mut (*stage).output));
            });
    }

    /// # Safety
    ///
    /// The stage holds an output that is not encoded, and nobody changes it.
    unsafe fn error(header: NonNull<Header>, _encoded: bool) -> Option<TaskError> {
        // SAFETY: the output is only read, and of it only the error.
        unsafe { Self::cell(header) }.stage.with(|stage| unsafe {
            (*(&raw const (*stage).output).cast::<Result<T::Output, TaskError>>())
                .as_ref()
                .err()
                .cloned()
        })
    }

    /// # Safety
    ///
    /// The stage is the caller's and holds the task; `place` is for a `T`. The stage is empty
    /// afterwards.
    unsafe fn move_task(header: NonNull<Header>, place: NonNull<()>) {
        // SAFETY: the caller owns the stage and the place.
        unsafe { Self::cell(header) }
            .stage
            .with_mut(|stage| unsafe {
                place.cast().write(ManuallyDrop::take(&mut (*stage).task));
            });
    }

    /// # Safety
    ///
    /// Called once, by the claimer.
    unsafe fn settled(header: NonNull<Header>) {
        // SAFETY: called once, so the extra is still there, and nobody else touches it.
        let extra = unsafe {
            Self::cell(header)
                .extra
                .with_mut(|extra| ManuallyDrop::take(&mut *extra))
        };
        extra.settled();
    }

    /// # Safety
    ///
    /// No reference is left, and the stage is empty.
    unsafe fn free(header: NonNull<Header>) {
        // SAFETY: the cell came from a Box. What needs dropping in it has been dropped by its owner:
        // the stage and the extra are ManuallyDrop, the waiter slot is empty after DONE.
        drop(unsafe { Box::from_raw(header.cast::<Self>().as_ptr()) });
    }
}

impl<W: Carries> TaskCell<W, ()> {
    pub(super) const PORTABLE: VTable = VTable {
        name: || W::Task::NAME,
        take: Self::take_portable,
        error: Self::error_portable,
        portable: Some(&Portable {
            name: W::Task::NAME,
            encode: Self::encode,
            store: Self::store,
            interrupt: None,
        }),
        ..Self::LOCAL
    };

    /// # Safety
    ///
    /// The stage holds the task, and nobody changes it.
    unsafe fn encode(header: NonNull<Header>, buffer: &mut Vec<u8>) -> Result<(), CodecError> {
        // SAFETY: the task is only read.
        unsafe { Self::cell(header) }.stage.with(|stage| {
            // SAFETY: as above.
            let work: &W = unsafe { &*(&raw const (*stage).task).cast() };
            match work.carried() {
                Some(task) => W::Task::ARGUMENTS.encode(Part::Task, task, buffer),
                // The caller makes an error of this one's panic.
                None => panic!("the arguments of the task `{}` are not here", W::Task::NAME),
            }
        })
    }

    /// # Safety
    ///
    /// The stage is the caller's and holds the task; it holds the bytes afterwards.
    unsafe fn store(header: NonNull<Header>, output: Encoded) {
        // SAFETY: the caller owns the stage.
        unsafe {
            Self::drop_task(header);
            Self::cell(header)
                .stage
                .with_mut(|stage| (*stage).encoded = ManuallyDrop::new(output));
        }
    }

    /// # Safety
    ///
    /// As for `take`, with an output that may be encoded.
    unsafe fn take_portable(header: NonNull<Header>, encoded: bool, place: NonNull<()>) {
        if !encoded {
            // SAFETY: passed on from the caller.
            return unsafe { Self::take(header, false, place) };
        }
        // SAFETY: the caller owns the stage and the place.
        unsafe { Self::cell(header) }
            .stage
            .with_mut(|stage| unsafe {
                let encoded = ManuallyDrop::take(&mut (*stage).encoded);
                place.cast().write(decode_output::<W::Task>(encoded));
            });
    }

    /// # Safety
    ///
    /// As for `error`, with an output that may be encoded.
    unsafe fn error_portable(header: NonNull<Header>, encoded: bool) -> Option<TaskError> {
        if !encoded {
            // SAFETY: passed on from the caller.
            return unsafe { Self::error(header, false) };
        }
        // SAFETY: the bytes are only read.
        unsafe { Self::cell(header) }.stage.with(|stage| unsafe {
            let encoded = &*(&raw const (*stage).encoded).cast::<Encoded>();
            encoded.peek(|bytes| decoded(|| W::Task::decode_output(bytes)).err())
        })
    }
}

/// The output of a chunk keeps the bytes with the items, and is not encoded itself, whatever the state
/// says.
impl<W: CarriesChunk> TaskCell<W, ()> {
    pub(super) const PORTABLE_CHUNK: VTable = VTable {
        name: || W::Item::NAME,
        drop_output: Self::drop_chunk_output,
        portable: Some(&Portable {
            name: W::Item::NAME,
            encode: Self::encode_chunk,
            store: Self::store_chunk,
            interrupt: Some(Self::interrupt_chunk),
        }),
        ..Self::LOCAL
    };

    /// # Safety
    ///
    /// The stage holds the chunk, and nobody changes it.
    unsafe fn encode_chunk(
        header: NonNull<Header>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        // SAFETY: the chunk is only read.
        unsafe { Self::cell(header) }.stage.with(|stage| {
            // SAFETY: as above.
            let work: &W = unsafe { &*(&raw const (*stage).task).cast() };
            match work.carried() {
                Some(chunk) => chunk.encode(buffer),
                None => unreachable!("nobody has claimed the chunk"),
            }
        });
        Ok(())
    }

    /// # Safety
    ///
    /// The stage is the caller's and holds the chunk; it holds its output afterwards.
    unsafe fn store_chunk(header: NonNull<Header>, output: Encoded) {
        // SAFETY: passed on from the caller.
        unsafe { Self::receive(header, output.into_vec(), None) };
    }

    /// # Safety
    ///
    /// As for `store_chunk`.
    unsafe fn interrupt_chunk(header: NonNull<Header>, partial: Vec<u8>, error: TaskError) {
        // SAFETY: passed on from the caller.
        unsafe { Self::receive(header, partial, Some(error)) };
    }

    /// # Safety
    ///
    /// As for `store_chunk`.
    unsafe fn receive(header: NonNull<Header>, output: Vec<u8>, death: Option<TaskError>) {
        // SAFETY: the caller owns the stage. `received` only moves what it is given.
        unsafe { Self::cell(header) }
            .stage
            .with_mut(|stage| unsafe {
                let work = ManuallyDrop::take(&mut (*stage).task);
                (*stage).output = ManuallyDrop::new(match work.into_carried() {
                    Some(chunk) => Ok(chunk.received(output, death)),
                    None => unreachable!("the chunk was not started in this process"),
                });
            });
    }

    /// # Safety
    ///
    /// The stage is the caller's and holds an output; it is empty afterwards.
    unsafe fn drop_chunk_output(header: NonNull<Header>, _encoded: bool) {
        // SAFETY: passed on from the caller.
        unsafe { Self::drop_output(header, false) };
    }
}

fn decode_output<T: PortableTask>(encoded: Encoded) -> Result<T::Output, TaskError> {
    decoded(|| T::decode_encoded(encoded))
}

fn decoded<Output>(
    decode: impl FnOnce() -> Result<Output, CodecError>,
) -> Result<Output, TaskError> {
    panic::catch(decode).and_then(|decoded| decoded.map_err(TaskError::from))
}
