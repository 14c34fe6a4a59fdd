//! The executor: what its handles, the thread of its connection and its futures share.

mod attach;
mod callbacks;
mod cancel;
mod io;
mod publish;
mod results;
mod state;

use std::{
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::Waker,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use executor_core::{
    Admission, Home, Job, JobKey, JoinError, Reason, Registry, Rejected, Remote, RemoteHome,
    Revoked, Shutdown, Stats, StopLevel, TaskError, TaskErrorKind, Unsupported, context,
};
use tokio::sync::{Notify, mpsc::UnboundedSender};

use self::{
    callbacks::Caller,
    state::{Held, State},
};
use crate::{
    connect::Common,
    wire::{self, Level, TaskHead},
    worker::now,
};

/// What a submission does when the executor's queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFull {
    /// It waits for room.
    #[default]
    Block,
    /// It gives the task back.
    Reject,
}

pub(crate) struct Settings {
    pub(crate) common: Common,
    pub(crate) queue_bound: Option<usize>,
    pub(crate) on_full: OnFull,
    pub(crate) parallelism: Option<usize>,
    pub(crate) give_up_after: Duration,
    pub(crate) session: String,
    /// Its tasks were submitted by another connection.
    pub(crate) is_attached: bool,
}

pub(crate) struct Shared {
    pub(crate) settings: Settings,
    home: RemoteHome,
    state: Mutex<State>,
    caller: Caller,
    /// There is something to publish, or to end.
    wake: Notify,
    /// Something became of a published task.
    changed: Notify,
    orders: UnboundedSender<Order>,
    room: Condvar,
    quiet: Condvar,
    /// Slots of the workers that are heard of.
    seen_slots: AtomicUsize,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What a thread wants of that of the connection.
enum Order {
    Cancel(u64, mpsc::SyncSender<(Revoked, Option<Job>)>),
    Stop(u64, Level, mpsc::SyncSender<()>),
    /// Looks for the result of a task of another connection.
    Look(u64),
    /// Answered once all notices are read that the server had when it came.
    Sync(mpsc::SyncSender<()>),
    /// Gives back what is to be cancelled, by whoever shuts down.
    End(Shutdown, mpsc::SyncSender<Vec<Job>>),
}

impl Shared {
    fn new(settings: Settings, orders: UnboundedSender<Order>) -> Arc<Self> {
        Arc::new_cyclic(|weak: &Weak<Self>| {
            let home = RemoteHome::new(Weak::clone(weak) as Weak<dyn Remote>);
            Self {
                settings,
                caller: Caller::new(home.home()),
                home,
                state: Mutex::new(State::new()),
                wake: Notify::new(),
                changed: Notify::new(),
                orders,
                room: Condvar::new(),
                quiet: Condvar::new(),
                seen_slots: AtomicUsize::new(0),
                thread: Mutex::new(None),
            }
        })
    }

    pub(crate) fn start(settings: Settings) -> Result<Arc<Self>, crate::ConnectError> {
        io::start(settings)
    }

    pub(crate) fn home(&self) -> Home {
        self.home.home()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// How many tasks the workers can run at once, as far as is known.
    pub(crate) fn workers(&self) -> usize {
        let seen = self.seen_slots.load(Ordering::Relaxed);
        self.settings.parallelism.unwrap_or(seen).max(1)
    }

    /// What all subjects of a task share.
    fn address(&self, number: u64) -> String {
        let user = self.settings.common.user();
        format!("{user}.{}.{number}", self.settings.session)
    }

    pub(crate) fn execute(&self, mut job: Job, admission: Admission) -> Result<(), Rejected> {
        let name = job.task_name();
        let Some(signature) = Registry::global().signature(name) else {
            return Err(Rejected::new(job, Reason::UnknownTask { name }));
        };
        if let Some(reason) = self.state().refusal() {
            return Err(Rejected::new(job, reason));
        }
        job.bind(self.home());
        let mut body = Vec::new();
        let is_chunk = match job.encode(&mut body) {
            Some(Ok(call)) => call.is_chunk,
            Some(Err(error)) => {
                // Accepted, and failed: as if a worker had refused the argument.
                self.state().figures.failed += 1;
                let _failed_now = job.fail(error);
                return Ok(());
            }
            // Settled already.
            None => return Ok(()),
        };
        let options = job.options();
        let head = TaskHead {
            name: name.into(),
            signature,
            is_chunk,
            label: options
                .and_then(|options| options.name())
                .map(|label| label.to_owned().into()),
            timeout: options.and_then(executor_core::TaskOptions::timeout),
            start_by: job.start_by().map(|by| {
                let left = by.saturating_duration_since(Instant::now());
                now().saturating_add(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
            }),
            blob: None,
        };
        let message = wire::seal(body, &head);
        let mut state = self.state();
        if let Some(bound) = self.settings.queue_bound {
            state = match self.wait_for_room(state, bound, admission) {
                Ok(state) => state,
                Err(reason) => return Err(Rejected::new(job, reason)),
            };
        }
        if let Some(reason) = state.refusal() {
            drop(state);
            return Err(Rejected::new(job, reason));
        }
        let is_first = state.waiting.is_empty();
        state.add(job, message);
        drop(state);
        if is_first {
            self.wake.notify_one();
        }
        Ok(())
    }

    fn has_room(&self, state: &State, bound: usize) -> bool {
        // A worker that has nothing to do takes the first at once.
        let idle = self.workers().saturating_sub(state.running);
        state.queued() < bound.saturating_add(idle)
    }

    fn wait_for_room<'s>(
        &'s self,
        mut state: MutexGuard<'s, State>,
        bound: usize,
        admission: Admission,
    ) -> Result<MutexGuard<'s, State>, Reason> {
        let within = match admission {
            Admission::Within(timeout) => Some(timeout),
            _ => None,
        };
        let deadline = within.and_then(|timeout| Instant::now().checked_add(timeout));
        while state.refusal().is_none() && !self.has_room(&state, bound) {
            match (admission, self.settings.on_full) {
                (Admission::Now, _) | (Admission::Policy, OnFull::Reject) => {
                    return Err(Reason::Full { bound });
                }
                _ if context::calls_callbacks_for(self.home()) => {
                    return Err(Reason::WouldDeadlock);
                }
                _ => {}
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                let waited = within.unwrap_or_default();
                return Err(Reason::TimedOut { waited });
            }
            state = sleep(&self.room, state, left);
        }
        Ok(state)
    }

    pub(crate) fn when_room(&self, waker: &Waker) -> bool {
        let Some(bound) = self.settings.queue_bound else {
            return false;
        };
        let mut state = self.state();
        if state.refusal().is_some() || self.has_room(&state, bound) {
            return false;
        }
        if !state.room_wakers.iter().any(|old| old.will_wake(waker)) {
            state.room_wakers.push(waker.clone());
        }
        true
    }

    /// Something was settled, or begun.
    fn announce(&self) {
        self.changed.notify_waiters();
        if self.settings.queue_bound.is_some() {
            self.room.notify_all();
            let wakers = std::mem::take(&mut self.state().room_wakers);
            wakers.into_iter().for_each(Waker::wake);
        }
        self.quiet.notify_all();
    }

    pub(crate) fn shutdown(&self, mode: Shutdown) {
        {
            let mut state = self.state();
            if state.shutdown >= Some(mode) {
                return;
            }
            state.shutdown = Some(mode);
        }
        if mode == Shutdown::Drain || self.is_own_thread() {
            self.wake.notify_one();
            self.announce();
            return;
        }
        let waiting: Vec<Job> = {
            let mut state = self.state();
            let waiting = std::mem::take(&mut state.waiting);
            let held = waiting
                .into_iter()
                .filter_map(|number| state.remove(number));
            let jobs = held.filter_map(|held| match held {
                Held::Pending(job) => Some(job),
                Held::Running(_) => None,
            });
            let jobs: Vec<Job> = jobs.collect();
            state.figures.cancelled += jobs.len() as u64;
            jobs
        };
        for job in waiting {
            job.cancel();
        }
        let (reply, answer) = mpsc::sync_channel(1);
        // The thread of the connection is gone only if all is over. It answers in a bounded time: what is cancelled is so when
        // this returns.
        if self.orders.send(Order::End(mode, reply)).is_ok() {
            let jobs = answer.recv().unwrap_or_default();
            self.state().figures.cancelled += jobs.len() as u64;
            for job in jobs {
                job.cancel();
            }
        }
        self.announce();
    }

    pub(crate) fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        if context::calls_callbacks_for(self.home()) {
            return Err(JoinError::would_deadlock());
        }
        if !self.watch(deadline, |state| state.has_ended) {
            return Err(JoinError::still_running(self.state().tasks.len().max(1)));
        }
        self.join_thread();
        Ok(())
    }

    /// Waits for the thread of the connection, unless that is the caller.
    pub(crate) fn join_thread(&self) {
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            let joined = thread.join();
            debug_assert!(
                joined.is_ok(),
                "the thread of the connection does not panic"
            );
        }
    }

    pub(crate) fn wait_idle(&self, timeout: Option<Duration>) -> bool {
        if context::calls_callbacks_for(self.home()) {
            return false;
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.watch(deadline, |state| state.tasks.is_empty() || state.has_ended)
    }

    fn watch(&self, deadline: Option<Instant>, reached: impl Fn(&State) -> bool) -> bool {
        let mut state = self.state();
        while !reached(&state) {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return false;
            }
            state = sleep(&self.quiet, state, left);
        }
        true
    }

    /// Reads what workers have said so far of the tasks that they start. Takes one round trip, if there is a task that
    /// may have started.
    fn catch_up(&self) {
        let is_needed = self.state().published > 0;
        if !is_needed || self.is_own_thread() {
            return;
        }
        let (reply, answer) = mpsc::sync_channel(1);
        if self.orders.send(Order::Sync(reply)).is_ok() {
            // Without a connection there is no news.
            let _late = answer.recv_timeout(NEWS);
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        self.catch_up();
        self.state().stats(self.workers())
    }

    /// Fails everything; nothing is accepted any more.
    pub(crate) fn give_up(&self, cause: &str) {
        let cause: Arc<str> = cause.into();
        let numbers: Vec<u64> = {
            let mut state = self.state();
            state.broken = Some(Arc::clone(&cause));
            state.tasks.keys().copied().collect()
        };
        for number in numbers {
            self.fail(number, || {
                TaskError::new(TaskErrorKind::Broken(cause.to_string()))
            });
        }
        self.wake.notify_one();
        self.announce();
    }

    /// Fails a task, whatever has become of it.
    fn fail(&self, number: u64, error: impl FnOnce() -> TaskError) {
        let callbacks = {
            let outcome = wire::Outcome::Failed(error());
            self.state().settle(number, outcome, bytes::Bytes::new())
        };
        if let Some(callbacks) = callbacks {
            self.caller.call(callbacks);
        }
    }

    fn is_own_thread(&self) -> bool {
        let own = lock(&self.thread);
        own.as_ref()
            .is_some_and(|thread| thread.thread().id() == std::thread::current().id())
    }
}

impl Remote for Shared {
    fn has_started(&self, job: JobKey) -> bool {
        self.catch_up();
        let state = self.state();
        let entry = state
            .number_of(job)
            .and_then(|number| state.tasks.get(&number));
        entry.is_some_and(|entry| matches!(entry.job, Held::Running(_)))
    }

    fn revoke(&self, job: JobKey) -> Revoked {
        let number = {
            let state = self.state();
            let Some(number) = state.number_of(job) else {
                return Revoked::NotHere;
            };
            if matches!(state.tasks.get(&number), Some(entry) if matches!(entry.job, Held::Running(_)))
            {
                return Revoked::Started;
            }
            number
        };
        if self.is_own_thread() {
            // A drop of the user's, in the middle of our own work: there is nobody to ask.
            return Revoked::Started;
        }
        let (reply, answer) = mpsc::sync_channel(1);
        if self.orders.send(Order::Cancel(number, reply)).is_err() {
            return Revoked::NotHere;
        }
        // The thread of the connection answers in a bounded time, and drops the order when it ends.
        let (revoked, job) = answer.recv().unwrap_or((Revoked::NotHere, None));
        if let Some(job) = job {
            self.state().figures.cancelled += 1;
            job.cancel();
            self.announce();
        }
        revoked
    }

    fn stop(
        &self,
        job: JobKey,
        level: StopLevel,
        cancel: &dyn Fn() -> bool,
    ) -> Result<(), Unsupported> {
        if cancel() || self.is_own_thread() {
            return Ok(());
        }
        let Some(number) = self.state().number_of(job) else {
            return Ok(());
        };
        let level = match level {
            StopLevel::Kill => Level::Kill,
            _ => Level::Signal,
        };
        let (reply, answer) = mpsc::sync_channel(1);
        if self.orders.send(Order::Stop(number, level, reply)).is_ok() {
            // As above; whoever ended meanwhile needs no stop.
            let _ended = answer.recv();
        }
        Ok(())
    }

    fn can_stop(&self, _level: StopLevel) -> Result<(), Unsupported> {
        Ok(())
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("session", &self.settings.session)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// How long the server may take to pass on what it has.
const NEWS: Duration = Duration::from_millis(200);

fn sleep<'s>(
    condvar: &Condvar,
    state: MutexGuard<'s, State>,
    left: Option<Duration>,
) -> MutexGuard<'s, State> {
    match left {
        None => condvar.wait(state).unwrap_or_else(PoisonError::into_inner),
        Some(left) => {
            let waited = condvar.wait_timeout(state, left);
            waited.unwrap_or_else(PoisonError::into_inner).0
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
