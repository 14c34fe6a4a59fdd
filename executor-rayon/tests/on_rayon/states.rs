//! What initializers make, on threads that are not the executor's.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, ThreadId},
};

use executor_core::{Executor as _, Future as _, LocalExecutorExt as _, Shutdown, context};
use executor_rayon::RayonExecutor;
use rayon::prelude::*;

use crate::support::{Flag, Guest, KINDS, Kind, must_end, pool, until, yield_until_idle};

/// A state that knows its thread.
struct Here(ThreadId);

fn here() -> bool {
    context::with_worker_state(|Here(made)| *made == thread::current().id()) == Some(true)
}

#[test]
fn every_job_has_the_state_of_its_thread() {
    for kind in KINDS {
        kind.must_end(move || {
            let calls = Arc::new(AtomicUsize::new(0));
            let made = Arc::clone(&calls);
            let guest = kind.guest_with(|builder| {
                builder.initializer(move || {
                    made.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, String>(Here(thread::current().id()))
                })
            });
            for _ in 0..20 {
                let jobs: Vec<_> = (0..20)
                    .map(|_| guest.executor.spawn(here).unwrap())
                    .collect();
                for job in jobs {
                    assert!(job.result().unwrap());
                }
                // Run by waiters that are no workers, and by those who were.
                let executor = guest.executor.clone();
                let all = guest.outside_of_jobs(move || {
                    let bodies = (0..20).into_par_iter();
                    bodies.all(|_| executor.spawn(here).unwrap().result().unwrap())
                });
                assert!(all);
                let executor = guest.executor.clone();
                let nested = guest.executor.spawn(move || {
                    let bodies = (0..20).into_par_iter();
                    bodies.all(|_| executor.spawn(here).unwrap().result().unwrap()) && here()
                });
                assert!(nested.unwrap().result().unwrap());
            }
            let calls = calls.load(Ordering::SeqCst);
            assert!(
                calls <= guest.threads,
                "{calls} states on {} threads",
                guest.threads
            );
            assert!(guest.outside_of_jobs(|| !here()), "this is not in a job");
        });
    }
}

#[test]
fn each_executor_has_its_own_state_on_the_same_thread() {
    must_end("two executors", || {
        let pool = pool(1);
        let [a, b] = ["a", "b"].map(|name| {
            let builder = RayonExecutor::builder().pool(Arc::clone(&pool));
            let builder = builder.initializer(move || Ok::<_, String>(name));
            builder.build().unwrap()
        });
        fn state() -> Option<&'static str> {
            context::with_worker_state(|name: &&'static str| *name)
        }
        for _ in 0..10 {
            let other = b.clone();
            let nested = a.spawn(move || {
                let inner = other.spawn(state).unwrap().result().unwrap();
                (inner, state())
            });
            assert_eq!(nested.unwrap().result().unwrap(), (Some("b"), Some("a")));
            assert_eq!(b.spawn(state).unwrap().result().unwrap(), Some("b"));
        }
    });
}

#[test]
fn an_initializer_may_wait_for_a_job_of_its_own_executor() {
    for kind in [Kind::Own(1), Kind::Shared(1)] {
        kind.must_end(move || {
            let slot = Arc::new(Mutex::new(None::<RayonExecutor>));
            let own = Arc::clone(&slot);
            let Guest { executor, .. } = kind.guest_with(|builder| {
                builder.initializer(move || {
                    let executor = own.lock().unwrap().clone().ok_or("no executor")?;
                    // There is no state yet for this one.
                    let inner =
                        executor.spawn(|| context::with_worker_state(|_: &u32| ()).is_none());
                    let inner = inner.map_err(|_| "refused")?.result();
                    Ok::<_, String>(u32::from(inner.map_err(|error| error.to_string())?))
                })
            });
            *slot.lock().unwrap() = Some(executor.clone());
            let state = || context::with_worker_state(|state: &u32| *state);
            assert_eq!(executor.spawn(state).unwrap().result().unwrap(), Some(1));
            slot.lock().unwrap().take();
        });
    }
}

#[test]
fn no_job_begins_on_a_thread_before_its_initializer_has_ended() {
    must_end("an initializer that uses rayon", || {
        let pool = pool(1);
        let slot = Arc::new(Mutex::new(None::<RayonExecutor>));
        let own = Arc::clone(&slot);
        let has_begun = Flag::default();
        let (begins, begun) = (has_begun.clone(), has_begun.clone());
        let executor = RayonExecutor::builder()
            .pool(Arc::clone(&pool))
            .initializer(move || {
                let executor = own.lock().unwrap().take().ok_or("no executor")?;
                let begins = begins.clone();
                let job = executor.spawn(move || begins.set());
                drop(job.map_err(|_| "refused")?);
                // Rayon takes what it has, among it runners.
                yield_until_idle();
                Ok::<_, String>(begun.is_set())
            })
            .build()
            .unwrap();
        // More runners than one are there for the taking.
        let other = RayonExecutor::with_pool(Arc::clone(&pool));
        *slot.lock().unwrap() = Some(executor.clone());
        let had_begun = || context::with_worker_state(|had_begun: &bool| *had_begun);
        let jobs = pool.install(|| {
            let first = executor.spawn(had_begun).unwrap();
            (first, other.spawn(|| ()).unwrap())
        });
        until("both executors", || jobs.0.is_done() && jobs.1.is_done());
        assert_eq!(jobs.0.result().unwrap(), Some(false));
        until("the job of the initializer", || has_begun.is_set());
    });
}

#[test]
fn one_that_fails_under_a_wait_breaks_the_executor() {
    for kind in KINDS {
        kind.must_end(move || {
            let guest = kind.guest_with(|builder| builder.initializer(|| Err::<(), _>("no luck")));
            let executor = guest.executor.clone();
            // The threads of an own pool do nothing else before their first job.
            let wait = move || {
                let error = match executor.spawn(|| ()) {
                    Ok(future) => future.result().unwrap_err().to_string(),
                    Err(refused) => refused.to_string(),
                };
                (
                    error,
                    executor.spawn(|| ()).map(drop).unwrap_err().to_string(),
                )
            };
            let texts = match kind {
                Kind::Own(_) => wait(),
                _ => guest.outside_of_jobs(wait),
            };
            for text in [texts.0, texts.1] {
                let cause = "the initializer of a worker failed: no luck";
                assert!(text.contains(cause), "{text}");
            }
            guest.executor.shutdown(Shutdown::Drain).unwrap();
            guest.executor.join(None).unwrap();
        });
    }
}

#[test]
fn states_go_with_the_threads_of_an_own_pool() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    must_end("the threads", || {
        let live = Arc::new(AtomicUsize::new(0));
        let made = Arc::clone(&live);
        let Guest { executor, .. } = Kind::Own(2).guest_with(|builder| {
            builder.initializer(move || {
                made.fetch_add(1, Ordering::SeqCst);
                Ok::<_, String>(Counted(Arc::clone(&made)))
            })
        });
        executor.spawn(|| ()).unwrap().result().unwrap();
        assert!(live.load(Ordering::SeqCst) > 0);
        executor.shutdown(Shutdown::Drain).unwrap();
        executor.join(None).unwrap();
        assert_eq!(live.load(Ordering::SeqCst), 0);
    });
}
