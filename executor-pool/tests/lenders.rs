//! Runners under lenders of threads that behave as pools may: they are late, run two at once, or drop what they get.

use std::{
    sync::{
        Arc, Barrier, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use executor_core::{
    Admission, Capabilities, Executor, Future as _, HostKind, Job, JoinError, LocalExecutor,
    LocalExecutorExt as _, Reason, Rejected, Shutdown, Stats, Unsupported,
};
use executor_pool::{
    OnFull, QueueOrder,
    runners::{Lender, Runner, RunnerSettings, Runners},
};

/// Keeps the runners until the test comes for them; or drops them, once its pool is gone.
#[derive(Clone, Default)]
struct Shelf {
    runners: Arc<Mutex<Vec<Runner>>>,
    is_gone: Arc<AtomicBool>,
}

impl Lender for Shelf {
    fn kind(&self) -> HostKind {
        HostKind::Pool
    }

    fn lend(&self, runner: Runner) {
        if !self.is_gone.load(Ordering::SeqCst) {
            self.all().push(runner);
        }
    }
}

impl Shelf {
    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Runner>> {
        self.runners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<Runner> {
        std::mem::take(&mut *self.all())
    }

    fn run_all(&self) {
        self.take().into_iter().for_each(Runner::run);
    }

    /// All that it has and gets is dropped.
    fn goes(&self) {
        self.is_gone.store(true, Ordering::SeqCst);
        drop(self.take());
    }
}

/// The least that an executor over runners is.
#[derive(Debug, Clone)]
struct Borrowing(Arc<Runners>);

impl Borrowing {
    fn new(limit: usize, bound: Option<usize>) -> (Self, Shelf) {
        let shelf = Shelf::default();
        let runners = Runners::new(RunnerSettings {
            lender: Box::new(shelf.clone()),
            limit,
            name: String::from("borrowed"),
            bound,
            order: QueueOrder::Fifo,
            on_full: OnFull::Reject,
            initializer: None,
        });
        (Self(runners), shelf)
    }
}

impl Executor for Borrowing {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn execute(&self, job: Job, admission: Admission) -> Result<(), Rejected> {
        self.0.execute(job, admission)
    }

    fn shutdown(&self, mode: Shutdown) -> Result<(), Unsupported> {
        self.0.shutdown(mode);
        Ok(())
    }

    fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        self.0.join(deadline)
    }

    fn stats(&self) -> Stats {
        self.0.stats()
    }
}

impl LocalExecutor for Borrowing {
    fn wants_work(&self) -> bool {
        self.0.wants_work()
    }
}

const BOUNDS: [Option<usize>; 2] = [None, Some(100)];

#[test]
fn one_runner_stands_for_many_jobs_however_late_it_is() {
    for bound in BOUNDS {
        let (executor, shelf) = Borrowing::new(2, bound);
        let futures: Vec<_> = (0..50)
            .map(|i| executor.spawn(move || i).unwrap())
            .collect();
        assert_eq!(
            shelf.all().len(),
            1,
            "the second one is asked for by the first"
        );
        assert!(futures.iter().all(|future| !future.is_done()));
        assert!(executor.join(Some(Instant::now())).is_err());
        shelf.run_all();
        assert!(futures.iter().all(executor_core::Future::is_done));
        // The other one finds nothing.
        assert!(shelf.all().len() <= 1);
        shelf.run_all();
        assert!(executor.0.wait_idle(Some(Instant::now())));
        assert_eq!(executor.stats().succeeded, 50);
    }
}

#[test]
fn two_threads_run_their_runners_at_the_same_time() {
    for bound in BOUNDS {
        let (executor, shelf) = Borrowing::new(2, bound);
        let both = Arc::new(Barrier::new(2));
        let meet = || {
            let both = Arc::clone(&both);
            executor.spawn(move || both.wait().is_leader()).unwrap()
        };
        // Each needs the other one: two runners, on two threads.
        let jobs = [meet(), meet()];
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::SeqCst) {
                        let runner = shelf.all().pop();
                        runner.into_iter().for_each(Runner::run);
                        thread::yield_now();
                    }
                });
            }
            let over = jobs
                .iter()
                .all(|job| job.wait_timeout(Duration::from_secs(60)));
            is_over.store(true, Ordering::SeqCst);
            assert!(over, "it hung: two jobs on two threads");
        });
        executor.shutdown(Shutdown::Drain).unwrap();
        executor.join(None).unwrap();
    }
}

#[test]
fn a_lender_that_drops_its_runners_breaks_the_executor() {
    for bound in BOUNDS {
        let (executor, shelf) = Borrowing::new(2, bound);
        let futures: Vec<_> = (0..5).map(|_| executor.spawn(|| ()).unwrap()).collect();
        shelf.goes();
        for future in futures {
            assert!(future.is_done(), "it can never run");
            let error = future.result().unwrap_err();
            assert!(error.is_broken(), "{error}");
            assert!(error.to_string().contains("has been shut down"), "{error}");
        }
        let reason = executor.spawn(|| ()).unwrap_err().into_parts().1;
        assert!(matches!(reason, Reason::Broken { .. }), "{reason}");
        executor.join(None).unwrap();
        assert_eq!(executor.stats().failed, 5);
    }
}

#[test]
fn a_lender_that_is_gone_before_the_first_job() {
    for bound in BOUNDS {
        let (executor, shelf) = Borrowing::new(1, bound);
        shelf.goes();
        // Accepted, and given up before `spawn` returns.
        let future = executor.spawn(|| ()).unwrap();
        assert!(future.is_done());
        assert!(future.result().unwrap_err().is_broken());
        assert!(executor.spawn(|| ()).is_err());
        executor.join(None).unwrap();
    }
}

#[test]
fn runners_that_come_after_the_end_find_nothing() {
    for bound in BOUNDS {
        let (executor, shelf) = Borrowing::new(1, bound);
        let future = executor.spawn(|| ()).unwrap();
        executor.shutdown(Shutdown::CancelPending).unwrap();
        assert!(future.is_cancelled());
        executor.join(None).unwrap();
        // Run, or dropped: it is over either way.
        if bound.is_some() {
            shelf.run_all();
        } else {
            shelf.goes();
        }
        let reason = executor.spawn(|| ()).unwrap_err().into_parts().1;
        assert!(matches!(reason, Reason::ShutDown), "{reason}");
        assert_eq!(executor.stats().cancelled, 1);
    }
}

#[test]
fn a_thread_that_is_offered_work_takes_what_there_is() {
    for bound in BOUNDS {
        let (executor, shelf) = Borrowing::new(1, bound);
        // Nothing is there.
        executor.0.join_in();
        let future = executor.spawn(|| 7).unwrap();
        // The one place is taken by the runner on the shelf.
        executor.0.join_in();
        assert!(!future.is_done());
        shelf.run_all();
        assert_eq!(future.result().unwrap(), 7);

        let (executor, shelf) = Borrowing::new(2, bound);
        let future = executor.spawn(|| 7).unwrap();
        executor.0.join_in();
        assert_eq!(future.result().unwrap(), 7);
        shelf.run_all();
        assert!(executor.0.wait_idle(Some(Instant::now())));
    }
}

#[test]
fn a_runner_in_the_middle_of_a_job_is_refused_and_asked_for_after_it() {
    for bound in BOUNDS {
        let (executor, shelf) = Borrowing::new(1, bound);
        let (other, other_shelf) = Borrowing::new(1, bound);
        let (inner, inner_shelf) = (other.clone(), other_shelf.clone());
        let job = executor.spawn(move || {
            let child = inner.spawn(|| ()).unwrap();
            // As a pool does whose thread waits for something.
            inner_shelf.run_all();
            assert!(!child.is_done(), "it ran on top of a job");
            assert!(inner_shelf.all().is_empty());
            child
        });
        shelf.run_all();
        let child = job.unwrap().result().unwrap();
        assert_eq!(other_shelf.all().len(), 1, "it was asked for again");
        other_shelf.run_all();
        assert!(child.is_done());
    }
}
