//! The cell of a task that is elsewhere: here there is only its future, and the job that settles it.

use std::marker::PhantomData;

use super::{CellRef, Job, Submission, TaskFuture, vtable::Carries};
use crate::{PortableTask, Task};

/// Stands for a task that another process has. Nobody runs it: it is never handed to an executor.
struct Expected<T>(PhantomData<fn() -> T>);

impl<T: PortableTask> Task for Expected<T> {
    type Output = T::Output;

    fn run(self) -> T::Output {
        panic!(
            "the task `{}` is elsewhere: only its result can come here",
            T::NAME
        )
    }
}

impl<T: PortableTask> Carries for Expected<T> {
    type Task = T;

    fn carried(&self) -> Option<&T> {
        None
    }
}

impl Job {
    /// The future of a task that another process has submitted, and the job with which a backend settles it:
    /// for those that keep results until somebody asks.
    ///
    /// The job has no arguments, so it can be neither run nor encoded; to try is a panic of the task. Otherwise
    /// it is like one that was [handed over](Self::hand_over).
    ///
    /// ```
    /// use executor_core::{Future as _, Job, codec::{Codec, Part}};
    /// # mod tasks {
    /// #     use executor_macros::task;
    /// #     #[task(crate = "executor_core")]
    /// #     pub fn square(x: u64) -> u64 { x * x }
    /// # }
    /// # use tasks::square;
    ///
    /// let (job, future) = Job::expecting::<square>();
    /// let mut output = Vec::new();
    /// Codec::Compact.encode(Part::Output, &144_u64, &mut output)?;
    /// let started = job.claim().expect("nobody has cancelled it");
    /// started.complete(output.into_boxed_slice());
    /// assert_eq!(future.result()?, 144);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn expecting<T: PortableTask>() -> (Self, TaskFuture<T::Output>) {
        let cell = CellRef::expected::<T>();
        // SAFETY: a new cell, whose task is an `Expected<T>`.
        let submission: Submission<Expected<T>> = unsafe { Submission::of_cell(cell) };
        submission.into_parts()
    }
}

impl CellRef {
    fn expected<T: PortableTask>() -> Self {
        Self::carrying(Expected::<T>(PhantomData))
    }
}
