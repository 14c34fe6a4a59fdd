//! Which worker gets which task, and when one is taken back.
//!
//! Tasks are sent ahead: as many to each worker as it will answer in a millisecond or two, by what
//! such tasks took of late. So a worker does not wait for its parent between short tasks, and a long task
//! has nothing behind it. Where the guess was wrong, it is corrected: what is behind a task that takes
//! longer than was thought goes back to the front of the queue, and so does half of what a busy worker has,
//! once another has nothing to do. Both are possible since a task can be taken back from a worker, exactly
//! and without asking it.

use std::time::{Duration, Instant};

use executor_core::{TaskError, TaskErrorKind, Timeout};

use super::{
    effects::Effects,
    entry::Entry,
    state::{Phase, State},
    worker::{Answer, Stage, Worker},
};
use crate::wire::frame::Violation;

/// A task that has been running for so long has nothing sent ahead behind it.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1);

/// What another worker has to do is worth taking over from so many nanoseconds on.
const WORTH_TAKING: u64 = 40_000;

impl State {
    /// Sends what is queued to workers that have room for it.
    pub(crate) fn top_up(&mut self, now: Instant, effects: &mut Effects) {
        if self.queue.is_empty() {
            self.share_out();
        }
        if self.queue.is_empty() {
            return;
        }
        let before = self.queue.len();
        for index in 0..self.workers.len() {
            self.pack(index, now, effects);
        }
        // Each gets what is worth waking it for, before any gets more; then an even share at a time.
        for index in 0..self.workers.len() {
            if self.is_idle_at(index) && self.send_next(index, now, effects) {
                self.pack(index, now, effects);
            }
        }
        let mut share = 1;
        loop {
            let mut sent = false;
            for index in 0..self.workers.len() {
                for _ in 0..share {
                    if !self.send_next(index, now, effects) {
                        break;
                    }
                    sent = true;
                }
            }
            if !sent || self.queue.is_empty() {
                break;
            }
            share = (self.queue.len() / (2 * self.workers.len())).max(1);
        }
        for worker in self.workers.iter_mut().flatten() {
            if !worker.flights.is_empty() {
                worker.watch(true);
            }
            flush(worker);
        }
        effects.has_room |= self.queue.len() < before;
        // What was left was cancelled, perhaps.
        effects.is_quiet |= self.is_idle();
    }

    fn is_idle_at(&self, index: usize) -> bool {
        self.workers[index].as_ref().is_some_and(Worker::is_idle)
    }

    /// Sends a worker that has something to do as much as another would not be worth waking for.
    fn pack(&mut self, index: usize, now: Instant, effects: &mut Effects) {
        while let Some(entry) = self.queue.front()
            && let Some(worker) = &self.workers[index]
            && worker.is_as_quick(self.cost_of(entry))
            && self.send_next(index, now, effects)
        {}
    }

    fn cost_of(&self, entry: &Entry) -> u64 {
        self.costs.get(entry.kind()).copied().unwrap_or(0)
    }

    /// Sends the next task to this worker. False if there is none, or no room.
    fn send_next(&mut self, index: usize, now: Instant, effects: &mut Effects) -> bool {
        loop {
            let Some(entry) = self.queue.front() else {
                return false;
            };
            let cost = self.cost_of(entry);
            let Some(worker) = self.workers.get_mut(index).and_then(Option::as_mut) else {
                return false;
            };
            // A task that must be started in time waits where it can be seen whether it was.
            let must_start = entry.job.start_by().is_some() && !worker.flights.is_empty();
            if must_start || !worker.has_room(cost) {
                return false;
            }
            let Some(entry) = self.queue.pop_front() else {
                return false;
            };
            if entry.is_overdue(now) {
                self.figures.failed += 1;
                let error = TaskError::new(TaskErrorKind::TimedOut(Timeout::Queue));
                effects.failed.push((entry.job, error));
                continue;
            }
            // From here on only the pool can cancel it.
            if !entry.job.hand_over() {
                self.figures.cancelled += 1;
                effects.cancelled.push(entry.job);
                continue;
            }
            worker.send(entry, cost);
            return true;
        }
    }

    /// Sends a task at once, if a worker has nothing to do, or little. Gives it back if not. True if the pool's thread has to know:
    /// a worker that has got a second task is looked after from now on, since the first may take longer than is thought, and
    /// the second may hold up the first one's answer.
    pub(crate) fn send_directly(&mut self, entry: Entry) -> Result<bool, Entry> {
        let cost = self.cost_of(&entry);
        let place = |is_fit: &dyn Fn(&Worker) -> bool| {
            let fits = |worker: &Option<Worker>| {
                let worker = worker.as_ref();
                worker.is_some_and(|worker| is_fit(worker) && worker.has_room(cost))
            };
            self.workers.iter().position(fits)
        };
        let quick = |worker: &Worker| entry.job.start_by().is_none() && worker.is_as_quick(cost);
        let place = place(&quick).or_else(|| place(&Worker::is_idle));
        let Some(worker) = place.and_then(|place| self.workers[place].as_mut()) else {
            return Err(entry);
        };
        let is_second = worker.flights.len() == 1;
        if !entry.job.hand_over() {
            return Ok(false);
        }
        worker.send(entry, cost);
        flush(worker);
        self.watch_if_needed();
        Ok(is_second)
    }

    /// A lone task may be left unwatched for a moment, for a waiter that will read the answer itself.
    fn watch_if_needed(&mut self) {
        if self.driven_until.is_some() && self.busy() == 1 {
            return;
        }
        for worker in self.workers.iter_mut().flatten() {
            if !worker.flights.is_empty() {
                worker.watch(true);
            }
        }
    }

    /// Where a worker has nothing to do and another much, half of that goes back to the queue.
    fn share_out(&mut self) {
        if !self.alive().any(|worker| worker.is_idle()) {
            return;
        }
        let richest = self
            .workers
            .iter_mut()
            .flatten()
            .filter(|worker| worker.flights.len() > 1)
            .max_by_key(|worker| (worker.is_stuck, worker.load));
        let Some(worker) = richest else { return };
        let known = worker.flights.iter().all(|flight| flight.expected > 0);
        if known && worker.load < WORTH_TAKING {
            return;
        }
        let keep = worker.flights.len().div_ceil(2);
        for place in (keep..worker.flights.len()).rev() {
            if let Some(entry) = worker.take_back(place) {
                entry.job.take_back();
                self.queue.push_front(entry);
            }
        }
    }

    /// Reads what a worker has answered.
    pub(crate) fn read_from(&mut self, index: usize, now: Instant, effects: &mut Effects) {
        self.with_answers(index, now, effects, |worker, answer| worker.read(answer));
        self.wake_driver(index);
    }

    /// Gets what a worker has answered and not sent.
    pub(crate) fn pull_from(&mut self, index: usize, now: Instant, effects: &mut Effects) {
        self.with_answers(index, now, effects, |worker, answer| worker.pull(answer));
        self.wake_driver(index);
    }

    /// As [`read_from`](Self::read_from), on the thread that drives the worker.
    #[cfg(target_os = "linux")]
    pub(crate) fn read_as_driver(&mut self, index: usize, now: Instant, effects: &mut Effects) {
        self.with_answers(index, now, effects, |worker, answer| worker.read(answer));
    }

    /// Has whoever waits at a worker's pipe look again, after somebody else has read from it.
    fn wake_driver(&self, _index: usize) {
        #[cfg(target_os = "linux")]
        if let Some(Some(worker)) = self.workers.get(_index)
            && let Some(driver) = &worker.driver
        {
            driver.notify();
        }
    }

    fn with_answers(
        &mut self,
        index: usize,
        now: Instant,
        effects: &mut Effects,
        read: impl FnOnce(&mut Worker, &mut dyn FnMut(&mut Worker, Answer)) -> Result<(), Violation>,
    ) {
        let Some(mut worker) = self.workers.get_mut(index).and_then(Option::take) else {
            return;
        };
        let result = read(&mut worker, &mut |worker, answer| {
            self.heed(worker, answer, now, effects);
        });
        if let Err(Violation(fault)) = result
            && worker.fault.is_none()
        {
            worker.fault = Some(fault);
            worker.kill();
        }
        self.workers[index] = Some(worker);
    }

    fn heed(&mut self, worker: &mut Worker, answer: Answer, now: Instant, effects: &mut Effects) {
        worker.last_answer = now;
        match answer {
            Answer::Ready => {
                self.failed_boots = 0;
                worker.has_been_ready = true;
                if matches!(worker.stage, Stage::Booting { .. }) {
                    worker.stage = Stage::Ready;
                }
                worker.idle_since = now;
            }
            Answer::StopSeen => effects.is_quiet = true,
            Answer::Failed(why) => {
                // Another one would fail in the same way.
                worker.fault = Some(why.clone());
                worker.kill();
                self.break_down(format!("a worker could not start: {why}"), effects);
            }
            Answer::Done {
                flight,
                nanos,
                result,
            } => {
                worker.idle_since = now;
                self.learn(flight.entry.kind(), nanos);
                let result = match &worker.fate {
                    // It was being ended for taking too long: too late.
                    Some((seq, error)) if *seq == flight.seq && error.is_timed_out() => {
                        Err(error.clone())
                    }
                    _ => result,
                };
                match &result {
                    Ok(_) => self.figures.succeeded += 1,
                    Err(_) => self.figures.failed += 1,
                }
                // It was handed over, so nobody else has claimed it.
                if let Ok(job) = flight.entry.job.claim() {
                    effects.settled.push((job, result));
                }
                effects.is_quiet |= worker.flights.is_empty() && self.queue.is_empty();
                effects.has_room = true;
            }
        }
    }

    /// A later task of this kind will take about as long.
    fn learn(&mut self, kind: usize, nanos: u64) {
        if let Some(cost) = self.costs.get_mut(kind) {
            // A short one counts less than a long one: what is sent ahead should not wait.
            *cost = match *cost {
                0 => nanos.max(1),
                old if nanos > old => u64::midpoint(old, nanos),
                old => (old - (old - nanos) / 8).max(1),
            };
        }
    }

    /// Does what is due by now.
    pub(crate) fn tick(&mut self, now: Instant, effects: &mut Effects) {
        #[cfg(target_os = "linux")]
        self.watch_again(now);
        for index in 0..self.workers.len() {
            let is_quiet = self.workers[index].as_ref().is_some_and(|worker| {
                worker.flights.len() > 1 && now.duration_since(worker.last_answer) >= PATIENCE
            });
            if is_quiet {
                // Answers may be held back behind a task that takes longer than was thought.
                self.pull_from(index, now, effects);
                self.unburden(index, now);
            }
            self.heed_limits(index, now);
        }
        self.drop_overdue(now, effects);
        self.retire(now);
        self.wind_up(now);
    }

    /// Takes back what is behind a task that takes longer than was thought.
    fn unburden(&mut self, index: usize, now: Instant) {
        let Some(worker) = self.workers.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        let late = worker.flights.front().is_some_and(|flight| {
            let limit = PATIENCE + 2 * Duration::from_nanos(flight.expected);
            let ran = worker.link.running_for(flight);
            ran.unwrap_or_else(|| now.duration_since(worker.last_answer)) >= limit
        });
        if !late {
            return;
        }
        worker.is_stuck = true;
        for place in (1..worker.flights.len()).rev() {
            if let Some(entry) = worker.take_back(place) {
                entry.job.take_back();
                self.queue.push_front(entry);
            }
        }
    }

    /// Fails what has been queued for longer than it may.
    fn drop_overdue(&mut self, now: Instant, effects: &mut Effects) {
        while self
            .queue
            .front()
            .is_some_and(|entry| entry.is_overdue(now))
        {
            if let Some(entry) = self.queue.pop_front() {
                self.figures.failed += 1;
                let error = TaskError::new(TaskErrorKind::TimedOut(Timeout::Queue));
                effects.failed.push((entry.job, error));
            }
        }
    }

    /// Whether a further worker should be started.
    pub(crate) fn wants_worker(&self) -> bool {
        let work = match &self.phase {
            Phase::Open => true,
            Phase::Closed(_) => !self.queue.is_empty(),
            Phase::Broken(_) => false,
        };
        if !work {
            return false;
        }
        let staying = self.starting
            + self
                .alive()
                .filter(|worker| matches!(worker.stage, Stage::Ready | Stage::Booting { .. }))
                .count();
        let demand = if self.queue.is_empty() {
            0
        } else {
            self.busy() + self.queue.len()
        };
        let floor = if self.is_open() { self.min_workers } else { 0 };
        staying < demand.max(floor).min(self.max_workers)
    }
}

/// Writes what there is. A pipe that cannot be written belongs to a worker that is dying.
pub(crate) fn flush(worker: &mut Worker) {
    if let Err(error) = worker.link.flush()
        && worker.fault.is_none()
    {
        worker.fault = Some(format!("its tasks cannot be written: {error}"));
        worker.kill();
    }
}
