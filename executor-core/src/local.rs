//! Executors whose jobs run in this process: closures, scopes and fork-join.

use std::{sync::Arc, time::Duration};

use crate::{
    Admission, Executor, FutureTask, Map, Scope, SubmitAsync, SubmitError, Task, TaskFuture,
    TaskOptions, cell::Submission, map::Apply, scope,
};

/// Says that an executor runs its jobs in this process, so that closures can be spawned on it.
pub trait LocalExecutor: Executor {
    /// A hint: a job handed over now would find a worker that has nothing to do.
    ///
    /// Asked at every fork of [`join`](crate::join()), so it should cost no more than a load
    /// or two. An executor that always says no runs both sides of a fork in the caller.
    fn wants_work(&self) -> bool;
}

dyn_clone::clone_trait_object!(LocalExecutor);

impl<E: LocalExecutor + ?Sized> LocalExecutor for &E {
    fn wants_work(&self) -> bool {
        (**self).wants_work()
    }
}

impl<E: LocalExecutor + ?Sized> LocalExecutor for Arc<E> {
    fn wants_work(&self) -> bool {
        (**self).wants_work()
    }
}

impl<E: LocalExecutor + ?Sized> LocalExecutor for Box<E>
where
    Self: Clone,
{
    fn wants_work(&self) -> bool {
        (**self).wants_work()
    }
}

/// What users can call beyond [`ExecutorExt`](crate::ExecutorExt) on an executor of this process.
pub trait LocalExecutorExt: LocalExecutor {
    /// Submits a closure, or any other [`Task`] that may not be able to leave the process.
    ///
    /// # Errors
    ///
    /// The closure itself, with the [`Reason`](crate::Reason) why it was not accepted.
    fn spawn<T>(&self, task: T) -> Result<TaskFuture<T::Output>, SubmitError<T>>
    where
        T: Task<Output: 'static> + 'static,
    {
        self.spawn_job(task, None, Admission::Policy)
    }

    /// Submits a closure if there is room for it now.
    ///
    /// # Errors
    ///
    /// The closure itself, with the [`Reason`](crate::Reason).
    fn try_spawn<T>(&self, task: T) -> Result<TaskFuture<T::Output>, SubmitError<T>>
    where
        T: Task<Output: 'static> + 'static,
    {
        self.spawn_job(task, None, Admission::Now)
    }

    /// Submits a closure, and waits for room this long at the most.
    ///
    /// # Errors
    ///
    /// The closure itself, with the [`Reason`](crate::Reason).
    fn spawn_within<T>(
        &self,
        timeout: Duration,
        task: T,
    ) -> Result<TaskFuture<T::Output>, SubmitError<T>>
    where
        T: Task<Output: 'static> + 'static,
    {
        self.spawn_job(task, None, Admission::Within(timeout))
    }

    /// Submits a closure with options.
    ///
    /// # Errors
    ///
    /// The closure itself, with the [`Reason`](crate::Reason).
    fn spawn_with<T>(
        &self,
        options: TaskOptions,
        task: T,
    ) -> Result<TaskFuture<T::Output>, SubmitError<T>>
    where
        T: Task<Output: 'static> + 'static,
    {
        self.spawn_job(task, Some(options), Admission::Policy)
    }

    /// Submits a closure, and waits for room in the queue without blocking the thread:
    /// [`submit_async`](crate::ExecutorExt::submit_async) for closures.
    fn spawn_async<T>(&self, task: T) -> SubmitAsync<'_, Self, T>
    where
        T: Task<Output: 'static> + 'static,
    {
        SubmitAsync::new(self, task, |_, task| Ok(Submission::local(task, None)))
    }

    /// Submits a future as a task: an executor that has a runtime polls it there, and any other one
    /// drives it on one of its workers.
    ///
    /// ```
    /// # use executor_core::{testing::InlineExecutor, Future as _, LocalExecutorExt as _};
    /// # let executor = InlineExecutor::new();
    /// let future = executor.spawn_future(async { 6 * 7 })?;
    /// assert_eq!(future.result()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The future itself, as a [`FutureTask`], with the [`Reason`](crate::Reason) why it was not
    /// accepted.
    fn spawn_future<F>(
        &self,
        future: F,
    ) -> Result<TaskFuture<F::Output>, SubmitError<FutureTask<F>>>
    where
        F: std::future::Future<Output: Send + 'static> + Send + 'static,
    {
        Submission::local_future(FutureTask(future), |task| task.0, None)
            .hand_to(self, Admission::Policy)
    }

    /// Calls `f` with every item and iterates over the results: [`map`](crate::ExecutorExt::map)
    /// for closures.
    fn map_fn<I, F, R>(&self, items: I, f: F) -> Map<&Self, I::IntoIter, Apply<F>>
    where
        I: IntoIterator<Item: Send + 'static>,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: Send + 'static,
        Self: Sized,
    {
        Map::local(self, items.into_iter(), Apply::new(f))
    }

    /// Lets `f` spawn closures that borrow from the caller. All of them are done when this returns,
    /// also if `f` or one of them panics.
    ///
    /// ```
    /// # use executor_core::{testing::InlineExecutor, Future as _, LocalExecutorExt as _};
    /// # let executor = InlineExecutor::new();
    /// let mut numbers = vec![3, 1, 2];
    /// let greeting = String::from("hello");
    /// let length = executor.scope(|s| {
    ///     s.spawn(|| numbers.sort());
    ///     s.spawn(|| greeting.len()).result()
    /// })?;
    /// assert_eq!((numbers, length), (vec![1, 2, 3], 5));
    /// # Ok::<(), executor_core::TaskError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If `f` does, after everything that it spawned is done. A panic in a spawned closure is in the
    /// result of its future.
    fn scope<'env, F, R>(&self, f: F) -> R
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env, Self>) -> R,
    {
        scope::scope(self, f)
    }

    #[doc(hidden)]
    fn spawn_job<T>(
        &self,
        task: T,
        options: Option<TaskOptions>,
        admission: Admission,
    ) -> Result<TaskFuture<T::Output>, SubmitError<T>>
    where
        T: Task<Output: 'static> + 'static,
    {
        Submission::local(task, options).hand_to(self, admission)
    }
}

impl<E: LocalExecutor + ?Sized> LocalExecutorExt for E {}
