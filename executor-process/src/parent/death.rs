//! What becomes of a dead worker's tasks, and of the worker.

use std::time::{Duration, Instant};

use executor_core::{TaskError, TaskErrorKind, WorkerDeath};

use super::{
    effects::Effects,
    entry::Flight,
    state::{Phase, State},
    worker::{Stage, Worker},
};
use crate::OnCrash;

/// So many workers in a row may die before they are ready.
const BOOTS: u32 = 5;

/// How long the next worker waits after one that has died for no task's sake; doubled each time.
const BACK_OFF: Duration = Duration::from_millis(2);

/// The longest such wait.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(2);

impl State {
    /// The process of this worker may have ended.
    pub(crate) fn heed_end(&mut self, index: usize, now: Instant, effects: &mut Effects) {
        // What it has answered before comes first, and so does its complaint.
        self.read_stderr(index, effects);
        let status = match self.workers.get_mut(index).and_then(Option::as_mut) {
            None => return,
            Some(worker) => match worker.link.reap() {
                Ok(None) => return,
                Ok(Some(status)) => status,
                Err(error) => format!("ended, and its status cannot be had: {error}"),
            },
        };
        if let Some(worker) = self.workers[index].as_mut() {
            worker.stage = match worker.stage {
                // So that nothing is sent to it.
                Stage::Ready | Stage::Retiring => Stage::Ending { kill_at: None },
                stage => stage,
            };
        }
        self.read_rest(index, now, effects);
        self.read_stderr(index, effects);
        let Some(mut worker) = self.workers[index].take() else {
            return;
        };
        let was_leaving = matches!(worker.stage, Stage::Leaving { .. });
        let cause = match worker.fault.take() {
            Some(fault) => format!("{status}, after it broke the protocol: {fault}"),
            None => status,
        };
        let was_running = self.bury(&mut worker, cause.clone(), now, effects);
        effects.is_quiet = true;
        if was_leaving {
            return;
        }
        if worker.has_been_ready {
            self.heed_loss(&mut worker, &cause, was_running, now, effects);
        } else {
            let cause = described(&cause, &worker.tail_text());
            let has_others = self.alive().any(|worker| worker.is_ready());
            self.heed_failed_boot(&cause, has_others, now, effects);
        }
    }

    /// No process could be started.
    pub(crate) fn heed_failed_start(&mut self, cause: &str, now: Instant, effects: &mut Effects) {
        // The system may have room for some, and not for more.
        let has_others = self
            .alive()
            .any(|worker| matches!(worker.stage, Stage::Ready | Stage::Booting { .. }));
        self.heed_failed_boot(cause, has_others, now, effects);
    }

    /// Everything that a dead worker has answered.
    fn read_rest(&mut self, index: usize, now: Instant, effects: &mut Effects) {
        let fault = self.workers[index]
            .as_ref()
            .and_then(|worker| worker.fault.clone());
        if fault.is_some() {
            // What follows a breach of the protocol is not believed.
            return;
        }
        self.read_from(index, now, effects);
        self.pull_from(index, now, effects);
        if let Some(worker) = self.workers[index].as_mut() {
            // That it has closed its side is no breach now, and neither is half a frame.
            worker.fault = None;
        }
    }

    pub(crate) fn read_stderr(&mut self, index: usize, effects: &mut Effects) {
        let Some(worker) = self.workers.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        let start = effects.stderr.len();
        worker.link.read_stderr(&mut effects.stderr);
        worker.note_stderr(&effects.stderr[start..]);
    }

    /// Settles the task that a dead worker was running, and puts the others back. Whether there was one.
    fn bury(
        &mut self,
        worker: &mut Worker,
        status: String,
        now: Instant,
        effects: &mut Effects,
    ) -> bool {
        let mut was_running = false;
        let mut death = WorkerDeath::new(status);
        death.pid = Some(worker.link.pid());
        death.stderr_tail = worker.tail_text();
        let flights = worker.flights.take();
        for flight in flights.into_iter().rev() {
            // What the worker was ended for is not run elsewhere, whether it had begun or not.
            let is_cause = worker
                .fate
                .as_ref()
                .is_some_and(|(seq, _)| *seq == flight.seq);
            if !is_cause && !worker.link.has_started(&flight) {
                flight.entry.job.take_back();
                self.queue.push_front(flight.entry);
                continue;
            }
            was_running = true;
            death.ran_for = if worker.link.most_ahead() == 1 {
                // It was sent to a worker that had nothing to do. When that said that it started may have
                // been read late.
                Some(now.duration_since(worker.last_answer))
            } else {
                worker.link.running_for(&flight)
            };
            worker.link.rest_of_part(&mut worker.partial);
            let partial = std::mem::take(&mut worker.partial);
            let fate = worker.fate.take().filter(|(seq, _)| *seq == flight.seq);
            self.settle_victim(flight, partial, death.clone(), fate, effects);
        }
        if was_running || !self.is_open() {
            self.drop_queue_if_closed(effects);
        }
        worker.idle_since = now;
        was_running
    }

    fn settle_victim(
        &mut self,
        flight: Flight,
        partial: Vec<u8>,
        death: WorkerDeath,
        fate: Option<(u64, TaskError)>,
        effects: &mut Effects,
    ) {
        let Flight { mut entry, .. } = flight;
        entry.attempts += 1;
        let attempts = entry.attempts;
        let error = match (fate, self.settings.on_crash) {
            // It was this pool that ended the worker.
            (Some((_, error)), _) => error,
            (None, OnCrash::Retry(retries)) if attempts <= retries && self.may_retry() => {
                entry.job.take_back();
                self.queue.push_front(entry);
                return;
            }
            (None, OnCrash::Retry(_)) => {
                TaskError::new(TaskErrorKind::Poisoned { attempts, death })
            }
            (None, OnCrash::Fail) => TaskError::new(TaskErrorKind::WorkerDied(death)),
            (None, OnCrash::BreakPool) => {
                self.break_down(
                    format!("a worker died while it ran a task: {death}"),
                    effects,
                );
                TaskError::new(TaskErrorKind::WorkerDied(death))
            }
        };
        self.figures.failed += 1;
        if let Ok(job) = entry.job.claim() {
            if entry.is_chunk {
                effects.interrupted.push((job, partial, error));
            } else {
                effects.settled.push((job, Err(error)));
            }
        }
    }

    fn may_retry(&self) -> bool {
        match self.phase {
            Phase::Open => true,
            Phase::Closed(mode) => mode == executor_core::Shutdown::Drain,
            Phase::Broken(_) => false,
        }
    }

    /// What came back from a dead worker after everything pending was settled is settled too.
    fn drop_queue_if_closed(&mut self, effects: &mut Effects) {
        if !self.may_retry() {
            self.clear_queue(effects);
        }
    }

    /// Decides whether and when another worker is started.
    fn heed_loss(
        &mut self,
        worker: &mut Worker,
        cause: &str,
        was_running: bool,
        now: Instant,
        effects: &mut Effects,
    ) {
        if !was_running {
            // Nobody's task is to blame: it may go on like this for ever.
            self.back_off(now);
        }
        self.restarts.push_back(now);
        let Some((most, within)) = self.settings.restart_limit else {
            self.restarts.clear();
            return;
        };
        while self
            .restarts
            .front()
            .is_some_and(|then| now.duration_since(*then) > within)
        {
            self.restarts.pop_front();
        }
        if self.restarts.len() > most {
            let tail = worker.tail_text();
            self.break_down(
                format!(
                    "{} workers died within {within:?}, and {most} are allowed; the last one: {}",
                    self.restarts.len(),
                    described(cause, &tail)
                ),
                effects,
            );
        }
    }

    /// A worker could not be started, or died before it was ready. With others, the pool goes on.
    fn heed_failed_boot(
        &mut self,
        cause: &str,
        has_others: bool,
        now: Instant,
        effects: &mut Effects,
    ) {
        if !self.is_open() && !self.wants_worker() {
            // A pool that is being shut down has no use for it, and is not broken.
            return;
        }
        self.failed_boots += 1;
        self.back_off(now);
        if self.failed_boots >= BOOTS && !has_others {
            self.break_down(
                format!(
                    "{} workers in a row could not start; the last one: {cause}",
                    self.failed_boots
                ),
                effects,
            );
        }
    }

    fn back_off(&mut self, now: Instant) {
        let last = self
            .not_before
            .map_or(Duration::ZERO, |then| then.saturating_duration_since(now));
        let exponent = self.failed_boots.min(10);
        let wait = (BACK_OFF * 2_u32.pow(exponent))
            .max(last)
            .min(LONGEST_BACK_OFF);
        self.not_before = now.checked_add(wait);
    }
}

fn described(cause: &str, tail: &str) -> String {
    let tail = tail.trim_end();
    if tail.is_empty() {
        cause.to_owned()
    } else {
        format!("{cause}; its standard error ends with {tail:?}")
    }
}
