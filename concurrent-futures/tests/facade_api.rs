//! What the facade itself adds: the choice of a backend, the default executor, the prelude.

use std::error::Error;

use concurrent_futures::{Backend, UnknownBackend};

#[cfg(feature = "process")]
concurrent_futures::worker_process!();

fn refused(name: &str) -> UnknownBackend {
    match name.parse::<Backend>() {
        Ok(backend) => panic!("`{name}` was understood as {backend}"),
        Err(error) => error,
    }
}

#[test]
fn every_backend_is_known_by_what_it_displays() {
    for backend in Backend::ALL {
        assert_eq!(backend.to_string().parse(), Ok(*backend));
        assert_eq!(backend.to_string(), backend.name());
    }
}

#[test]
fn the_error_names_the_value_and_what_is_allowed() {
    for name in ["ponies", "", "Threads", " threads"] {
        let error = refused(name);
        assert_eq!((error.name(), error.missing_feature()), (name, None));
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("there is no backend `{name}`")),
            "{text}"
        );
        for backend in Backend::ALL {
            assert!(text.contains(backend.name()), "{text}");
        }
    }
}

#[test]
fn the_error_names_the_feature_of_a_backend_that_is_off() {
    for name in ["threads", "process", "nats", "rayon", "tokio"] {
        if Backend::ALL.iter().any(|backend| backend.name() == name) {
            continue;
        }
        let error = refused(name);
        assert_eq!(error.missing_feature(), Some(name));
        let text = error.to_string();
        let what = format!(
            "the backend `{name}` is not in this build: enable the feature `{name}` of \
             concurrent-futures ("
        );
        assert!(text.starts_with(&what), "{text}");
    }
}

#[test]
fn a_build_has_the_backends_of_its_features() {
    let names: Vec<&str> = Backend::ALL.iter().map(|backend| backend.name()).collect();
    let enabled = [
        ("threads", cfg!(feature = "threads")),
        ("process", cfg!(feature = "process")),
        ("nats", cfg!(feature = "nats")),
        ("rayon", cfg!(feature = "rayon")),
        ("tokio", cfg!(feature = "tokio")),
    ];
    let enabled = enabled.iter().filter(|(_, is_on)| *is_on);
    assert_eq!(names, enabled.map(|(name, _)| *name).collect::<Vec<_>>());
}

#[test]
fn errors_can_go_anywhere() {
    fn check<T: Error + Send + Sync + 'static>() {}
    check::<UnknownBackend>();
    check::<concurrent_futures::OpenError>();
}

#[test]
fn the_prelude_leaves_the_name_future_alone() {
    use concurrent_futures::prelude::*;

    mod other {
        pub(super) struct Future;
    }
    use other::Future;

    let _mine = Future;
    fn methods_can_be_called<F: concurrent_futures::Future>(future: &F) -> bool {
        future.is_done()
    }
    let _ = methods_can_be_called::<TaskFuture<()>>;
}

#[cfg(feature = "_default-executor")]
mod executors {
    use std::task::Poll;

    use concurrent_futures::{Backend, DefaultExecutor, block_on, context, prelude::*};

    #[task]
    fn square(x: u64) -> u64 {
        x * x
    }

    /// Sleeps once, and is woken.
    #[task]
    async fn square_later(x: u64) -> u64 {
        let mut polls = 0;
        std::future::poll_fn(|context| {
            polls += 1;
            context.waker().wake_by_ref();
            if polls == 2 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        square(x)
    }

    #[task]
    fn worker() -> Option<String> {
        context::worker_name()
    }

    /// Those that need nothing but this program; the tests of `nats` are in a file of their own, with a server.
    fn backends() -> impl Iterator<Item = &'static Backend> {
        Backend::ALL
            .iter()
            .filter(|backend| backend.name() != "nats")
    }

    #[test]
    fn a_backend_opens_with_as_many_workers_as_asked_for() {
        for backend in backends() {
            let executor = backend.open(3).unwrap();
            assert_eq!(executor.capabilities().workers, 3);
            assert_eq!(
                executor.submit(square::task(12)).unwrap().result().unwrap(),
                144
            );
            let sum: u64 = executor
                .map((0..10).map(square::task))
                .map(Result::unwrap)
                .sum();
            assert_eq!(sum, 285);
        }
    }

    #[test]
    fn every_backend_runs_async_tasks_and_is_awaited() {
        let default = DefaultExecutor::with_workers(2).unwrap();
        let mut executors = vec![Box::new(default) as Box<dyn Executor>];
        executors.extend(backends().map(|backend| backend.open(2).unwrap()));
        for executor in executors {
            let sum = block_on(async {
                let first = executor.submit(square_later::task(3)).unwrap();
                let second = executor.submit_async(square_later::task(4)).await.unwrap();
                first.await.unwrap() + second.await.unwrap()
            });
            assert_eq!(sum, 25);
            let squares = executor.map((0..10).map(square_later::task));
            assert_eq!(squares.map(Result::unwrap).sum::<u64>(), 285);
        }
    }

    #[test]
    fn no_workers_is_an_error_that_says_what_is_allowed() {
        for backend in backends() {
            let error = backend.open(0).unwrap_err();
            assert!(error.is_no_workers());
            assert_eq!(error.backend(), backend.name());
            assert_eq!(
                error.to_string(),
                format!(
                    "cannot start the backend `{backend}`: 0 workers were asked for, and it needs \
                     at least 1"
                )
            );
        }
        assert!(
            DefaultExecutor::with_workers(0)
                .unwrap_err()
                .is_no_workers()
        );
    }

    #[test]
    fn what_the_backend_refuses_is_the_source_of_the_error() {
        for backend in backends() {
            let error = backend.open(usize::MAX).unwrap_err();
            assert!(!error.is_no_workers());
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains(&usize::MAX.to_string()), "{source}");
            assert!(error.to_string().ends_with(&source), "{error}");
        }
    }

    #[test]
    fn the_default_executor_is_its_backend() {
        let family = [
            ("process", cfg!(feature = "default-process")),
            ("rayon", cfg!(feature = "default-rayon")),
            ("threads", cfg!(feature = "default-threads")),
            ("tokio", cfg!(feature = "default-tokio")),
        ];
        let chosen = family.iter().find(|(_, is_on)| *is_on);
        let name = chosen.map_or("threads", |(name, _)| name);
        assert_eq!(DefaultExecutor::BACKEND.name(), name);
        let one = DefaultExecutor::with_workers(1).unwrap();
        let other = DefaultExecutor::BACKEND.open(1).unwrap();
        assert_eq!(one.capabilities(), other.capabilities());
        // Some backends can do the same, but each has names of its own for its workers.
        let name_in = |executor: &dyn Executor| {
            let name = executor.submit(worker::task()).unwrap().result().unwrap();
            name.expect("a task runs on a worker")
        };
        assert_eq!(name_in(&one), name_in(&other));
        for backend in backends() {
            let is_same = name_in(&one) == name_in(&*backend.open(1).unwrap());
            assert_eq!(is_same, *backend == DefaultExecutor::BACKEND, "{backend}");
        }
        let available = std::thread::available_parallelism().unwrap().get();
        assert_eq!(
            DefaultExecutor::new().unwrap().capabilities().workers,
            available
        );
    }

    #[test]
    fn the_default_executor_shuts_down_as_any_other() {
        let executor = DefaultExecutor::with_workers(2).unwrap();
        let future = executor.submit(square::task(3)).unwrap();
        executor.shutdown(Shutdown::Drain).unwrap();
        executor.join(None).unwrap();
        assert_eq!(future.result().unwrap(), 9);
        let refused = executor.submit(square::task(4)).unwrap_err();
        assert!(refused.is_shut_down());
        assert_eq!(refused.into_task().x, 4);
        let kills = executor.capabilities().kill;
        assert_eq!(executor.shutdown(Shutdown::Kill).is_ok(), kills);
    }

    /// Without that, `submit_async` would ask again and again.
    #[cfg(feature = "default-tokio")] // the one that has a bounded queue by default, in this process
    #[test]
    fn the_default_executor_says_when_there_is_room() {
        use std::{
            pin::pin,
            sync::{Arc, Barrier, Mutex, mpsc},
            task::{Context, Wake, Waker},
        };

        static GATE: Mutex<()> = Mutex::new(());

        static BEGUN: Barrier = Barrier::new(2);

        #[task]
        fn pass() {
            drop(GATE.lock());
        }

        #[task]
        fn begin() {
            BEGUN.wait();
            pass();
        }

        struct Signal(mpsc::Sender<()>);

        impl Wake for Signal {
            fn wake(self: Arc<Self>) {
                self.0.send(()).unwrap();
            }
        }

        let executor = DefaultExecutor::with_workers(1).unwrap();
        let closed = GATE.lock().unwrap();
        let mut futures = vec![executor.submit(begin::task()).unwrap()];
        BEGUN.wait(); // and so the only worker takes nothing more
        while let Ok(future) = executor.try_submit(pass::task()) {
            futures.push(future);
        }
        let (sender, woken) = mpsc::channel();
        let waker = Waker::from(Arc::new(Signal(sender)));
        let mut submission = pin!(executor.submit_async(pass::task()));
        let poll = submission.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(poll.is_pending());
        assert!(woken.try_recv().is_err());
        drop(closed);
        woken.recv().unwrap();
        futures.push(block_on(submission).unwrap());
        assert!(join_all(futures).iter().all(Result::is_ok));
    }

    #[test]
    fn init_may_be_called_again() {
        concurrent_futures::init();
        concurrent_futures::init();
    }
}
