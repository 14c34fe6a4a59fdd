//! A small pool of processes, and the ways in which it can be wrong: a thread for each worker, one task on
//! its way at a time.

mod process;
pub(crate) mod worker;

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use conformance_tests::{Config, initialize};
use executor_core::{
    Admission, Capabilities, Executor, Job, JobKey, JoinError, Outcome, Ran, Reason, Rejected,
    Remote, RemoteHome, Revoked, Shutdown, StartedJob, Stats, StopLevel, TaskError, TaskErrorKind,
    Timeout, Unsupported, WorkerDeath, context,
};

use self::{
    process::Process,
    worker::{Call, Link},
};

/// What is wrong with a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// Nothing.
    None,
    /// A crash fails what is queued, too.
    LosesNeighbours,
    /// A crash fails the whole chunk.
    LosesChunks,
    /// A task that has crashed is run again.
    RunsCrashedAgain,
    /// A crash is forgotten, and the task with it.
    ForgetsCrashes,
    /// Nothing is said about the worker that died.
    SaysNothing,
    /// A kill hits another worker, if there is one that is busy.
    KillsTheWrongTask,
    /// A kill is a signal.
    KillsPolitely,
    /// A task that was cancelled while it was queued is run.
    RunsCancelled,
    /// Each task is run twice.
    Doubles,
    /// The time in the queue counts as run time.
    CountsTheQueue,
    /// Each initializer that fails is tried again, without end.
    NeverBreaks,
    /// Workers go on for a while when their parent is gone.
    Outlives,
}

/// A pool of processes: a handle, whose clones share the workers.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    defect: Defect,
    initializer: Option<initialize>,
    home: RemoteHome,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    jobs: VecDeque<Queued>,
    slots: Vec<Slot>,
    shutdown: Option<Shutdown>,
    broken: Option<Arc<str>>,
    stats: Stats,
    /// How often a worker could not be started.
    failed_starts: usize,
}

struct Queued {
    job: Job,
    call: Call,
    submitted: Instant,
}

/// What others can do to a worker.
#[derive(Default)]
struct Slot {
    running: Option<JobKey>,
    link: Option<Arc<Mutex<Link>>>,
    /// Why it was killed, if we did it.
    reason: Option<fn() -> TaskErrorKind>,
}

impl Pool {
    pub(crate) fn new(config: &Config, defect: Defect) -> Self {
        let shared = Arc::new_cyclic(|shared: &Weak<Shared>| {
            let remote: Weak<dyn Remote> = Weak::<Shared>::clone(shared);
            let initializer = config.initializer.as_ref();
            Shared {
                defect,
                initializer: initializer.map(|initializer| initializer.portable()),
                home: RemoteHome::new(remote),
                state: Mutex::new(State {
                    jobs: VecDeque::new(),
                    slots: Vec::new(),
                    shutdown: None,
                    broken: None,
                    stats: Stats::default(),
                    failed_starts: 0,
                }),
                changed: Condvar::new(),
            }
        });
        let mut state = shared.lock();
        state.slots.resize_with(config.workers, Slot::default);
        state.stats.workers = config.workers;
        drop(state);
        let start = |index| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.work(index))
        };
        let threads = Mutex::new((0..config.workers).map(start).collect());
        Self(Arc::new(Handle { shared, threads }))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.shut_down(Shutdown::Drain);
        if context::calls_callbacks_for(self.shared.home.home()) {
            return;
        }
        let threads = self
            .threads
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            thread.join().expect("a worker's thread does not panic");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the thread of a worker does.
    fn work(self: Arc<Self>, index: usize) {
        context::call_callbacks_for(self.home.home());
        let mut process = None;
        while let Some(mut queued) = self.next() {
            let Ok(input) = self.started(index, &mut process) else {
                self.lock().jobs.push_front(queued);
                continue;
            };
            let key = queued.job.key();
            let options = queued.job.options();
            let timeout = options.and_then(|options| options.timeout());
            if queued
                .job
                .start_by()
                .is_some_and(|start_by| Instant::now() >= start_by)
            {
                let late = TaskError::new(TaskErrorKind::TimedOut(Timeout::Queue));
                let ran = queued.job.fail(late);
                let mut state = self.lock();
                state.stats.begin();
                state.stats.end(ran);
                continue;
            }
            let since = match self.defect {
                Defect::CountsTheQueue => queued.submitted,
                _ => Instant::now(),
            };
            queued.call.label = queued.job.name().to_owned();
            let job = match queued.job.claim() {
                Ok(job) => job,
                Err(ran) => {
                    if self.defect == Defect::RunsCancelled {
                        let (mut partial, mut started) = (Vec::new(), false);
                        drop(input.call(&queued.call, &mut started, &mut partial));
                    }
                    let mut state = self.lock();
                    state.stats.begin();
                    state.stats.end(ran);
                    continue;
                }
            };
            {
                let mut state = self.lock();
                state.stats.begin();
                state.slots[index].running = Some(key);
            }
            let (over, watch) = mpsc::channel::<()>();
            let watchdog = timeout.map(|timeout| {
                let (shared, end) = (Arc::clone(&self), since + timeout);
                thread::spawn(move || shared.watch(index, key, end, &watch))
            });
            self.run(index, &mut process, job, &queued.call);
            drop(over);
            if let Some(watchdog) = watchdog {
                watchdog.join().expect("a watchdog does not panic");
            }
            self.changed.notify_all();
        }
        self.end(index, process);
    }

    /// The next job, when there is one; none at the end.
    fn next(&self) -> Option<Queued> {
        let mut state = self.lock();
        loop {
            if let Some(cause) = state.broken.clone() {
                let jobs = std::mem::take(&mut state.jobs);
                drop(state);
                for queued in jobs {
                    let ran = queued.job.fail(TaskError::broken(&*cause));
                    let mut state = self.lock();
                    state.stats.begin();
                    state.stats.end(ran);
                }
                state = self.lock();
                if state.jobs.is_empty() && state.shutdown.is_none() {
                    state = self.wait(state);
                }
            }
            if state.broken.is_none()
                && let Some(queued) = state.jobs.pop_front()
            {
                return Some(queued);
            }
            if state.jobs.is_empty() {
                if state.shutdown.is_some() {
                    return None;
                }
                state = self.wait(state);
            }
        }
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker's process: a new one, if there is none or if the old one has died.
    fn started<'a>(
        &self,
        index: usize,
        process: &'a mut Option<Process>,
    ) -> Result<&'a mut Process, ()> {
        if process.as_mut().is_some_and(|process| process.has_died()) {
            *process = None;
        }
        if process.is_none() {
            match Process::start(index, self.initializer.as_ref(), self.defect) {
                Ok(new) => {
                    self.lock().slots[index].link = Some(Arc::clone(&new.link));
                    *process = Some(new);
                }
                Err(cause) => {
                    let mut state = self.lock();
                    state.failed_starts += 1;
                    // Not quite without end: it must not go on behind the back of the next trial.
                    if self.defect != Defect::NeverBreaks || state.failed_starts > 100 {
                        state.broken.get_or_insert_with(|| cause.into());
                        self.changed.notify_all();
                    }
                    return Err(());
                }
            }
        }
        process.as_mut().ok_or(())
    }

    /// Runs a claimed job, on another process if this one dies before it has begun.
    fn run(&self, index: usize, process: &mut Option<Process>, job: StartedJob, call: &Call) {
        let mut tries = 0;
        loop {
            let Ok(input) = self.started(index, process) else {
                self.done(index, Outcome::Failed);
                return job.fail(TaskError::broken("no worker can be started"));
            };
            let killed = self.lock().slots[index].reason.is_some();
            if killed {
                return self.died(index, process, job, Vec::new(), Duration::ZERO);
            }
            let (mut partial, mut started) = (Vec::new(), false);
            let begin = Instant::now();
            if self.defect == Defect::Doubles {
                let (mut partial, mut started) = (Vec::new(), false);
                drop(input.call(call, &mut started, &mut partial));
            }
            match input.call(call, &mut started, &mut partial) {
                Ok(Ok(output)) => {
                    self.done(index, Outcome::Succeeded);
                    return job.complete(output.into_boxed_slice());
                }
                Ok(Err(error)) => {
                    self.done(index, Outcome::Failed);
                    return job.fail(error);
                }
                Err(_) if !started && self.lock().slots[index].reason.is_none() => *process = None,
                Err(_) if self.defect == Defect::RunsCrashedAgain && tries == 0 => {
                    *process = None;
                    tries += 1;
                }
                Err(_) => return self.died(index, process, job, partial, begin.elapsed()),
            }
        }
    }

    fn died(
        &self,
        index: usize,
        process: &mut Option<Process>,
        job: StartedJob,
        partial: Vec<u8>,
        ran_for: Duration,
    ) {
        let mut death = match process.take() {
            Some(process) => process.bury(),
            None => WorkerDeath::new("gone"),
        };
        death.ran_for = Some(ran_for);
        if self.defect == Defect::SaysNothing {
            death = WorkerDeath::new("it died");
        }
        let reason = self.lock().slots[index].reason;
        self.done(index, Outcome::Failed);
        if self.defect == Defect::ForgetsCrashes && reason.is_none() {
            return drop(job);
        }
        let kind = reason.map_or(TaskErrorKind::WorkerDied(death), |kind| kind());
        if self.defect == Defect::LosesNeighbours {
            let jobs = std::mem::take(&mut self.lock().jobs);
            for queued in jobs {
                let death = WorkerDeath::new("a neighbour died");
                let _ran = queued
                    .job
                    .fail(TaskError::new(TaskErrorKind::WorkerDied(death)));
            }
        }
        let error = TaskError::new(kind);
        if self.defect == Defect::LosesChunks {
            return job.fail(error);
        }
        if let Some(callbacks) = job.interrupted(partial, error) {
            callbacks.call();
        }
    }

    /// A job is about to settle.
    fn done(&self, index: usize, outcome: Outcome) {
        let mut state = self.lock();
        state.slots[index].running = None;
        state.slots[index].reason = None;
        state.stats.end(Ran::Here(outcome));
    }

    /// Ends the task when its time is over.
    fn watch(&self, index: usize, key: JobKey, end: Instant, over: &mpsc::Receiver<()>) {
        let left = end.saturating_duration_since(Instant::now());
        if over.recv_timeout(left) == Err(mpsc::RecvTimeoutError::Timeout) {
            let late = || TaskErrorKind::TimedOut(Timeout::Run);
            kill(&mut self.lock(), Some(index), Some(key), late);
        }
    }

    fn end(&self, index: usize, process: Option<Process>) {
        self.lock().slots[index].link = None;
        if let Some(process) = process {
            process.end();
        }
        self.lock().stats.workers -= 1;
        self.changed.notify_all();
    }

    fn shut_down(&self, mode: Shutdown) {
        let cancelled = {
            let mut state = self.lock();
            state.shutdown = state.shutdown.max(Some(mode));
            self.changed.notify_all();
            if mode == Shutdown::Kill {
                for index in 0..state.slots.len() {
                    kill(&mut state, Some(index), None, || TaskErrorKind::Killed);
                }
            }
            if mode == Shutdown::Drain {
                VecDeque::new()
            } else {
                std::mem::take(&mut state.jobs)
            }
        };
        for queued in cancelled {
            if queued.job.cancel() {
                self.lock().stats.cancelled += 1;
            }
        }
    }
}

/// Kills the worker that runs the job; `key` says which, or `index`.
fn kill(
    state: &mut State,
    index: Option<usize>,
    key: Option<JobKey>,
    reason: fn() -> TaskErrorKind,
) {
    for (at, slot) in state.slots.iter_mut().enumerate() {
        let is_meant = index.is_none_or(|index| index == at)
            && slot.running.is_some()
            && key.is_none_or(|key| slot.running == Some(key));
        if let (true, Some(link)) = (is_meant, &slot.link) {
            slot.reason = Some(reason);
            link.lock().unwrap_or_else(PoisonError::into_inner).kill();
        }
    }
}

impl Remote for Shared {
    fn has_started(&self, _: JobKey) -> bool {
        false
    }

    fn revoke(&self, _: JobKey) -> Revoked {
        Revoked::NotHere
    }

    fn stop(
        &self,
        job: JobKey,
        level: StopLevel,
        cancel: &dyn Fn() -> bool,
    ) -> Result<(), Unsupported> {
        if cancel() {
            return Ok(());
        }
        let mut state = self.lock();
        let is_other = |slot: &&Slot| slot.running.is_some_and(|key| key != job);
        let target = match self.defect {
            Defect::KillsTheWrongTask => state.slots.iter().find(is_other),
            _ => None,
        };
        let target = target.and_then(|slot| slot.running).unwrap_or(job);
        if level == StopLevel::Kill && self.defect != Defect::KillsPolitely {
            kill(&mut state, None, Some(target), || TaskErrorKind::Killed);
            return Ok(());
        }
        let its = state.slots.iter().find(|slot| slot.running == Some(job));
        let link = its.and_then(|slot| slot.link.clone());
        drop(state);
        if let Some(link) = link {
            let mut link = link.lock().unwrap_or_else(PoisonError::into_inner);
            // A worker that has died cannot be told, and need not be.
            drop(link.signal());
        }
        Ok(())
    }

    fn can_stop(&self, _: StopLevel) -> Result<(), Unsupported> {
        Ok(())
    }
}

impl Executor for Pool {
    fn capabilities(&self) -> Capabilities {
        let workers = self.0.shared.lock().slots.len();
        let mut capabilities = Capabilities::local(workers);
        capabilities.local = false;
        capabilities.kill = true;
        capabilities.task_timeout = true;
        capabilities
    }

    fn execute(&self, job: Job, _: Admission) -> Result<(), Rejected> {
        let shared = &self.0.shared;
        let mut job = self.capabilities().admit(job)?;
        let mut body = Vec::new();
        let encoded = job.encode(&mut body).map(|call| call.map(Call::of));
        let mut state = shared.lock();
        if state.shutdown.is_some() {
            return Err(Rejected::new(job, Reason::ShutDown));
        }
        if let Some(cause) = state.broken.clone() {
            return Err(Rejected::new(job, Reason::Broken { cause }));
        }
        job.bind(shared.home.home());
        let submitted = Instant::now();
        match encoded {
            Some(Ok(call)) => state.jobs.push_back(Queued {
                job,
                call,
                submitted,
            }),
            Some(Err(error)) => {
                drop(state);
                let _failed = job.fail(error);
            }
            None => {}
        }
        shared.changed.notify_all();
        Ok(())
    }

    fn shutdown(&self, mode: Shutdown) -> Result<(), Unsupported> {
        self.0.shared.shut_down(mode);
        Ok(())
    }

    fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        let shared = &self.0.shared;
        if context::calls_callbacks_for(shared.home.home()) {
            return Err(JoinError::would_deadlock());
        }
        let mut state = shared.lock();
        while state.stats.workers > 0 {
            let Some(deadline) = deadline else {
                state = shared.wait(state);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(JoinError::still_running(state.stats.workers));
            }
            let waited = shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    fn stats(&self) -> Stats {
        let state = self.0.shared.lock();
        let mut stats = state.stats;
        stats.queued = state.jobs.len();
        stats
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("defect", &self.0.shared.defect)
            .finish_non_exhaustive()
    }
}
