//! What the pool knows: its queue, its workers, its figures. Everything here happens under one lock.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use executor_core::{Shutdown, Stats, TaskError, TaskTable};

use super::{
    Settings,
    effects::Effects,
    entry::Entry,
    intake::Intake,
    schedule::PATIENCE,
    worker::{LONG_NANOS, Stage, Worker},
};

pub(crate) struct State {
    pub(crate) phase: Phase,
    pub(crate) queue: VecDeque<Entry>,
    /// By index; an index is used again.
    pub(crate) workers: Vec<Option<Worker>>,
    /// Indices of workers that are being started.
    pub(crate) starting: usize,
    pub(crate) min_workers: usize,
    pub(crate) max_workers: usize,
    /// What each kind of task took of late, in nanoseconds; 0 where it is not known.
    pub(crate) costs: Vec<u64>,
    pub(crate) figures: Figures,
    /// Until then the pool's thread looks every millisecond at workers that it does not watch, since
    /// waiters read their answers.
    pub(crate) driven_until: Option<Instant>,
    /// In front of the queue.
    pub(crate) intake: Arc<Intake<Entry>>,
    /// How many workers have died before they were ready, without one that was in between.
    pub(crate) failed_boots: u32,
    /// No worker is started before.
    pub(crate) not_before: Option<Instant>,
    /// When workers were started anew.
    pub(crate) restarts: VecDeque<Instant>,
    pub(crate) next_id: u64,
    /// Who is to be woken when there is room in the queue.
    pub(crate) room_wakers: Vec<Waker>,
    /// How many waiters read answers, and may have some that they have not settled yet. They run no
    /// callbacks, so that none of them waits for the end of the pool.
    pub(crate) drivers: usize,
    /// How many threads settle what they have read, without the lock.
    pub(crate) settling: usize,
    /// All is over: no worker is left, none will be, every future is done and every callback called.
    pub(crate) has_ended: bool,
    pub(crate) settings: Arc<Settings>,
    pub(crate) table: Arc<TaskTable>,
}

/// How far the pool's life is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    Closed(Shutdown),
    Broken(Arc<str>),
}

#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
}

impl State {
    pub(crate) fn new(
        settings: Arc<Settings>,
        table: Arc<TaskTable>,
        intake: Arc<Intake<Entry>>,
    ) -> Self {
        Self {
            phase: Phase::Open,
            queue: VecDeque::new(),
            workers: Vec::new(),
            starting: 0,
            min_workers: settings.min_workers,
            max_workers: settings.max_workers,
            costs: vec![0; 2 * table.len()],
            figures: Figures::default(),
            driven_until: None,
            intake,
            failed_boots: 0,
            not_before: None,
            restarts: VecDeque::new(),
            next_id: 0,
            room_wakers: Vec::new(),
            drivers: 0,
            settling: 0,
            has_ended: false,
            settings,
            table,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    pub(crate) fn alive(&self) -> impl Iterator<Item = &Worker> {
        self.workers.iter().flatten()
    }

    /// Tasks that wait for others in front of them. A worker's oldest task does not, whether the worker
    /// has started it already or is about to: so this changes only where the pool changes something.
    pub(crate) fn queued(&self) -> usize {
        let ahead: usize = self
            .alive()
            .map(|worker| worker.flights.len().saturating_sub(1))
            .sum();
        self.queue.len() + self.intake.len() + ahead
    }

    /// How many workers have tasks.
    pub(crate) fn busy(&self) -> usize {
        self.alive()
            .filter(|worker| !worker.flights.is_empty())
            .count()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty()
            && self.alive().all(|worker| worker.flights.is_empty())
            && self.intake.len() == 0
            && self.settling == 0
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        stats.workers = self
            .alive()
            .filter(|worker| matches!(worker.stage, Stage::Ready | Stage::Retiring))
            .count();
        stats.running = self.busy();
        stats.queued = self.queued();
        stats.succeeded = self.figures.succeeded;
        stats.failed = self.figures.failed;
        stats.cancelled = self.figures.cancelled;
        stats
    }

    /// When there is something to be done, if nothing happens before.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        let mut note = |at: Option<Instant>| {
            next = match (next, at) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        };
        if self.wants_worker() {
            note(Some(self.not_before.unwrap_or(now)));
        }
        if self.driven_until.is_some() {
            note(now.checked_add(PATIENCE));
        }
        for worker in self.alive() {
            match worker.stage {
                Stage::Booting { by, .. } | Stage::Leaving { by } => note(Some(by)),
                Stage::Ending { kill_at } => note(kill_at),
                Stage::Ready | Stage::Retiring => {}
            }
            let is_full = worker.flights.is_empty() && !worker.can_be_sent_more();
            if is_full {
                note(now.checked_add(PATIENCE));
            }
            if let Some(first) = worker.flights.front()
                && worker.flights.len() > 1
                && !worker.is_stuck
            {
                // When its answer has had time to come, if it is no long one; and then again and again.
                let expected = Duration::from_nanos(first.expected.min(LONG_NANOS));
                let due = worker.last_answer + expected + PATIENCE;
                note(Some(if due > now { due } else { now + PATIENCE }));
            }
            if let Some(timeout) = worker.flights.front().and_then(|f| f.entry.timeout()) {
                let ran = worker
                    .flights
                    .front()
                    .and_then(|flight| worker.link.running_for(flight));
                // Not started yet: it cannot be over before.
                note(now.checked_add(timeout.saturating_sub(ran.unwrap_or_default())));
            }
            if worker.is_idle()
                && let Some(limit) = self.settings.idle_timeout
                && self.workers.iter().flatten().count() > self.min_workers
            {
                note(worker.idle_since.checked_add(limit));
            }
        }
        // The queue is looked through for what is overdue no more often than needed.
        if let Some(entry) = self.queue.front() {
            note(entry.job.start_by());
        }
        next
    }

    /// Takes over what was submitted meanwhile.
    pub(crate) fn take_in(&mut self) {
        self.intake.drain_into(&mut self.queue);
    }

    /// Settles all that is queued or was sent ahead.
    pub(crate) fn clear_queue(&mut self, effects: &mut Effects) {
        self.take_in();
        for worker in self.workers.iter_mut().flatten() {
            for place in (0..worker.flights.len()).rev() {
                if let Some(entry) = worker.take_back(place) {
                    entry.job.take_back();
                    self.queue.push_back(entry);
                }
            }
        }
        let cause = match &self.phase {
            Phase::Broken(cause) => Some(Arc::clone(cause)),
            _ => None,
        };
        for entry in self.queue.drain(..) {
            match &cause {
                None => {
                    self.figures.cancelled += 1;
                    effects.cancelled.push(entry.job);
                }
                Some(cause) => {
                    self.figures.failed += 1;
                    effects
                        .failed
                        .push((entry.job, TaskError::broken(&**cause)));
                }
            }
        }
        effects.has_room = true;
    }

    /// Nothing can be run any more, for this cause.
    pub(crate) fn break_down(&mut self, cause: String, effects: &mut Effects) {
        if matches!(self.phase, Phase::Broken(_)) {
            return;
        }
        self.intake.close();
        self.phase = Phase::Broken(cause.into());
        self.clear_queue(effects);
    }

    /// Begins a shutdown, or a stronger one.
    pub(crate) fn close(&mut self, mode: Shutdown, effects: &mut Effects) {
        self.intake.close();
        match &self.phase {
            Phase::Open => self.phase = Phase::Closed(mode),
            Phase::Closed(before) if mode > *before => self.phase = Phase::Closed(mode),
            Phase::Broken(_) if mode == Shutdown::Kill => {}
            _ => return,
        }
        effects.has_room = true;
        if mode >= Shutdown::CancelPending {
            self.clear_queue(effects);
        }
        if mode == Shutdown::Kill {
            let (now, grace) = (Instant::now(), self.settings.kill_grace);
            for worker in self.workers.iter_mut().flatten() {
                if let Some(flight) = worker.flights.front() {
                    worker.fate = Some((flight.seq, super::stop::killed()));
                }
                worker.end(now, grace);
            }
        }
    }

    /// Has the workers of a closed pool leave that have nothing more to do.
    pub(crate) fn wind_up(&mut self, now: Instant) {
        if self.is_open() || !self.queue.is_empty() {
            return;
        }
        for worker in self.workers.iter_mut().flatten() {
            match worker.stage {
                Stage::Ready | Stage::Retiring if worker.flights.is_empty() => {
                    worker.leave(now + LEAVE);
                }
                // Nobody will need it; it is not waited for any longer than one that is to be killed.
                Stage::Booting { .. } => worker.leave(now + self.settings.kill_grace),
                _ => {}
            }
        }
    }

    /// Whether nothing is left to be done for a closed pool, but what has been collected as effects.
    pub(crate) fn is_over(&self) -> bool {
        !self.is_open()
            && self.queue.is_empty()
            && self.alive().next().is_none()
            && self.starting == 0
            && self.drivers == 0
    }
}

/// How long a worker may take to exit once it has nothing more to do.
pub(crate) const LEAVE: Duration = Duration::from_secs(5);
