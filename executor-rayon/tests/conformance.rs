//! The suite over rayon's threads: a pool of its own, one that is shared, and the global one.

use std::{
    process::ExitCode,
    sync::{Arc, LazyLock},
};

use conformance_tests::{Config, Factory, OnFull, Order};
use executor_rayon::{BuildError, QueueOrder, RayonBuilder, RayonExecutor};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// As many trials run at the same time as there are processors, each with four workers at the most, of which many keep
/// busy on purpose: with fewer threads they would keep each other waiting. But all threads of a rayon pool that has
/// something to do look for it, so that hundreds of them would take the processors from the trials.
const THREADS: usize = 32;

static SHARED: LazyLock<Arc<ThreadPool>> = LazyLock::new(|| {
    let pool = ThreadPoolBuilder::new().num_threads(THREADS).build();
    Arc::new(pool.expect("a pool can be built"))
});

fn main() -> ExitCode {
    let global = ThreadPoolBuilder::new().num_threads(THREADS).build_global();
    global.expect("nobody has used the global pool before");
    conformance_tests::main(|suite| {
        suite.add("rayon_own", factory(|builder| builder).initialized());
        suite.add(
            "rayon_own_bounded",
            factory(|builder| builder.queue(100_000)),
        );
        suite.add(
            "rayon_shared",
            factory(|builder| builder.pool(Arc::clone(&SHARED))).shared_threads(),
        );
        suite.add(
            "rayon_global",
            factory(RayonBuilder::global).shared_threads(),
        );
    })
}

fn factory(adjust: fn(RayonBuilder) -> RayonBuilder) -> Factory<RayonExecutor> {
    Factory::local(move |config| build(config, adjust))
        .bounded()
        .ordered()
        .wait_idle(RayonExecutor::wait_idle)
}

fn build(
    config: &Config,
    adjust: fn(RayonBuilder) -> RayonBuilder,
) -> Result<RayonExecutor, BuildError> {
    let mut builder = adjust(RayonExecutor::builder())
        .max_workers(config.workers)
        .on_full(match config.on_full {
            OnFull::Block => executor_rayon::OnFull::Block,
            OnFull::Reject => executor_rayon::OnFull::Reject,
            OnFull::CallerRuns => executor_rayon::OnFull::CallerRuns,
        })
        .queue_order(match config.order {
            Order::Fifo => QueueOrder::Fifo,
            Order::Lifo => QueueOrder::Lifo,
            Order::Priority => QueueOrder::Priority,
        });
    if let Some(bound) = config.queue {
        builder = builder.queue(bound);
    }
    if let Some(initializer) = config.initializer.clone() {
        builder = builder.initializer(move || initializer.call());
    }
    builder.build()
}
