//! A worker that waits for a task which it has in its own queue.

mod support;

use std::{
    cell::{Cell, RefCell},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use executor_core::{
    Admission, Capabilities, Executor, Future as _, Home, Job, JobKey, LocalExecutor,
    LocalExecutorExt as _, Outcome, Ran, Rejected, context,
};

use support::keeps_all;

thread_local! {
    static QUEUE: RefCell<Vec<Job>> = const { RefCell::new(Vec::new()) };
    static RAN: Cell<Option<Ran>> = const { Cell::new(None) };
}

/// Puts its jobs into the queue of the current thread, where nobody but a waiter finds them.
#[derive(Debug, Clone)]
struct Own(Home);

impl Executor for Own {
    fn capabilities(&self) -> Capabilities {
        Capabilities::local(1)
    }

    fn execute(&self, job: Job, _: Admission) -> Result<(), Rejected> {
        job.bind(self.0);
        QUEUE.with_borrow_mut(|queue| queue.push(job));
        Ok(())
    }

    keeps_all!();
}

impl LocalExecutor for Own {
    fn wants_work(&self) -> bool {
        false
    }
}

/// Calls `f` on a worker that gets its jobs back with `take`.
fn on_worker<R>(take: fn(JobKey) -> Option<Job>, f: impl FnOnce(&Own) -> R) -> R {
    let own = Own(Home::new());
    let worker = context::Worker::new(own.0, String::from("w"), 0);
    let _worker = worker.reclaim(take, |ran| RAN.set(Some(ran))).enter();
    f(&own)
}

fn newest(key: JobKey) -> Option<Job> {
    QUEUE.with_borrow_mut(|queue| queue.pop_if(|job| job.key() == key))
}

/// Counts its drops.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn it_runs_the_task_and_drops_the_arguments_and_the_output_once() {
    on_worker(newest, |own| {
        let drops = Arc::new(AtomicUsize::new(0));
        let (argument, output) = (Dropped(Arc::clone(&drops)), Dropped(Arc::clone(&drops)));
        let future = own
            .spawn(move || {
                assert!(context::is_task());
                drop(argument);
                output
            })
            .unwrap();
        let output = future.result().unwrap();
        assert_eq!(drops.load(SeqCst), 1, "the argument is gone");
        assert_eq!(RAN.take(), Some(Ran::Here(Outcome::Succeeded)));
        drop(output);
        assert_eq!(drops.load(SeqCst), 2);
        assert!(!context::is_task());
        assert!(QUEUE.with_borrow(Vec::is_empty));
    });
}

#[test]
fn a_panic_is_in_the_result() {
    on_worker(newest, |own| {
        let drops = Arc::new(AtomicUsize::new(0));
        let argument = Dropped(Arc::clone(&drops));
        let future = own
            .spawn(move || {
                let _argument = argument;
                panic!("what the task says");
            })
            .unwrap();
        let error = future.result().unwrap_err();
        assert!(error.is_panicked());
        assert!(error.to_string().contains("what the task says"), "{error}");
        assert_eq!(RAN.take(), Some(Ran::Here(Outcome::Failed)));
        assert_eq!(drops.load(SeqCst), 1);
    });
}

#[test]
fn callbacks_are_called_before_the_result_is_there() {
    on_worker(newest, |own| {
        let called = Arc::new(AtomicUsize::new(0));
        let future = own.spawn(|| 7).unwrap();
        let calls = Arc::clone(&called);
        future.on_done(move |outcome| {
            assert_eq!(outcome, Outcome::Succeeded);
            calls.fetch_add(1, SeqCst);
        });
        assert_eq!(future.result().unwrap(), 7);
        assert_eq!(called.load(SeqCst), 1);
        assert_eq!(RAN.take(), Some(Ran::Here(Outcome::Succeeded)));
    });
}

#[test]
fn a_scope_learns_that_its_task_is_done() {
    on_worker(newest, |own| {
        let mut number = 1;
        let doubled = own.scope(|scope| scope.spawn(|| number * 2).result());
        assert_eq!(doubled.unwrap(), 2);
        own.scope(|scope| drop(scope.spawn(|| number = 5)));
        assert_eq!(number, 5);
    });
}

#[test]
fn a_cancelled_task_is_not_run() {
    on_worker(newest, |own| {
        let future = own.spawn(|| unreachable!("it is cancelled")).unwrap();
        assert!(future.cancel());
        let result: Result<(), _> = future.result();
        assert!(result.unwrap_err().is_cancelled());
        QUEUE.take();
    });
}

#[test]
fn a_task_below_the_newest_is_run_where_it_lies() {
    on_worker(newest, |own| {
        let (older, newer) = (own.spawn(|| 1).unwrap(), own.spawn(|| 2).unwrap());
        assert_eq!(older.result().unwrap(), 1);
        assert_eq!(RAN.take(), None, "its shell will tell");
        assert_eq!(newer.result().unwrap(), 2);
        let shell = QUEUE.take().pop().unwrap();
        assert_eq!(shell.outcome(), Some(Outcome::Succeeded));
    });
}

#[test]
fn a_job_that_is_not_the_one_asked_for_is_run_as_a_job() {
    let oldest = |_| QUEUE.with_borrow_mut(|queue| (!queue.is_empty()).then(|| queue.remove(0)));
    on_worker(oldest, |own| {
        let (other, wanted) = (own.spawn(|| 1_u8).unwrap(), own.spawn(|| 2_u64).unwrap());
        assert_eq!(wanted.result().unwrap(), 2);
        assert!(other.is_done());
        assert_eq!(other.result().unwrap(), 1);
    });
}
