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
    for name in ["threads", "process"] {
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

#[cfg(any(feature = "default-process", feature = "threads"))]
mod executors {
    use concurrent_futures::{Backend, DefaultExecutor, prelude::*};

    #[task]
    fn square(x: u64) -> u64 {
        x * x
    }

    #[test]
    fn a_backend_opens_with_as_many_workers_as_asked_for() {
        for backend in Backend::ALL {
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
    fn no_workers_is_an_error_that_says_what_is_allowed() {
        for backend in Backend::ALL {
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
        for backend in Backend::ALL {
            let error = backend.open(usize::MAX).unwrap_err();
            assert!(!error.is_no_workers());
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains(&usize::MAX.to_string()), "{source}");
            assert!(error.to_string().ends_with(&source), "{error}");
        }
    }

    #[test]
    fn the_default_executor_is_its_backend() {
        let name = if cfg!(feature = "default-process") {
            "process"
        } else {
            "threads"
        };
        assert_eq!(DefaultExecutor::BACKEND.name(), name);
        let one = DefaultExecutor::with_workers(1).unwrap();
        assert_eq!(
            one.capabilities(),
            DefaultExecutor::BACKEND.open(1).unwrap().capabilities()
        );
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

    #[test]
    fn init_may_be_called_again() {
        concurrent_futures::init();
        concurrent_futures::init();
    }
}
