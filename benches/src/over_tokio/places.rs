//! Where the code is that submits and awaits.

use std::future::Future;

use tokio::runtime::{Builder, Runtime};

use crate::harness::workers;

/// A runtime, and a place in it.
pub(crate) trait Place {
    /// Starts the runtime.
    fn start() -> Runtime;

    /// Drives a future there.
    fn drive(runtime: &Runtime, future: impl Future<Output = ()> + Send + 'static) {
        runtime.block_on(future);
    }
}

/// In `block_on` of a runtime with workers: whatever is spawned runs on another thread.
pub(crate) struct Outside;

/// In a task, on a worker: what is spawned goes into its own queue.
pub(crate) struct Inside;

/// In `block_on` of a runtime that has no other thread.
pub(crate) struct Current;

impl Place for Outside {
    fn start() -> Runtime {
        let mut builder = Builder::new_multi_thread();
        start(builder.worker_threads(workers()))
    }
}

impl Place for Inside {
    fn start() -> Runtime {
        Outside::start()
    }

    fn drive(runtime: &Runtime, future: impl Future<Output = ()> + Send + 'static) {
        let driven = runtime.block_on(runtime.spawn(future));
        driven.expect("no task of the benchmarks fails");
    }
}

impl Place for Current {
    fn start() -> Runtime {
        start(&mut Builder::new_current_thread())
    }
}

// As many blocking threads as ours uses: with tokio's 512, a window of calls would start as many.
fn start(builder: &mut Builder) -> Runtime {
    let builder = builder.enable_all().max_blocking_threads(workers());
    builder.build().expect("threads can be started")
}
