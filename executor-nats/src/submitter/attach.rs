//! Results of tasks that another connection has submitted.
//!
//! The subscription to the results of the session is there from the start, so whatever is recorded from now on comes by itself. What was recorded before is
//! looked up. A task that is in neither stream is not there any more: a result is recorded before its task leaves the queue, so the
//! queue is looked at first. Or it is not there yet, since its submitter does not wait for the server: so it is looked up again for a while.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use executor_core::{Job, JobKey, PortableTask, TaskError, TaskErrorKind, TaskFuture};

use super::{
    Order, Shared,
    io::{Body, Io},
};
use crate::{
    error::{AttachError, AttachErrorKind},
    publish,
};

impl Shared {
    /// The number of a task of this executor.
    pub(crate) fn id_of(&self, key: JobKey) -> Option<u64> {
        self.state().id_of(key)
    }

    /// A future for the task of that number.
    pub(crate) fn expect<T: PortableTask>(
        &self,
        number: u64,
    ) -> Result<TaskFuture<T::Output>, AttachError> {
        let session = &self.settings.session;
        let (job, future) = Job::expecting::<T>();
        job.bind(self.home());
        {
            let mut state = self.state();
            if let Some(reason) = state.refusal() {
                return Err(AttachError::new(
                    AttachErrorKind::Ended,
                    format!(
                        "task {number} of the session `{session}` cannot be waited for: {reason}"
                    ),
                ));
            }
            if !state.expect(number, job) {
                return Err(AttachError::new(
                    AttachErrorKind::HasFuture,
                    format!(
                        "task {number} of the session `{session}` has a future already: use that one"
                    ),
                ));
            }
        }
        if self.orders.send(Order::Look(number)).is_err() {
            self.give_up("the connection has ended");
        }
        Ok(future)
    }
}

impl Io {
    /// Looks for a task and its result, beside everything else.
    pub(super) fn look(&self, numbers: Vec<u64>) {
        let common = self.shared.settings.common.clone();
        let (client, names) = (self.link.client.clone(), self.link.names.clone());
        let (shared, reporter) = (Arc::clone(&self.shared), self.reporter.clone());
        tokio::spawn(async move {
            let began = Instant::now();
            let mut left = numbers;
            while !left.is_empty() {
                let is_last = began.elapsed() >= UNDER_WAY;
                for number in std::mem::take(&mut left) {
                    let address = shared.address(number);
                    let task = names.task(&common.queue, &address);
                    let domain = common.domain.as_deref();
                    let queued = publish::count(&client, domain, &names.tasks(), &task).await;
                    let result = names.of('r', &address);
                    let found = publish::last(&client, &names.results(), &result, domain).await;
                    let report = match (queued, found) {
                        (_, Ok(Some(found))) => Body::Found(number, Ok(found.payload)),
                        (Ok(0), Ok(None)) if is_last => {
                            let what = format!(
                                "task {number} of the session `{}` is neither queued nor is its result kept: it is older than `result_ttl`, or never was",
                                shared.settings.session
                            );
                            let error = TaskError::new(TaskErrorKind::PayloadLost(what));
                            Body::Found(number, Err(error))
                        }
                        (Ok(0), Ok(None)) => {
                            left.push(number);
                            continue;
                        }
                        // It is queued, or the server does not answer: later again.
                        _ => continue,
                    };
                    // Nobody listens any more only when all is over.
                    let _unheard = reporter.send(report);
                }
                if !left.is_empty() {
                    tokio::time::sleep(AGAIN).await;
                }
            }
        });
    }
}

/// How long a task may take from its submitter, who knows its number at once, to the server.
pub(super) const UNDER_WAY: Duration = Duration::from_secs(2);

/// How long until the server is asked again.
pub(super) const AGAIN: Duration = Duration::from_millis(50);
