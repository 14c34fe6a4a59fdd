//! The pool: what its handles, its own thread and whoever waits for a result share.
//!
//! The way of a task: [`execute`](Shared::execute) encodes it and, if a worker has nothing to do,
//! writes it into that worker's pipe; else it queues it. The pool's own thread ([`reactor`]) waits for all
//! workers at once; it reads what they answer and sends them what is queued ([`schedule`]), and notices
//! their ends ([`death`]). A thread that waits for the only task of the pool reads the answer itself
//! (`drive`), so that no third thread has to be woken.
//!
//! There is one lock, beside that of the [`intake`], and under it nothing runs the user's code or waits: what has to be done afterwards is
//! collected as [`effects`].

mod arguments;
mod chores;
mod condition;
mod death;
#[cfg(target_os = "linux")]
mod drive;
mod effects;
mod entry;
mod flights;
mod intake;
mod link;
mod reactor;
mod schedule;
mod state;
mod stop;
mod worker;

#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};
use std::{
    fmt,
    process::Command,
    sync::{
        Arc, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Waker,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use executor_core::{
    Admission, Home, Job, JobKey, JoinError, Reason, Registry, Rejected, Remote, RemoteHome,
    Revoked, Shutdown, Stats, StopLevel, TaskTable, Unsupported,
    codec::{CodecError, Part},
    context,
};

use self::{
    arguments::Arguments,
    chores::Chores,
    condition::Condition,
    effects::Effects,
    entry::Entry,
    intake::{Intake, Offer},
    reactor::Reactor,
    state::{Phase, State},
};
use crate::{OnCrash, OnFull, WorkerStderr, program::Program, wire::LONGEST_FRAME};

/// How a pool was built.
pub(crate) struct Settings {
    pub(crate) program: Program,
    pub(crate) name: String,
    pub(crate) min_workers: usize,
    pub(crate) max_workers: usize,
    pub(crate) queue_bound: Option<usize>,
    pub(crate) on_full: OnFull,
    pub(crate) on_crash: OnCrash,
    pub(crate) stderr: WorkerStderr,
    pub(crate) initializer: Option<(u32, Vec<u8>)>,
    pub(crate) boot_timeout: Duration,
    pub(crate) kill_grace: Duration,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) restart_limit: Option<(usize, Duration)>,
    pub(crate) max_tasks: Option<u64>,
    pub(crate) memory_limit: Option<u64>,
    pub(crate) max_resident: Option<u64>,
    pub(crate) max_frame: usize,
    pub(crate) is_portable: bool,
}

pub(crate) struct Shared {
    pub(crate) settings: Arc<Settings>,
    home: RemoteHome,
    state: Mutex<State>,
    table: Arc<TaskTable>,
    intake: Arc<Intake<Entry>>,
    arguments: Arguments,
    /// Nothing is accepted any more.
    is_closed: AtomicBool,
    /// As in the state, for whoever asks often.
    max_workers: AtomicUsize,
    reactor: Reactor,
    chores: Chores,
    /// There is room in the queue, or nothing is accepted any more.
    room: Condition,
    /// Whether there are wakers that wait for room, in the state.
    has_room_wakers: AtomicBool,
    /// The pool is idle, or has ended.
    quiet: Condition,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Shared {
    /// A pool whose workers are being started.
    pub(crate) fn start(settings: Settings) -> std::io::Result<Arc<Self>> {
        let settings = Arc::new(settings);
        let reactor = Reactor::new(settings.is_portable)?;
        let arguments = Arguments::new(settings.is_portable)?;
        let table = Arc::new(Registry::global().table());
        let intake = Arc::new(Intake::new());
        let shared = Arc::new_cyclic(|weak: &Weak<Self>| {
            let home = RemoteHome::new(Weak::clone(weak) as Weak<dyn Remote>);
            Self {
                chores: Chores::new(home.home(), settings.stderr.clone()),
                home,
                state: Mutex::new(State::new(
                    Arc::clone(&settings),
                    Arc::clone(&table),
                    Arc::clone(&intake),
                )),
                table,
                intake,
                arguments,
                is_closed: AtomicBool::new(false),
                max_workers: AtomicUsize::new(settings.max_workers),
                reactor,
                settings,
                room: Condition::default(),
                has_room_wakers: AtomicBool::new(false),
                quiet: Condition::default(),
                thread: Mutex::new(None),
            }
        });
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(String::from("process-pool"))
            .spawn(move || reactor::run(&own))?;
        *lock(&shared.thread) = Some(thread);
        Ok(shared)
    }

    pub(crate) fn home(&self) -> Home {
        self.home.home()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn max_workers(&self) -> usize {
        self.max_workers.load(Ordering::Relaxed)
    }

    pub(crate) fn execute(&self, mut job: Job, admission: Admission) -> Result<(), Rejected> {
        let name = job.task_name();
        let Some(task) = self.table.id(name) else {
            return Err(Rejected::new(job, Reason::UnknownTask { name }));
        };
        if self.is_closed.load(Ordering::Acquire) {
            return Err(self.refuse(job));
        }
        job.bind(self.home());
        let encoded = self.arguments.encode(&mut job).map(|encoded| {
            encoded.and_then(|(is_chunk, body)| {
                // A chunk is many arguments: only its frame has a limit, of its own.
                let (len, most) = if is_chunk {
                    (body.len(), LONGEST_FRAME)
                } else {
                    (body.len(), self.settings.max_frame)
                };
                if len <= most {
                    Ok((is_chunk, body))
                } else {
                    Err(CodecError::too_long(Part::Task, name, len, most).into())
                }
            })
        });
        let (is_chunk, body) = match encoded {
            Some(Ok(encoded)) => encoded,
            Some(Err(error)) => {
                // Accepted, and failed: as if a worker had refused the argument.
                self.state().figures.failed += 1;
                let _failed_now = job.fail(error);
                return Ok(());
            }
            // Settled already.
            None => return Ok(()),
        };
        let entry = Entry {
            job,
            task,
            is_chunk,
            body,
            attempts: 0,
        };
        match self.settings.queue_bound {
            Some(bound) => self.queue_bounded(entry, bound, admission),
            None => match self.intake.offer(entry) {
                Offer::Taken => Ok(()),
                Offer::Asleep(entry) => self.queue(self.state(), entry),
                Offer::Closed(entry) => Err(self.refuse(entry.job)),
            },
        }
    }

    fn queue_bounded(
        &self,
        entry: Entry,
        bound: usize,
        admission: Admission,
    ) -> Result<(), Rejected> {
        match self.wait_for_room(self.state(), bound, admission) {
            Ok(state) => self.queue(state, entry),
            Err(reason) => Err(Rejected::new(entry.job, reason)),
        }
    }

    fn queue(&self, mut state: MutexGuard<'_, State>, entry: Entry) -> Result<(), Rejected> {
        if !state.is_open() {
            drop(state);
            return Err(self.refuse(entry.job));
        }
        let is_timed = entry.timeout().is_some() || entry.job.start_by().is_some();
        let sent = if state.queue.is_empty() {
            state.send_directly(entry)
        } else {
            Err(entry)
        };
        let is_news = sent.unwrap_or_else(|entry| {
            state.queue.push_back(entry);
            false
        });
        // A worker that answers wakes the pool's thread, which then sees to the queue. But it has to know of
        // time limits and of workers to be looked after, and to start a worker if there could be more.
        let is_needed = is_timed || is_news || state.wants_worker();
        drop(state);
        if is_needed && self.intake.wake_up() {
            self.reactor.wake();
        }
        Ok(())
    }

    fn refuse(&self, job: Job) -> Rejected {
        Rejected::new(job, refusal(&self.state().phase))
    }

    fn wait_for_room<'s>(
        &'s self,
        mut state: MutexGuard<'s, State>,
        bound: usize,
        admission: Admission,
    ) -> Result<MutexGuard<'s, State>, Reason> {
        let (deadline, waited) = match (admission, self.settings.on_full) {
            (Admission::Within(timeout), _) => (Instant::now().checked_add(timeout), timeout),
            _ => (None, Duration::ZERO),
        };
        while state.is_open() && !state.has_free_place(bound) {
            match (admission, self.settings.on_full) {
                (Admission::Now, _) | (Admission::Policy, OnFull::Reject) => {
                    return Err(Reason::Full { bound });
                }
                _ if context::calls_callbacks_for(self.home()) => {
                    return Err(Reason::WouldDeadlock);
                }
                _ => {}
            }
            state = self
                .room
                .wait(state, deadline)
                .map_err(|_state| Reason::TimedOut { waited })?;
        }
        Ok(state)
    }

    /// Has a waker woken when there may be room. False if there is some now, or nothing is accepted.
    pub(crate) fn when_room(&self, waker: &Waker) -> bool {
        let Some(bound) = self.settings.queue_bound else {
            return false;
        };
        let mut state = self.state();
        if !state.is_open() || state.has_free_place(bound) {
            return false;
        }
        if !state.room_wakers.iter().any(|old| old.will_wake(waker)) {
            state.room_wakers.push(waker.clone());
        }
        self.has_room_wakers.store(true, Ordering::Release);
        true
    }

    /// Tells all who wait for room that there may be some. Called without the lock, after a change that was
    /// made under it: who waits has looked before.
    fn announce_room(&self) {
        self.room.notify_all();
        if self.has_room_wakers.load(Ordering::Acquire) {
            let wakers = {
                let mut state = self.state();
                self.has_room_wakers.store(false, Ordering::Release);
                std::mem::take(&mut state.room_wakers)
            };
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    pub(crate) fn resize(&self, max_workers: usize) {
        let mut state = self.state();
        if state.min_workers == state.max_workers {
            state.min_workers = max_workers;
        }
        state.max_workers = max_workers;
        self.max_workers.store(max_workers, Ordering::Relaxed);
        state.min_workers = state.min_workers.min(max_workers);
        drop(state);
        self.reactor.wake();
    }

    pub(crate) fn shutdown(&self, mode: Shutdown) {
        let mut effects = Effects::default();
        self.is_closed.store(true, Ordering::Release);
        let mut state = self.state();
        state.close(mode, &mut effects);
        effects.carry_out_here(self, state);
        self.reactor.wake();
    }

    /// The last thing that the pool's thread does: whoever joins finds every future done.
    fn end(&self) {
        self.chores.finish();
        self.state().has_ended = true;
        self.quiet.notify_all();
    }

    pub(crate) fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        if !self.watch_state(deadline, |state| state.has_ended) {
            let workers = self.state().alive().count();
            return Err(JoinError::still_running(workers));
        }
        self.join_threads();
        Ok(())
    }

    /// Waits for the threads of a pool that has ended, or is about to.
    pub(crate) fn join_threads(&self) {
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            if thread.thread().id() == std::thread::current().id() {
                return;
            }
            let joined = thread.join();
            debug_assert!(joined.is_ok(), "the pool's thread does not panic");
        }
    }

    pub(crate) fn wait_idle(&self, deadline: Option<Instant>) -> bool {
        self.watch_state(deadline, |state| state.is_idle() || state.has_ended)
    }

    fn watch_state(&self, deadline: Option<Instant>, reached: impl Fn(&State) -> bool) -> bool {
        let mut state = self.state();
        while !reached(&state) {
            match self.quiet.wait(state, deadline) {
                Ok(woken) => state = woken,
                Err(_state) => return false,
            }
        }
        true
    }

    pub(crate) fn stats(&self) -> Stats {
        self.state().stats()
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.state()
            .alive()
            .map(|worker| worker.link.pid())
            .collect()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state().is_open()
    }

    /// The command that starts a worker.
    fn command(&self) -> Command {
        self.settings.program.command()
    }
}

impl State {
    /// Whether a further task may be queued, with this bound.
    fn has_free_place(&self, bound: usize) -> bool {
        // A worker that has nothing to do takes the first at once.
        let idle = self.alive().filter(|worker| worker.is_idle()).count();
        self.queued() < bound + idle
    }
}

/// How long a worker may take to tell its task that it should stop.
const SIGNAL_PATIENCE: Duration = Duration::from_secs(1);

fn refusal(phase: &Phase) -> Reason {
    match phase {
        Phase::Broken(cause) => Reason::Broken {
            cause: Arc::clone(cause),
        },
        Phase::Open | Phase::Closed(_) => Reason::ShutDown,
    }
}

impl Remote for Shared {
    fn has_started(&self, job: JobKey) -> bool {
        self.state().has_started(job)
    }

    fn revoke(&self, job: JobKey) -> Revoked {
        let mut state = self.state();
        let job = match state.revoke(job) {
            Ok(job) => job,
            Err(why) => return why,
        };
        // The worker will not answer this one, and so wake the pool's thread: it may have had no other.
        let is_needed = (!state.queue.is_empty() || !state.is_open()) && self.intake.wake_up();
        drop(state);
        job.cancel();
        self.announce_room();
        self.quiet.notify_all();
        if is_needed {
            self.reactor.wake();
        }
        Revoked::Cancelled
    }

    fn stop(
        &self,
        job: JobKey,
        level: StopLevel,
        cancel: &dyn Fn() -> bool,
    ) -> Result<(), Unsupported> {
        // Again, since the task may go back to the queue between the two looks: its worker has died, and
        // it is retried.
        for _ in 0..3 {
            if cancel() {
                return Ok(());
            }
            let mut state = self.state();
            if level == StopLevel::Kill {
                if state.kill(job, stop::killed(), Instant::now()) {
                    drop(state);
                    self.reactor.wake();
                    return Ok(());
                }
            } else if let Some(asked) = state.signal(job) {
                drop(state);
                if let Some(asked) = asked {
                    // A worker that does not answer is not waited for: it is stopped, or swamped.
                    let deadline = Instant::now().checked_add(SIGNAL_PATIENCE);
                    self.watch_state(deadline, |state| state.has_seen_stop(&asked));
                }
                return Ok(());
            }
        }
        // Neither queued nor with a worker: it is being settled.
        Ok(())
    }

    fn can_stop(&self, _level: StopLevel) -> Result<(), Unsupported> {
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn watch(&self, job: JobKey) {
        self.state().watch_worker_of(job);
    }

    #[cfg(target_os = "linux")]
    fn drive(&self, job: JobKey, is_done: &dyn Fn() -> bool, deadline: Option<Instant>) {
        drive::drive(self, job, is_done, deadline);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
