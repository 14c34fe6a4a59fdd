//! Where a trial gets its executors and its latches: the same calls for workers that are threads and for
//! workers that are processes.

use std::{
    ops::Deref,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use executor_core::{
    Capabilities, Executor, ExecutorExt as _, LocalExecutor, LocalExecutorExt as _, PortableTask,
    SubmitError, Task, TaskFuture, TaskOptions,
};
use tempfile::TempDir;

use crate::{
    Start,
    latch::{Gate, Meeting, Notes, Tally, Token},
    script::{Script, script},
    subject::{Backend, Config, Initializer, Subject},
};

/// Where a trial gets its executors and its latches.
pub(crate) struct Bench {
    backend: Arc<Backend>,
    directory: OnceLock<TempDir>,
    files: AtomicUsize,
}

/// An executor under test, for tasks that can leave the process. Where it takes closures too, tasks are
/// spawned on it.
#[derive(Clone)]
pub(crate) struct Pool {
    executor: Box<dyn Executor>,
    local: Option<Box<dyn LocalExecutor>>,
}

/// An executor whose workers are busy, or whose async task sleeps. When it is dropped they are let go.
pub(crate) struct Jam {
    // First, so that it opens before the executor is dropped and joins.
    pub(crate) gate: Gate,
    pub(crate) pool: Pool,
}

/// A script, and a token that lives as long as the task does, where the task is a value of this process.
pub(crate) struct Holding {
    script: Script,
    _token: Option<Token>,
}

impl Bench {
    pub(crate) const fn new(backend: Arc<Backend>) -> Self {
        Self {
            backend,
            directory: OnceLock::new(),
            files: AtomicUsize::new(0),
        }
    }

    pub(crate) fn capabilities(&self) -> &Capabilities {
        &self.backend.capabilities
    }

    /// Whether tasks wait, since no worker runs them, for somebody who waits for them.
    pub(crate) fn is_deferred(&self) -> bool {
        self.backend.offers.deferred
    }

    /// Whether a submission to a full queue can run the task itself.
    pub(crate) fn has_caller_runs(&self) -> bool {
        !self.backend.offers.no_caller_runs
    }

    /// Whether the drop of the last handle waits for async tasks.
    pub(crate) fn drop_waits_for_async(&self) -> bool {
        !self.backend.offers.drop_leaves_async
    }

    /// The program that is to be killed; for those who need a victim.
    pub(crate) fn victim(&self) -> Command {
        let victim = self.backend.victim.as_ref();
        victim.expect("only where there is a victim")()
    }

    pub(crate) fn subject(&self, config: &Config) -> Subject {
        match (self.backend.build)(config) {
            Ok(subject) => subject,
            Err(error) => panic!("{error} ({config:?})"),
        }
    }

    /// An executor with two workers.
    pub(crate) fn executor(&self) -> Box<dyn Executor> {
        self.subject(&Config::workers(2)).executor
    }

    /// An executor with this many workers.
    pub(crate) fn pool(&self, workers: usize) -> Pool {
        self.pool_with(&Config::workers(workers))
    }

    pub(crate) fn pool_with(&self, config: &Config) -> Pool {
        Pool::of(&self.subject(config))
    }

    /// A local executor with this many workers.
    pub(crate) fn local(&self, workers: usize) -> Box<dyn LocalExecutor> {
        self.pool(workers).local().clone()
    }

    /// An executor with one worker, which is busy until the jam is opened: whatever is submitted stays
    /// pending.
    pub(crate) fn jam(&self) -> Jam {
        self.jam_with(&Config::workers(1))
    }

    pub(crate) fn jam_with(&self, config: &Config) -> Jam {
        let pool = self.pool_with(config);
        let gate = self.gate("the jam of the only worker");
        if !self.is_deferred() {
            self.block(&pool, &gate);
        }
        Jam { gate, pool }
    }

    /// Keeps one worker of the pool busy until the gate opens.
    pub(crate) fn block(&self, pool: &Pool, gate: &Gate) {
        drop(self.hold(pool, gate));
    }

    /// A task that has started, and ends when the gate opens. It gives 1 if it has been asked to stop by
    /// then, and 0 else.
    pub(crate) fn hold(&self, pool: &Pool, gate: &Gate) -> TaskFuture<u64> {
        let started = self.gate("a task to start");
        let task = script().open(&started).wait(gate).saw_stop().task();
        let future = pool.start(task).expect("an open pool accepts tasks");
        started.wait();
        future
    }

    /// A pool with one worker, its task, which has started, and the gate that ends it.
    pub(crate) fn running(&self) -> (Pool, Gate, TaskFuture<u64>) {
        let (pool, gate) = (self.pool(1), self.gate("a running task"));
        let future = self.hold(&pool, &gate);
        (pool, gate, future)
    }

    /// A pool with this many workers, and its async task, which has started and sleeps at an await until the
    /// jam is opened. It gives what [`hold`](Self::hold) says.
    pub(crate) fn asleep(&self, workers: usize) -> (Jam, TaskFuture<u64>) {
        let gate = self.gate("the await of an async task");
        let pool = self.pool(workers);
        let jam = Jam { gate, pool };
        let future = self.sleep(&jam.pool, &jam.gate);
        (jam, future)
    }

    /// An async task that has started, and sleeps at an await until the gate is opened.
    pub(crate) fn sleep(&self, pool: &Pool, gate: &Gate) -> TaskFuture<u64> {
        let started = self.gate("an async task to start");
        let future = pool.start_async(script().open(&started).awaits(gate).saw_stop());
        started.wait();
        future
    }

    /// A gate for tasks.
    pub(crate) fn gate(&self, name: &str) -> Gate {
        if self.is_local() {
            Gate::new(name)
        } else {
            Gate::file(name, self.path("gate"))
        }
    }

    /// A counter for tasks.
    pub(crate) fn tally(&self) -> Tally {
        if self.is_local() {
            Tally::new()
        } else {
            Tally::file(self.path("tally"))
        }
    }

    /// A list for tasks to write to.
    pub(crate) fn notes(&self) -> Notes {
        if self.is_local() {
            Notes::new()
        } else {
            Notes::file(self.path("notes"))
        }
    }

    /// A meeting of tasks.
    pub(crate) fn meeting(&self, size: usize) -> Meeting {
        Meeting::at(size, self.tally(), self.gate("a meeting of tasks"))
    }

    pub(crate) fn initializer(&self, start: Start) -> Initializer {
        Initializer::new(start, self.path("calls"))
    }

    /// The directory of this trial. It goes when the trial ends.
    pub(crate) fn directory(&self) -> &Path {
        let make = || tempfile::tempdir().expect("a directory for a trial can be made");
        self.directory.get_or_init(make).path()
    }

    fn path(&self, kind: &str) -> PathBuf {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        self.directory().join(format!("{kind}-{number}"))
    }

    /// Whether tasks run in this process.
    pub(crate) fn is_local(&self) -> bool {
        self.capabilities().local
    }
}

impl Pool {
    /// The executor of a subject, which is no longer needed.
    pub(crate) fn of(subject: &Subject) -> Self {
        Self {
            executor: subject.executor.clone(),
            local: subject.local.clone(),
        }
    }

    /// The executor as one that takes closures.
    #[expect(
        clippy::borrowed_box,
        reason = "maps and scopes need an executor of known size"
    )]
    pub(crate) fn local(&self) -> &Box<dyn LocalExecutor> {
        self.local
            .as_ref()
            .expect("trials with closures are only for local executors")
    }

    /// Submits a task, or spawns it.
    pub(crate) fn start<T: PortableTask>(
        &self,
        task: T,
    ) -> Result<TaskFuture<T::Output>, SubmitError<T>> {
        match &self.local {
            Some(local) => local.spawn(task),
            None => self.executor.submit(task),
        }
    }

    pub(crate) fn start_with<T: PortableTask>(
        &self,
        options: TaskOptions,
        task: T,
    ) -> Result<TaskFuture<T::Output>, SubmitError<T>> {
        match &self.local {
            Some(local) => local.spawn_with(options, task),
            None => self.executor.submit_with(options, task),
        }
    }

    pub(crate) fn start_now<T: PortableTask>(
        &self,
        task: T,
    ) -> Result<TaskFuture<T::Output>, SubmitError<T>> {
        match &self.local {
            Some(local) => local.try_spawn(task),
            None => self.executor.try_submit(task),
        }
    }

    pub(crate) fn start_within<T: PortableTask>(
        &self,
        timeout: Duration,
        task: T,
    ) -> Result<TaskFuture<T::Output>, SubmitError<T>> {
        match &self.local {
            Some(local) => local.spawn_within(timeout, task),
            None => self.executor.submit_within(timeout, task),
        }
    }

    /// Starts a task that holds a token, if it stays in this process; else the token goes at once.
    pub(crate) fn start_holding(
        &self,
        script: Script,
        token: Token,
    ) -> Result<TaskFuture<u64>, SubmitError<Holding>> {
        let Some(local) = &self.local else {
            return self.executor.submit(script.task()).map_err(|error| {
                let (task, reason) = error.into_parts();
                let (script, _token) = (task.script, None);
                SubmitError::new(Holding { script, _token }, reason)
            });
        };
        let _token = Some(token);
        local.spawn(Holding { script, _token })
    }

    /// Starts a task that gives a number.
    #[track_caller]
    pub(crate) fn number(&self, number: u64) -> TaskFuture<u64> {
        self.start(script().gives(number).task())
            .expect("an open pool accepts tasks")
    }

    /// Starts the script as an async task: submitted, since what is spawned is run by a call.
    #[track_caller]
    pub(crate) fn start_async(&self, script: Script) -> TaskFuture<u64> {
        self.executor
            .submit(script.async_task())
            .expect("an open pool accepts tasks")
    }
}

impl Deref for Pool {
    type Target = Box<dyn Executor>;

    fn deref(&self) -> &Self::Target {
        &self.executor
    }
}

impl Task for Holding {
    type Output = u64;

    fn run(self) -> u64 {
        self.script.task().run()
    }
}

impl Jam {
    pub(crate) fn open(&self) {
        self.gate.open();
    }

    /// The executor, once the worker has been let go.
    pub(crate) fn opened(self) -> Pool {
        self.gate.open();
        self.pool.clone()
    }

    /// Starts a task that gives a number.
    #[track_caller]
    pub(crate) fn number(&self, number: u64) -> TaskFuture<u64> {
        self.pool.number(number)
    }

    /// The executor as one that takes closures.
    #[expect(
        clippy::borrowed_box,
        reason = "maps and scopes need an executor of known size"
    )]
    pub(crate) fn local(&self) -> &Box<dyn LocalExecutor> {
        self.pool.local()
    }
}

impl Drop for Jam {
    fn drop(&mut self) {
        self.gate.open();
    }
}

/// Spawns a closure that gives a number.
#[track_caller]
pub(crate) fn number_on(pool: &dyn LocalExecutor, number: u64) -> TaskFuture<u64> {
    pool.spawn(move || number)
        .expect("an open pool accepts tasks")
}
