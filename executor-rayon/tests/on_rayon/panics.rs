//! Rayon aborts the process if a panic reaches it from a closure or a hook. None of ours does.

use std::{
    panic::panic_any,
    sync::{
        Arc, Once,
        atomic::{AtomicUsize, Ordering},
    },
};

use executor_core::{Executor as _, Future as _, LocalExecutorExt as _, PanicReport, Shutdown};
use executor_rayon::RayonExecutor;
use rayon::prelude::*;

use crate::support::{Guest, KINDS, Kind, Latch, must_end, pool, until};

/// Panics again when it is dropped, so that whoever catches it has the next panic.
struct Bomb(&'static AtomicUsize);

static LIVE: AtomicUsize = AtomicUsize::new(0);

impl Bomb {
    fn new() -> Self {
        LIVE.fetch_add(1, Ordering::SeqCst);
        Self(&LIVE)
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
        planned();
    }
}

/// A panic that is not printed.
fn planned() {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.payload().is::<Planned>() && !info.payload().is::<Bomb>() {
                print(info);
            }
        }));
    });
    panic_any(Planned);
}

struct Planned;

/// The executor and rayon's pool beneath it still work, with all of their threads.
#[track_caller]
fn works(guest: &Guest) {
    assert_eq!(guest.executor.spawn(|| 7).unwrap().result().unwrap(), 7);
    let sum = guest.outside_of_jobs(|| (1..=1000_u32).into_par_iter().sum::<u32>());
    assert_eq!(sum, 500_500);
}

#[test]
fn in_jobs_and_in_what_they_do_with_rayon() {
    for kind in KINDS {
        kind.must_end(move || {
            let guest = kind.guest();
            let jobs: [fn(); 5] = [
                planned,
                || {
                    (0..100).into_par_iter().for_each(|i| {
                        if i == 50 {
                            planned()
                        }
                    })
                },
                || {
                    rayon::join(planned, planned);
                },
                || rayon::scope(|scope| scope.spawn(|_| planned())),
                || panic_any(Bomb::new()),
            ];
            for job in jobs {
                let failed = guest.executor.spawn(job).unwrap();
                let error = failed.result().unwrap_err();
                assert!(error.is_panicked(), "{error}");
                let payload = error.panic_report().and_then(PanicReport::take_payload);
                if let Ok(bomb) = payload.expect("it panicked here").downcast::<Bomb>() {
                    // Who has the payload has the bomb.
                    std::mem::forget(*bomb);
                }
            }
            works(&guest);
        });
    }
}

#[test]
fn in_jobs_that_a_thread_outside_of_jobs_waits_for() {
    for kind in KINDS {
        kind.must_end(move || {
            let guest = kind.guest();
            let executor = guest.executor.clone();
            let failed = guest.outside_of_jobs(move || {
                let jobs: Vec<_> = (0..20).map(|_| executor.spawn(planned).unwrap()).collect();
                let errors = jobs.into_par_iter().map(|job| job.result().unwrap_err());
                errors.filter(|error| error.is_panicked()).count()
            });
            assert_eq!(failed, 20);
            works(&guest);
        });
    }
}

#[test]
fn in_callbacks() {
    for kind in KINDS {
        kind.must_end(move || {
            let guest = kind.guest();
            let start = Latch::new("a callback");
            let starts = start.clone();
            let job = guest.executor.spawn(move || starts.wait()).unwrap();
            job.on_done(|_| planned());
            job.on_done(|_| panic_any(Planned));
            start.open();
            job.result().unwrap();
            works(&guest);
        });
    }
}

#[test]
fn in_destructors_of_results_and_of_what_jobs_own() {
    struct Falls;
    impl Drop for Falls {
        fn drop(&mut self) {
            planned();
        }
    }
    for kind in KINDS {
        kind.must_end(move || {
            let guest = kind.guest();
            // Nobody wants the result.
            drop(guest.executor.spawn(|| Falls).unwrap());
            // The job is cancelled before it begins, and what it owns goes.
            let (busy, falls) = (Latch::new("a busy thread"), Falls);
            let waits = busy.clone();
            let jobs: Vec<_> = (0..guest.threads)
                .map(|_| {
                    let waits = waits.clone();
                    guest.executor.spawn(move || waits.wait()).unwrap()
                })
                .collect();
            let queued = guest.executor.spawn(move || drop(falls)).unwrap();
            assert!(queued.cancel());
            busy.open();
            for job in jobs {
                job.result().unwrap();
            }
            works(&guest);
        });
    }
}

#[test]
fn in_hooks() {
    must_end("an own pool with hooks that panic", || {
        let calls = Arc::new(AtomicUsize::new(0));
        let (starts, stops) = (Arc::clone(&calls), Arc::clone(&calls));
        let guest = Kind::Own(2).guest_with(|builder| {
            builder
                .on_worker_start(move |index| {
                    starts.fetch_add(1, Ordering::SeqCst);
                    if index == 0 {
                        planned();
                    }
                    panic_any(Bomb::new());
                })
                .on_worker_stop(move |_| {
                    stops.fetch_add(1, Ordering::SeqCst);
                    panic_any(Bomb::new());
                })
        });
        works(&guest);
        guest.executor.shutdown(Shutdown::Drain).unwrap();
        guest.executor.join(None).unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 4);
    });
}

#[test]
fn in_initializers() {
    for kind in [Kind::Own(1), Kind::Shared(1), Kind::Global] {
        kind.must_end(move || {
            let makes: [fn() -> Result<(), String>; 2] = [
                || {
                    planned();
                    Ok(())
                },
                || panic_any(Bomb::new()),
            ];
            for make in makes {
                let Guest { executor, .. } = kind.guest_with(|builder| builder.initializer(make));
                let error = executor.spawn(|| ()).unwrap().result().unwrap_err();
                assert!(error.is_broken(), "{error}");
                let text = "the initializer of a worker panicked: the panic's payload is not text";
                assert!(error.to_string().contains(text), "{error}");
                executor.shutdown(Shutdown::Drain).unwrap();
                executor.join(None).unwrap();
            }
            works(&kind.guest());
        });
    }
}

#[test]
fn in_destructors_of_states() {
    must_end("threads whose state panics when it goes", || {
        // With its thread.
        let executor = RayonExecutor::builder()
            .max_workers(1)
            .initializer(|| Ok::<_, String>(Bomb::new()))
            .build()
            .unwrap();
        executor.spawn(|| ()).unwrap().result().unwrap();
        executor.shutdown(Shutdown::Drain).unwrap();
        executor.join(None).unwrap();

        // When another executor makes one on the same thread.
        let pool = pool(1);
        for _ in 0..3 {
            let executor = RayonExecutor::builder()
                .pool(Arc::clone(&pool))
                .initializer(|| Ok::<_, String>(Bomb::new()))
                .build()
                .unwrap();
            let job = executor.spawn(|| ()).unwrap();
            until("the job", || job.is_done());
            job.result().unwrap();
        }
        assert_eq!(pool.install(|| 6 * 7), 42);
    });
}
