//! Models of the races in a task's cell, for every interleaving that loom can find:
//! `RUSTFLAGS="--cfg loom" cargo test --release -p executor-core --test loom_cell`.
#![cfg(loom)]

mod support;

use std::{
    future::Future as _,
    pin::Pin,
    sync::{Arc as StdArc, Mutex as StdMutex},
    task::{Context, Poll, Wake, Waker},
};

use executor_core::{
    Admission, Capabilities, Executor, Future, Home, Job, JobKey, LocalExecutor, LocalExecutorExt,
    Outcome, Ran, Rejected, Remote, RemoteHome, Revoked, State, StopLevel, TaskFuture, Unsupported,
    context,
};
use loom::{
    sync::{
        Arc, Notify,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use support::keeps_all;

/// Hands the job to the test.
#[derive(Debug, Clone, Default)]
struct Capture {
    job: StdArc<StdMutex<Option<Job>>>,
    home: Option<Home>,
}

impl Executor for Capture {
    fn capabilities(&self) -> Capabilities {
        Capabilities::local(1)
    }
    fn execute(&self, job: Job, _: Admission) -> Result<(), Rejected> {
        if let Some(home) = self.home {
            job.bind(home);
        }
        *self.job.lock().unwrap() = Some(job);
        Ok(())
    }
    keeps_all!();
}

impl LocalExecutor for Capture {
    fn wants_work(&self) -> bool {
        false
    }
}

/// Counts its drops: a task captures one, and gives one as its output.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A task that counts its runs, and the drops of what it captures and of what it returns.
struct Probe {
    runs: Arc<AtomicUsize>,
    captured: Arc<AtomicUsize>,
    returned: Arc<AtomicUsize>,
}

impl Probe {
    fn new() -> Self {
        let zero = || Arc::new(AtomicUsize::new(0));
        Self {
            runs: zero(),
            captured: zero(),
            returned: zero(),
        }
    }

    fn submit(&self, home: Option<Home>) -> (Job, TaskFuture<Dropped>) {
        let runs = Arc::clone(&self.runs);
        let captured = Dropped(Arc::clone(&self.captured));
        let returned = Arc::clone(&self.returned);
        let executor = Capture {
            home,
            ..Capture::default()
        };
        let future = executor.spawn(move || {
            let _captured = captured;
            runs.fetch_add(1, SeqCst);
            Dropped(returned)
        });
        let job = executor.job.lock().unwrap().take().unwrap();
        (job, future.unwrap())
    }

    /// After everything is gone: the task went once, and so did the output if it ran.
    fn check(&self, runs: usize) {
        assert_eq!(self.runs.load(SeqCst), runs, "runs");
        assert_eq!(self.captured.load(SeqCst), 1, "drops of the task");
        assert_eq!(self.returned.load(SeqCst), runs, "drops of the output");
    }
}

/// Wakes a thread of the model that sleeps until there is something to poll.
struct Poke(Notify);

impl Wake for Poke {
    fn wake(self: StdArc<Self>) {
        self.0.notify();
    }
}

/// Polls a job until it is over, and sleeps in between.
fn drive(job: Job) -> Ran {
    let mut job = job.into_async().unwrap();
    let poke = StdArc::new(Poke(Notify::new()));
    let waker = Waker::from(StdArc::clone(&poke));
    loop {
        let polled = Pin::new(&mut job).poll(&mut Context::from_waker(&waker));
        if let Poll::Ready(ran) = polled {
            return ran;
        }
        poke.0.wait();
    }
}

/// A task that is a future: it sleeps for ever.
fn sleeper(captured: &Arc<AtomicUsize>) -> (Job, TaskFuture<()>) {
    let captured = Dropped(Arc::clone(captured));
    let executor = Capture::default();
    let future = executor.spawn_future(async move {
        let _captured = captured;
        std::future::pending::<()>().await;
    });
    let job = executor.job.lock().unwrap().take().unwrap();
    (job, future.unwrap())
}

/// Whoever asks a sleeping future to stop wakes it, also if it is just falling asleep, or has not begun.
#[test]
fn a_future_that_is_asked_to_stop_ends() {
    loom::model(|| {
        let captured = Arc::new(AtomicUsize::new(0));
        let (job, future) = sleeper(&captured);
        let poller = thread::spawn(move || drive(job));
        future.stop(StopLevel::Signal).unwrap();
        let ran = poller.join().unwrap();
        assert_eq!(captured.load(SeqCst), 1, "drops of the future");
        let error = future.take().unwrap().unwrap_err();
        match ran {
            Ran::Cancelled => assert!(error.is_cancelled()),
            ran => {
                assert_eq!(ran, Ran::Here(Outcome::Failed));
                assert!(error.is_stopped());
            }
        }
    });
}

/// The first poll is the start: a cancel comes before it, or not at all.
#[test]
fn a_future_is_cancelled_or_polled() {
    loom::model(|| {
        let captured = Arc::new(AtomicUsize::new(0));
        let (job, future) = sleeper(&captured);
        let poller = thread::spawn(move || {
            let mut job = job.into_async().unwrap();
            let mut context = Context::from_waker(Waker::noop());
            let is_pending = Pin::new(&mut job).poll(&mut context).is_pending();
            // Dropped by its backend: it is lost, if it is not cancelled.
            drop(job);
            is_pending
        });
        let cancelled = future.cancel();
        let polled = poller.join().unwrap();
        assert_ne!(cancelled, polled);
        assert_eq!(captured.load(SeqCst), 1, "drops of the future");
        let error = future.take().unwrap().unwrap_err();
        assert_eq!((error.is_cancelled(), error.is_lost()), (cancelled, polled));
    });
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: StdArc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn counting_waker() -> (StdArc<Count>, Waker) {
    let count = StdArc::new(Count(AtomicUsize::new(0)));
    (StdArc::clone(&count), Waker::from(count))
}

/// A worker that runs the job.
fn run_elsewhere(job: Job) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let _ran = job.run();
    })
}

fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(f);
}

#[test]
fn settle_against_take() {
    model(|| {
        let probe = Probe::new();
        let (job, future) = probe.submit(None);
        let worker = run_elsewhere(job);
        assert!(future.result().is_ok());
        worker.join().unwrap();
        probe.check(1);
    });
}

#[test]
fn settle_against_cancel() {
    model(|| {
        let probe = Probe::new();
        let (job, future) = probe.submit(None);
        let worker = run_elsewhere(job);
        let cancelled = future.cancel();
        if cancelled {
            assert_eq!(future.state(), State::Done(Outcome::Cancelled));
            assert_eq!(probe.captured.load(SeqCst), 1);
        }
        assert_eq!(future.result().is_err(), cancelled);
        worker.join().unwrap();
        probe.check(usize::from(!cancelled));
    });
}

#[test]
fn settle_against_drop_of_the_future() {
    model(|| {
        let probe = Probe::new();
        let (job, future) = probe.submit(None);
        let worker = run_elsewhere(job);
        drop(future);
        worker.join().unwrap();
        probe.check(1);
    });
}

#[test]
fn loss_against_take() {
    model(|| {
        let probe = Probe::new();
        let (job, future) = probe.submit(None);
        let worker = thread::spawn(move || drop(job));
        assert!(future.result().err().unwrap().is_lost());
        worker.join().unwrap();
        probe.check(0);
    });
}

#[test]
fn claim_by_a_waiter_against_the_worker() {
    model(|| {
        let probe = Probe::new();
        let (job, future) = probe.submit(Some(Home::anywhere()));
        let worker = run_elsewhere(job);
        assert!(future.result().is_ok());
        worker.join().unwrap();
        probe.check(1);
    });
}

std::thread_local! {
    /// The own queue of a worker of the model, whose threads are all on this one.
    static OWN: StdMutex<Option<Job>> = const { StdMutex::new(None) };
}

#[test]
fn a_task_that_is_taken_back_against_a_thief() {
    model(|| {
        let probe = Probe::new();
        let home = Home::new();
        let (job, future) = probe.submit(Some(home));
        OWN.with(|own| *own.lock().unwrap() = Some(job));
        let thief = thread::spawn(|| {
            let stolen = OWN.with(|own| own.lock().unwrap().take());
            if let Some(job) = stolen {
                let _ran = job.run();
            }
        });
        let worker = context::Worker::new(home, String::from("w"), 0)
            .reclaim(
                |key| OWN.with(|own| own.lock().unwrap().take_if(|job| job.key() == key)),
                |_| (),
            )
            .enter();
        assert!(future.result().is_ok());
        drop(worker);
        thief.join().unwrap();
        probe.check(1);
    });
}

#[test]
fn claim_by_a_waiter_against_a_canceller_and_the_worker() {
    model(|| {
        let probe = Probe::new();
        let (job, future) = probe.submit(Some(Home::anywhere()));
        let future = Arc::new(future);
        let worker = run_elsewhere(job);
        let canceller = {
            let future = Arc::clone(&future);
            thread::spawn(move || future.cancel())
        };
        future.wait();
        let cancelled = canceller.join().unwrap();
        assert_eq!(future.is_cancelled(), cancelled);
        worker.join().unwrap();
        drop(future);
        probe.check(usize::from(!cancelled));
    });
}

#[test]
fn settle_against_replacement_of_the_waker() {
    model(|| {
        let probe = Probe::new();
        let (job, mut future) = probe.submit(None);
        let worker = run_elsewhere(job);
        let (_, first) = counting_waker();
        let (count, second) = counting_waker();
        let mut done = false;
        for waker in [first, second] {
            let poll = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
            if let Poll::Ready(result) = poll {
                assert!(result.is_ok());
                done = true;
                break;
            }
        }
        worker.join().unwrap();
        if !done {
            // The last waker that was left is the one that is woken, once.
            assert_eq!(count.0.load(SeqCst), 1);
            assert!(future.is_done());
        }
        drop(future);
        probe.check(1);
    });
}

#[test]
fn settle_against_drop_of_a_polled_future() {
    model(|| {
        let probe = Probe::new();
        let (job, mut future) = probe.submit(None);
        let (_, waker) = counting_waker();
        assert!(
            Pin::new(&mut future)
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        let worker = run_elsewhere(job);
        drop(future);
        worker.join().unwrap();
        probe.check(1);
    });
}

#[test]
fn settle_against_two_registrars() {
    model(|| {
        let probe = Probe::new();
        let (job, future) = probe.submit(None);
        let future = Arc::new(future);
        let called = Arc::new(AtomicUsize::new(0));
        let worker = run_elsewhere(job);
        let other = {
            let (future, called) = (Arc::clone(&future), Arc::clone(&called));
            thread::spawn(move || {
                future.on_done(move |outcome| {
                    assert_eq!(outcome, Outcome::Succeeded);
                    called.fetch_add(1, SeqCst);
                });
            })
        };
        let (count, waker) = counting_waker();
        let subscribed = future.subscribe(&waker);
        worker.join().unwrap();
        other.join().unwrap();
        assert_eq!(called.load(SeqCst), 1, "a callback is called once");
        assert_eq!(
            count.0.load(SeqCst),
            usize::from(subscribed),
            "a waker is woken once"
        );
        drop(future);
        probe.check(1);
    });
}

#[test]
fn cancel_against_registration_and_withdrawal() {
    model(|| {
        let probe = Probe::new();
        let (job, future) = probe.submit(None);
        let future = Arc::new(future);
        let canceller = {
            let future = Arc::clone(&future);
            thread::spawn(move || assert!(future.cancel()))
        };
        let (kept, waker) = counting_waker();
        let (gone, other) = counting_waker();
        let is_kept = future.subscribe(&waker);
        future.subscribe(&other);
        future.unsubscribe(&other);
        canceller.join().unwrap();
        assert_eq!(kept.0.load(SeqCst), usize::from(is_kept));
        assert!(gone.0.load(SeqCst) <= 1);
        drop(job);
        drop(future);
        probe.check(0);
    });
}

#[test]
fn take_through_shared_references_is_once() {
    model(|| {
        let probe = Probe::new();
        let (job, future) = probe.submit(None);
        let future = Arc::new(future);
        let worker = run_elsewhere(job);
        let other = {
            let future = Arc::clone(&future);
            thread::spawn(move || future.take().is_some())
        };
        let here = future.take().is_some();
        let there = other.join().unwrap();
        assert!(!(here && there));
        worker.join().unwrap();
        drop(future);
        probe.check(1);
    });
}

#[test]
fn a_look_at_the_error_against_take() {
    model(|| {
        let probe = Probe::new();
        let (job, future) = probe.submit(None);
        drop(job);
        let future = Arc::new(future);
        let other = {
            let future = Arc::clone(&future);
            thread::spawn(move || future.take().is_some_and(|result| result.is_err()))
        };
        if let Some(error) = future.peek_error() {
            assert!(error.is_lost());
        }
        assert!(other.join().unwrap(), "a look does not take");
        drop(future);
        probe.check(0);
    });
}

/// A backend whose worker is elsewhere: what was handed over lies here until the worker starts it.
#[derive(Default)]
struct Elsewhere {
    job: StdMutex<Option<Job>>,
}

impl Remote for Elsewhere {
    fn has_started(&self, _: JobKey) -> bool {
        self.job.lock().unwrap().is_none()
    }
    fn revoke(&self, _: JobKey) -> Revoked {
        let job = self.job.lock().unwrap().take();
        match job {
            Some(job) => {
                assert!(job.cancel(), "the worker will not start it");
                Revoked::Cancelled
            }
            None => Revoked::NotHere,
        }
    }
    fn stop(&self, _: JobKey, _: StopLevel, _: &dyn Fn() -> bool) -> Result<(), Unsupported> {
        Ok(())
    }
    fn can_stop(&self, _: StopLevel) -> Result<(), Unsupported> {
        Ok(())
    }
}

#[test]
fn cancel_against_a_job_that_is_handed_over() {
    model(|| {
        let probe = Probe::new();
        let backend = StdArc::new(Elsewhere::default());
        let remote: StdArc<dyn Remote> = backend.clone();
        let home = RemoteHome::new(StdArc::downgrade(&remote));
        let (job, future) = probe.submit(Some(home.home()));
        let worker = {
            let backend = StdArc::clone(&backend);
            thread::spawn(move || {
                if !job.hand_over() {
                    return;
                }
                *backend.job.lock().unwrap() = Some(job);
                thread::yield_now();
                let job = backend.job.lock().unwrap().take();
                if let Some(job) = job {
                    let started = job.claim().expect("only the backend can cancel it");
                    started.run();
                }
            })
        };
        let cancelled = future.cancel();
        worker.join().unwrap();
        assert!(future.is_done(), "it was run or cancelled");
        assert_eq!(cancelled, future.is_cancelled());
        drop(future);
        probe.check(usize::from(!cancelled));
    });
}

#[test]
fn cancel_against_a_job_that_is_taken_back() {
    model(|| {
        let probe = Probe::new();
        let backend = StdArc::new(Elsewhere::default());
        let remote: StdArc<dyn Remote> = backend.clone();
        let home = RemoteHome::new(StdArc::downgrade(&remote));
        let (job, future) = probe.submit(Some(home.home()));
        assert!(job.hand_over());
        let worker = thread::spawn(move || {
            // The worker is dead: the job is queued again, and given to another.
            job.take_back();
            if job.hand_over() {
                let _ran = job.run();
            }
        });
        let cancelled = future.cancel();
        worker.join().unwrap();
        assert_eq!(cancelled, future.is_cancelled());
        drop(future);
        probe.check(usize::from(!cancelled));
    });
}
