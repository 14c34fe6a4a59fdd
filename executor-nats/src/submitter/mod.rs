//! The executor: what its handles, the thread of its connection and its futures share.

mod attach;
mod callbacks;
mod cancel;
mod ending;
mod io;
mod publish;
mod remote;
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
    Admission, Home, Job, Reason, Registry, Rejected, Remote, RemoteHome, Revoked, Shutdown, Stats,
    TaskError, context,
};
use tokio::sync::{Notify, mpsc::UnboundedSender};

use self::{callbacks::Caller, state::State};
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
