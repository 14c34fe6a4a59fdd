//! The trait that a backend writes, and what its users call.

use std::{
    fmt,
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use dyn_clone::DynClone;

use crate::{
    Admission, Call, Capabilities, Feature, Job, JobKind, JoinError, Map, PortableTask, Reason,
    Registry, Rejected, Reply, Shutdown, Stats, SubmitAsync, SubmitError, TaskFuture, TaskOptions,
    Unsupported,
    cell::{CellOptions, Submission},
};

/// What a backend writes: five methods over [`Job`]s. Users call [`ExecutorExt`].
///
/// An executor is a handle: clones share the workers. Dropping the last one finishes what was
/// accepted and joins the workers.
pub trait Executor: DynClone + fmt::Debug + Send + Sync {
    /// What this executor can do.
    ///
    /// # Behavior
    ///
    /// - Never changes while the executor lives, except for `workers` where it can be resized.
    fn capabilities(&self) -> Capabilities;

    /// Accepts the job, or gives it back.
    ///
    /// # Behavior
    ///
    /// - An accepted job settles, whatever happens.
    /// - [`bind`](Job::bind)s the job if workers are threads of this process.
    /// - Options that the executor cannot honour are refused with [`Reason::Unsupported`];
    ///   [`Capabilities::admit`] does that.
    /// - When the queue is full, does as `admission` says; a worker of this very executor does not
    ///   wait for room without a limit, but runs the job or gets [`Reason::WouldDeadlock`].
    ///
    /// # Errors
    ///
    /// The job and the reason, if it was not accepted; then nothing has been done with it.
    fn execute(&self, job: Job, admission: Admission) -> Result<(), Rejected>;

    /// Begins a shutdown, and does not wait for it.
    ///
    /// # Behavior
    ///
    /// - From now on nothing is accepted.
    /// - A second call with a stronger mode escalates; with the same or a weaker one it does nothing.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] if the executor cannot do this mode; then nothing has happened.
    fn shutdown(&self, mode: Shutdown) -> Result<(), Unsupported>;

    /// Waits until a shutdown that has begun is over, and until `deadline` at the most.
    ///
    /// # Behavior
    ///
    /// - Without a shutdown it waits for one.
    /// - Afterwards no worker is left, and every future of this executor is done.
    ///
    /// # Errors
    ///
    /// If the deadline passed first, or if a worker of this executor asks.
    fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError>;

    /// What the executor is doing.
    fn stats(&self) -> Stats;

    /// Has `waker` woken, once, when there may be room for a job of this kind in a full queue.
    ///
    /// # Behavior
    ///
    /// - False if there is room now, if the executor has been shut down, or if it cannot tell; then
    ///   nothing is kept. An executor with a bounded queue should be able to tell:
    ///   [`submit_async`](ExecutorExt::submit_async) asks again and again where it is not.
    fn when_room(&self, kind: JobKind, waker: &Waker) -> bool {
        let _ = (kind, waker);
        false
    }
}

dyn_clone::clone_trait_object!(Executor);

/// What users call, the same over every backend.
///
/// ```
/// use executor_core::{ExecutorExt as _, Future as _, PortableTask, testing::InlineExecutor};
/// # mod tasks {
/// #     use executor_macros::task;
/// #     #[task(crate = "executor_core")]
/// #     pub fn square(x: u64) -> u64 { x * x }
/// # }
/// # use tasks::square;
///
/// let executor = InlineExecutor::new();
/// let future = executor.submit(square::task(12))?;
/// assert_eq!(future.result()?, 144);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ExecutorExt: Executor {
    /// Submits a task. If the queue is full, this does what the executor was built to do then.
    ///
    /// # Errors
    ///
    /// The task itself, with the [`Reason`] why it was not accepted.
    fn submit<T: PortableTask>(&self, task: T) -> Result<TaskFuture<T::Output>, SubmitError<T>> {
        self.submit_job(task, None, Admission::Policy)
    }

    /// Submits a task if there is room for it now.
    ///
    /// # Errors
    ///
    /// The task itself, with the [`Reason`]: [`Full`](Reason::Full), for one.
    fn try_submit<T: PortableTask>(
        &self,
        task: T,
    ) -> Result<TaskFuture<T::Output>, SubmitError<T>> {
        self.submit_job(task, None, Admission::Now)
    }

    /// Submits a task, and waits for room this long at the most.
    ///
    /// # Errors
    ///
    /// The task itself, with the [`Reason`]: [`TimedOut`](Reason::TimedOut), for one.
    fn submit_within<T: PortableTask>(
        &self,
        timeout: Duration,
        task: T,
    ) -> Result<TaskFuture<T::Output>, SubmitError<T>> {
        self.submit_job(task, None, Admission::Within(timeout))
    }

    /// Submits a task with options.
    ///
    /// # Errors
    ///
    /// The task itself, with the [`Reason`]: [`Unsupported`](Reason::Unsupported), if the executor
    /// cannot honour an option.
    fn submit_with<T: PortableTask>(
        &self,
        options: TaskOptions,
        task: T,
    ) -> Result<TaskFuture<T::Output>, SubmitError<T>> {
        self.submit_job(task, Some(options), Admission::Policy)
    }

    /// Submits a task, and waits for room in the queue without blocking the thread.
    ///
    /// The output of the future that this gives is that of [`submit`](Self::submit): the task is
    /// *submitted* when it is ready, and not yet done. Where the executor would run tasks in the caller
    /// when its queue is full, this waits instead. Dropped before, the task is not submitted.
    ///
    /// ```
    /// # use executor_core::{block_on, testing::InlineExecutor, ExecutorExt as _};
    /// # mod tasks {
    /// #     use executor_macros::task;
    /// #     #[task(crate = "executor_core")]
    /// #     pub fn square(x: u64) -> u64 { x * x }
    /// # }
    /// # use tasks::square;
    /// # let executor = InlineExecutor::new();
    /// # block_on(async {
    /// let future = executor.submit_async(square::task(12)).await?;
    /// assert_eq!(future.await?, 144);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    fn submit_async<T: PortableTask>(&self, task: T) -> SubmitAsync<'_, Self, T> {
        SubmitAsync::new(self, task, |executor, task| {
            let task = executor.check_known(task)?;
            Ok(Submission::portable(task, None))
        })
    }

    /// Hands a call on that came encoded from another process, for backends whose workers have workers of their own.
    ///
    /// The task's name, arguments and output pass through as they are. Its own errors, and those of the executor, are the
    /// errors of the future.
    ///
    /// # Errors
    ///
    /// The call itself, with the [`Reason`] why it was not accepted.
    fn relay(
        &self,
        call: Call,
        options: TaskOptions,
    ) -> Result<TaskFuture<Reply>, SubmitError<Call>> {
        Submission::relayed(call, options).hand_to(self, Admission::Policy)
    }

    /// Runs many tasks and iterates over their results; see [`Map`].
    ///
    /// The input is pulled lazily, within a window, and cheap tasks travel in chunks. The first
    /// window is pulled at the first call of `next`, or by [`start`](Map::start).
    fn map<I>(&self, tasks: I) -> Map<&Self, I::IntoIter>
    where
        I: IntoIterator<Item: PortableTask>,
        Self: Sized,
    {
        Map::portable(self, tasks.into_iter())
    }

    /// Refuses a task that the workers cannot know.
    #[doc(hidden)]
    #[inline]
    fn check_known<T: PortableTask>(&self, task: T) -> Result<T, SubmitError<T>> {
        if !self.capabilities().local && !Registry::global().contains(T::NAME) {
            return Err(SubmitError::new(
                task,
                Reason::UnknownTask { name: T::NAME },
            ));
        }
        Ok(task)
    }

    #[doc(hidden)]
    fn submit_job<T: PortableTask>(
        &self,
        task: T,
        options: Option<TaskOptions>,
        admission: Admission,
    ) -> Result<TaskFuture<T::Output>, SubmitError<T>> {
        let task = self.check_known(task)?;
        Submission::portable(task, CellOptions::of(options)).hand_to(self, admission)
    }
}

impl<E: Executor + ?Sized> ExecutorExt for E {}

impl Capabilities {
    /// Refuses a job whose options are beyond these capabilities, or which cannot leave the process
    /// where it would have to. For backends, at the top of [`Executor::execute`].
    ///
    /// # Errors
    ///
    /// The job, with [`Reason::Unsupported`].
    pub fn admit(&self, job: Job) -> Result<Job, Rejected> {
        let missing = if !self.local && !job.is_portable() {
            Some(Feature::LocalTasks)
        } else {
            job.options().and_then(|options| {
                if options.priority() != 0 && !self.priorities {
                    Some(Feature::Priorities)
                } else if options.timeout().is_some() && !self.task_timeout {
                    Some(Feature::TaskTimeout)
                } else {
                    None
                }
            })
        };
        match missing {
            None => Ok(job),
            Some(feature) => Err(Rejected::new(
                job,
                Reason::Unsupported(Unsupported::new(feature)),
            )),
        }
    }
}

macro_rules! forward {
    ($($generics:tt)*) => {
        $($generics)* {
            fn capabilities(&self) -> Capabilities {
                (**self).capabilities()
            }

            fn execute(&self, job: Job, admission: Admission) -> Result<(), Rejected> {
                (**self).execute(job, admission)
            }

            fn shutdown(&self, mode: Shutdown) -> Result<(), Unsupported> {
                (**self).shutdown(mode)
            }

            fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
                (**self).join(deadline)
            }

            fn stats(&self) -> Stats {
                (**self).stats()
            }

            fn when_room(&self, kind: JobKind, waker: &Waker) -> bool {
                (**self).when_room(kind, waker)
            }
        }
    };
}

forward!(impl<E: Executor + ?Sized> Executor for &E);
forward!(impl<E: Executor + ?Sized> Executor for Arc<E>);
forward!(impl<E: Executor + ?Sized> Executor for Box<E> where Box<E>: Clone);
