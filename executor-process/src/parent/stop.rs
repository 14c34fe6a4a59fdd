//! How tasks and workers are stopped: revoked, signalled, killed, retired.

use std::time::Instant;

use executor_core::{Job, JobKey, Revoked, TaskError, TaskErrorKind, Timeout};

use super::{
    state::{LEAVE, State},
    worker::{Stage, Worker},
};

/// The error of a task that was ended by force.
pub(crate) fn killed() -> TaskError {
    TaskError::new(TaskErrorKind::Killed)
}

/// A task that was asked to stop by a message.
pub(crate) struct StopAsked {
    worker: u64,
    seq: u64,
}

impl State {
    /// The worker that has this job, and where.
    fn find(&mut self, key: JobKey) -> Option<(&mut Worker, usize)> {
        self.workers
            .iter_mut()
            .flatten()
            .find_map(|worker| worker.place_of(key).map(|place| (worker, place)))
    }

    pub(crate) fn has_started(&mut self, key: JobKey) -> bool {
        self.find(key)
            .is_some_and(|(worker, place)| worker.has_started(place))
    }

    /// Takes a job back from its worker, to be cancelled.
    pub(crate) fn revoke(&mut self, key: JobKey) -> Result<Job, Revoked> {
        let Some((worker, place)) = self.find(key) else {
            return Err(Revoked::NotHere);
        };
        let Some(entry) = worker.take_back(place) else {
            return Err(Revoked::Started);
        };
        self.figures.cancelled += 1;
        Ok(entry.job)
    }

    /// Asks a running task to stop; `None` if no worker has started it. What is to be waited for until it
    /// can see that, if anything is.
    pub(crate) fn signal(&mut self, key: JobKey) -> Option<Option<StopAsked>> {
        let (worker, place) = self.find(key)?;
        if !worker.has_started(place) {
            return None;
        }
        let seq = worker.flights.get(place)?.seq;
        let is_seen = worker.link.request_stop(seq);
        Some((!is_seen).then_some(StopAsked {
            worker: worker.id,
            seq,
        }))
    }

    /// Whether the task can see that it was asked, or is over.
    pub(crate) fn has_seen_stop(&self, asked: &StopAsked) -> bool {
        self.alive()
            .find(|worker| worker.id == asked.worker)
            .is_none_or(|worker| {
                worker.stop_seen == asked.seq
                    || !worker.flights.iter().any(|flight| flight.seq == asked.seq)
            })
    }

    /// Ends the worker that runs this job; the job gets `error`. False if no worker has started it.
    pub(crate) fn kill(&mut self, key: JobKey, error: TaskError, now: Instant) -> bool {
        let grace = self.settings.kill_grace;
        let Some((worker, place)) = self.find(key) else {
            return false;
        };
        if !worker.has_started(place) {
            return false;
        }
        if let Some(flight) = worker.flights.get(place)
            && worker.fate.is_none()
        {
            worker.fate = Some((flight.seq, error));
        }
        worker.end(now, grace);
        let id = worker.id;
        self.unload(id);
        true
    }

    /// Gives what a worker has not started to others.
    fn unload(&mut self, id: u64) {
        let Some(worker) = self
            .workers
            .iter_mut()
            .flatten()
            .find(|worker| worker.id == id)
        else {
            return;
        };
        for place in (0..worker.flights.len()).rev() {
            if let Some(entry) = worker.take_back(place) {
                entry.job.take_back();
                self.queue.push_front(entry);
            }
        }
    }

    /// Ends what has had its time: a boot, a farewell, a grace, a task.
    pub(crate) fn heed_limits(&mut self, index: usize, now: Instant) {
        let boot_timeout = self.settings.boot_timeout;
        let Some(worker) = self.workers.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        match worker.stage {
            Stage::Booting { by, .. } if now >= by => {
                worker.fault = Some(format!("it was not ready after {boot_timeout:?}"));
                worker.link.kill();
                // Still a boot, so that its end counts as one.
                worker.stage = Stage::Booting {
                    said_hello: true,
                    by: now + LEAVE,
                };
            }
            Stage::Leaving { by } if now >= by => worker.kill(),
            Stage::Ending { kill_at: Some(at) } if now >= at => worker.kill(),
            _ => {}
        }
        let has_nothing = worker.is_ready() && worker.flights.is_empty();
        if has_nothing && !worker.can_be_sent_more() && now >= worker.last_answer + LEAVE {
            worker.fault = Some(String::from(
                "it has not looked at the tasks that it was sent and that were taken back",
            ));
            worker.kill();
        }
        let overdue = worker.flights.front().is_some_and(|flight| {
            flight
                .entry
                .timeout()
                .zip(worker.link.running_for(flight))
                .is_some_and(|(limit, ran)| ran >= limit)
        });
        if overdue && worker.fate.is_none() {
            let key = worker.flights.front().map(|flight| flight.entry.key());
            if let Some(key) = key {
                let error = TaskError::new(TaskErrorKind::TimedOut(Timeout::Run));
                self.kill(key, error, now);
            }
        }
    }

    /// Has workers leave that have served enough, have grown too large, have nothing to do for too
    /// long, or are too many. At most one at a time is replaced, and not before its replacement is ready.
    pub(crate) fn retire(&mut self, now: Instant) {
        let is_replaced = !self.wants_worker()
            && !self
                .alive()
                .any(|worker| matches!(worker.stage, Stage::Booting { .. }));
        let max_resident = self.settings.max_resident;
        let mut is_retiring = false;
        for worker in self.workers.iter_mut().flatten() {
            // One that is leaving counts until it has gone.
            is_retiring |= matches!(worker.stage, Stage::Retiring | Stage::Leaving { .. });
            if worker.stage == Stage::Retiring && worker.flights.is_empty() && is_replaced {
                worker.leave(now + LEAVE);
            }
        }
        if !is_retiring && self.is_open() {
            let old = self.workers.iter_mut().flatten().find(|worker| {
                worker.is_ready()
                    && (worker
                        .retires_after
                        .is_some_and(|most| worker.served >= most)
                        || max_resident.is_some_and(|most| worker.link.resident() > most))
            });
            if let Some(worker) = old {
                worker.stage = Stage::Retiring;
            }
        }
        self.dismiss_surplus(now);
    }

    fn dismiss_surplus(&mut self, now: Instant) {
        let mut staying = self
            .alive()
            .filter(|worker| matches!(worker.stage, Stage::Ready | Stage::Booting { .. }))
            .count();
        let (min, max) = (self.min_workers, self.max_workers);
        let limit = self.settings.idle_timeout;
        for worker in self.workers.iter_mut().flatten().rev() {
            let has_rested =
                limit.is_some_and(|limit| now.duration_since(worker.idle_since) >= limit);
            if worker.is_idle() && (staying > max || (staying > min && has_rested)) {
                worker.leave(now + LEAVE);
                staying -= 1;
            }
        }
    }
}
