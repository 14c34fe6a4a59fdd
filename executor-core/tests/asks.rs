//! What futures ask the backend that has their task, and what they know without: a backend may have to wait for the answer.

mod support;

use std::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicUsize, Ordering},
};

use executor_core::{
    Admission, Capabilities, Executor, ExecutorExt as _, Future, Job, JobKey, Rejected, Remote,
    RemoteHome, Revoked, State, StopLevel, Unsupported,
};
use executor_macros::task;

use support::keeps_all;

#[task(crate = "executor_core")]
fn number(x: u64) -> u64 {
    x
}

/// Keeps what it is given, and counts how often it is asked.
#[derive(Debug, Clone)]
struct Elsewhere(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    home: RemoteHome,
    jobs: Mutex<Vec<Job>>,
    asked: AtomicUsize,
}

impl Elsewhere {
    fn new() -> Self {
        Self(Arc::new_cyclic(|inner: &Weak<Inner>| {
            let remote: Weak<dyn Remote> = inner.clone();
            Inner {
                home: RemoteHome::new(remote),
                jobs: Mutex::default(),
                asked: AtomicUsize::new(0),
            }
        }))
    }

    fn asked(&self) -> usize {
        self.0.asked.load(Ordering::Relaxed)
    }
}

impl Remote for Inner {
    fn has_started(&self, _: JobKey) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn revoke(&self, _: JobKey) -> Revoked {
        Revoked::Started
    }

    fn stop(&self, _: JobKey, _: StopLevel, _: &dyn Fn() -> bool) -> Result<(), Unsupported> {
        Ok(())
    }

    fn can_stop(&self, _: StopLevel) -> Result<(), Unsupported> {
        Ok(())
    }
}

impl Executor for Elsewhere {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::local(1);
        capabilities.local = false;
        capabilities
    }

    fn execute(&self, job: Job, _: Admission) -> Result<(), Rejected> {
        job.bind(self.0.home.home());
        assert!(job.hand_over());
        self.0.jobs.lock().expect("nobody panics").push(job);
        Ok(())
    }

    keeps_all!();
}

fn asks_only_for_its_state<F: Future>(executor: &Elsewhere, future: &F) {
    let before = executor.asked();
    assert!(!future.is_done() && !future.is_done());
    assert_eq!(executor.asked(), before, "whether it is done is known here");
    assert_eq!(future.state(), State::Running);
    assert_eq!(executor.asked(), before + 1);
}

#[test]
fn whether_a_future_is_done_is_asked_of_nobody() {
    let executor = Elsewhere::new();
    let submit = || {
        let submitted = executor.submit(number::task(1));
        submitted.expect("it takes everything")
    };
    asks_only_for_its_state(&executor, &submit());
    asks_only_for_its_state(&executor, &Future::map(submit(), |x| x + 1));
    asks_only_for_its_state(&executor, &submit().shared());
    let next = submit();
    asks_only_for_its_state(&executor, &submit().then(move |_| next));
}
