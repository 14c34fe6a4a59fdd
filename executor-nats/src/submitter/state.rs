//! What the handles, the thread of the connection and whoever cancels share, under one lock.
//!
//! A task is *waiting* here until it is published, *published* until a worker says that it starts, then *running* until its result is
//! there. While it is waiting its future decides alone whether it can be cancelled. With [`Job::hand_over`], just before it is published,
//! that becomes a question to the workers: see [`cancel`](super::cancel).

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    task::Waker,
    time::Instant,
};

use bytes::Bytes;
use executor_core::{
    Job, JobKey, Reason, Shutdown, StartedJob, Stats, TaskError, TaskErrorKind, Timeout,
    codec::Encoded,
};

use super::callbacks::Chore;
use crate::wire::Outcome;

pub(super) struct State {
    pub(super) tasks: HashMap<u64, Entry>,
    /// What the futures that are there know tasks by. A key is used again once its future is gone: so each is of the last task that had it.
    by_key: HashMap<JobKey, u64>,
    /// Accepted, and to be published.
    pub(super) waiting: VecDeque<u64>,
    /// When tasks must have started, if they are still there.
    pub(super) deadlines: BTreeSet<(Instant, u64)>,
    /// Tasks that are published and have not started, as far as is known.
    pub(super) published: usize,
    pub(super) next: u64,
    pub(super) running: usize,
    /// Recorded as cancelled, for whoever asks for that.
    pub(super) cancelled: HashMap<u64, Job>,
    pub(super) figures: Stats,
    pub(super) shutdown: Option<Shutdown>,
    pub(super) broken: Option<Arc<str>>,
    pub(super) has_ended: bool,
    pub(super) room_wakers: Vec<Waker>,
}

pub(super) struct Entry {
    pub(super) job: Held,
    /// The message, until the server has it.
    pub(super) message: Option<Bytes>,
    /// When it was last published.
    pub(super) sent: Option<Instant>,
    /// Its place in the stream.
    pub(super) sequence: Option<u64>,
    /// A worker has heard that it is to stop.
    pub(super) has_seen_stop: bool,
    /// How many ask for it to be cancelled just now.
    pub(super) cancels: usize,
    start_by: Option<Instant>,
    /// It has waited for too long: if it is recorded as cancelled, that is why.
    is_overdue: bool,
}

pub(super) enum Held {
    Pending(Job),
    Running(StartedJob),
}

impl Entry {
    fn new(job: Job, message: Option<Bytes>) -> Self {
        Self {
            start_by: job.start_by(),
            job: Held::Pending(job),
            message,
            sent: None,
            sequence: None,
            has_seen_stop: false,
            cancels: 0,
            is_overdue: false,
        }
    }
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            tasks: HashMap::new(),
            by_key: HashMap::new(),
            waiting: VecDeque::new(),
            deadlines: BTreeSet::new(),
            published: 0,
            next: 1,
            running: 0,
            cancelled: HashMap::new(),
            figures: Stats::default(),
            shutdown: None,
            broken: None,
            has_ended: false,
            room_wakers: Vec::new(),
        }
    }

    /// Why nothing is accepted.
    pub(super) fn refusal(&self) -> Option<Reason> {
        match (&self.broken, self.shutdown) {
            (Some(cause), _) => Some(Reason::Broken {
                cause: Arc::clone(cause),
            }),
            (None, Some(_)) => Some(Reason::ShutDown),
            (None, None) => None,
        }
    }

    pub(super) fn queued(&self) -> usize {
        self.tasks.len() - self.running
    }

    pub(super) fn add(&mut self, job: Job, message: Bytes) -> u64 {
        let number = self.next;
        self.next += 1;
        let key = job.key();
        self.by_key.insert(key, number);
        if let Some(by) = job.start_by() {
            self.deadlines.insert((by, number));
        }
        self.tasks.insert(number, Entry::new(job, Some(message)));
        self.waiting.push_back(number);
        number
    }

    /// Notes that a task is published, now or again.
    pub(super) fn note_sent(&mut self, number: u64, now: Instant) {
        if let Some(entry) = self.tasks.get_mut(&number) {
            let is_first = entry.sent.replace(now).is_none();
            self.published += usize::from(is_first && matches!(entry.job, Held::Pending(_)));
        }
    }

    /// The tasks that should have started by now. Each is named once.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<u64> {
        let mut overdue = Vec::new();
        while self.deadlines.first().is_some_and(|&(by, _)| by < now) {
            overdue.extend(self.deadlines.pop_first().map(|(_, number)| number));
        }
        overdue.retain(|number| match self.tasks.get_mut(number) {
            Some(entry) if matches!(entry.job, Held::Pending(_)) => {
                entry.is_overdue = true;
                true
            }
            _ => false,
        });
        overdue
    }

    /// The number of a task that is not done.
    pub(super) fn number_of(&self, key: JobKey) -> Option<u64> {
        let number = self.id_of(key)?;
        self.tasks.contains_key(&number).then_some(number)
    }

    /// The number of a task, done or not, whose future is there still.
    pub(super) fn id_of(&self, key: JobKey) -> Option<u64> {
        self.by_key.get(&key).copied()
    }

    /// Expects the result of a task that another connection has submitted. False if somebody does already.
    pub(super) fn expect(&mut self, number: u64, job: Job) -> bool {
        if self.tasks.contains_key(&number) || !job.hand_over() {
            return false;
        }
        let key = job.key();
        self.by_key.insert(key, number);
        let entry = Entry::new(job, None);
        self.tasks.insert(number, entry);
        self.note_sent(number, Instant::now());
        true
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Held> {
        let entry = self.tasks.remove(&number)?;
        if let Some(by) = entry.start_by {
            self.deadlines.remove(&(by, number));
        }
        match entry.job {
            Held::Running(_) => self.running -= 1,
            Held::Pending(_) => self.published -= usize::from(entry.sent.is_some()),
        }
        Some(entry.job)
    }

    /// A worker says that it starts the task.
    pub(super) fn begin(&mut self, number: u64) {
        let Some(entry) = self.tasks.remove(&number) else {
            return;
        };
        let Entry { job, .. } = entry;
        if matches!(job, Held::Pending(_)) {
            self.published -= usize::from(entry.sent.is_some());
        }
        let job = match job {
            Held::Pending(job) => match job.claim() {
                Ok(started) => {
                    self.running += 1;
                    Held::Running(started)
                }
                // Cancelled a moment ago, by its own future: only possible before it was handed over.
                Err(_) => {
                    self.figures.cancelled += 1;
                    return;
                }
            },
            running => running,
        };
        self.tasks.insert(number, Entry { job, ..entry });
    }

    /// Settles a task; the callbacks are to be called without the lock.
    pub(super) fn settle(&mut self, number: u64, outcome: Outcome, body: Bytes) -> Option<Chore> {
        let &Entry {
            cancels,
            is_overdue,
            ..
        } = self.tasks.get(&number)?;
        let held = self.remove(number)?;
        let started = match (held, &outcome) {
            (Held::Pending(job), Outcome::Cancelled) => {
                if cancels > 0 {
                    // Whoever asked for it does it.
                    self.cancelled.insert(number, job);
                    return None;
                }
                if is_overdue {
                    self.figures.failed += 1;
                    let error = TaskErrorKind::TimedOut(Timeout::Queue);
                    return Some(Chore::Fail(job, TaskError::new(error)));
                }
                self.figures.cancelled += 1;
                return Some(Chore::Cancel(job));
            }
            (Held::Pending(job), _) => match job.claim() {
                Ok(started) => started,
                Err(_) => {
                    self.figures.cancelled += 1;
                    return None;
                }
            },
            (Held::Running(started), _) => started,
        };
        let callbacks = match outcome {
            Outcome::Output => {
                self.figures.succeeded += 1;
                let body: Box<[u8]> = Vec::from(body).into();
                started.settle(Ok(Encoded::from(body)))
            }
            Outcome::Failed(error) => {
                self.figures.failed += 1;
                started.settle(Err(error))
            }
            Outcome::Interrupted(error) => {
                self.figures.failed += 1;
                started.interrupted(body.into(), error)
            }
            Outcome::Cancelled => {
                self.figures.cancelled += 1;
                started.settle(Err(TaskError::new(TaskErrorKind::Cancelled)))
            }
        };
        callbacks.map(Chore::Call)
    }

    pub(super) fn stats(&self, workers: usize) -> Stats {
        let mut stats = self.figures;
        stats.workers = if self.has_ended { 0 } else { workers };
        stats.running = self.running;
        stats.queued = self.queued();
        stats
    }
}
