//! The suite over tokio: a current-thread runtime, a multi-thread one, and runtimes of the executors' own.

use std::{future, process::ExitCode, sync::LazyLock, thread};

use conformance_tests::{Config, Factory, OnFull, Order};
use executor_tokio::{BuildError, QueueOrder, TokioBuilder, TokioExecutor};
use tokio::runtime::{Builder, Handle, Runtime};

/// One thread polls all futures, for as long as the program runs.
static CURRENT_THREAD: LazyLock<Handle> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be built");
    let handle = runtime.handle().clone();
    thread::spawn(move || runtime.block_on(future::pending::<()>()));
    handle
});

static MULTI_THREAD: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime can be built")
});

fn main() -> ExitCode {
    conformance_tests::main(|suite| {
        suite.add(
            "tokio_current_thread",
            factory(|builder| builder.handle(CURRENT_THREAD.clone())).drop_leaves_async(),
        );
        suite.add(
            "tokio_multi_thread",
            factory(|builder| builder.handle(MULTI_THREAD.handle().clone())),
        );
        suite.add("tokio_own", factory(|builder| builder));
    })
}

fn factory(adjust: fn(TokioBuilder) -> TokioBuilder) -> Factory<TokioExecutor> {
    Factory::local(move |config| build(config, adjust))
        .bounded()
        .ordered()
        .native_async()
        .refuses_blocking_in_async()
        .wait_idle(TokioExecutor::wait_idle)
}

fn build(
    config: &Config,
    adjust: fn(TokioBuilder) -> TokioBuilder,
) -> Result<TokioExecutor, BuildError> {
    let mut builder = adjust(TokioExecutor::builder())
        .max_workers(config.workers)
        .on_full(match config.on_full {
            OnFull::Block => executor_tokio::OnFull::Block,
            OnFull::Reject => executor_tokio::OnFull::Reject,
            OnFull::CallerRuns => executor_tokio::OnFull::CallerRuns,
        })
        .queue_order(match config.order {
            Order::Fifo => QueueOrder::Fifo,
            Order::Lifo => QueueOrder::Lifo,
            Order::Priority => QueueOrder::Priority,
        });
    if let Some(bound) = config.queue {
        builder = builder.queue(bound);
    }
    builder.build()
}
