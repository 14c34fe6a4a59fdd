//! The suite over the thread pool: with its work-stealing queue, and with the one under a lock.

use std::process::ExitCode;

use conformance_tests::{Config, Factory, OnFull, Order};
use executor_threads::{BuildError, QueueOrder, ThreadPoolBuilder, ThreadPoolExecutor};

fn main() -> ExitCode {
    conformance_tests::main(|suite| {
        suite.add("threads", factory(|builder| builder).bounded().ordered());
        suite.add("threads_bounded", factory(|builder| builder.queue(100_000)));
        suite.add(
            "threads_priority",
            factory(|builder| builder.queue_order(QueueOrder::Priority)),
        );
    })
}

fn factory(adjust: fn(ThreadPoolBuilder) -> ThreadPoolBuilder) -> Factory<ThreadPoolExecutor> {
    Factory::local(move |config| build(config, adjust))
        .initialized()
        .resize(ThreadPoolExecutor::resize)
        .wait_idle(ThreadPoolExecutor::wait_idle)
}

fn build(
    config: &Config,
    adjust: fn(ThreadPoolBuilder) -> ThreadPoolBuilder,
) -> Result<ThreadPoolExecutor, BuildError> {
    let mut builder = ThreadPoolExecutor::builder()
        .max_workers(config.workers)
        .on_full(match config.on_full {
            OnFull::Block => executor_threads::OnFull::Block,
            OnFull::Reject => executor_threads::OnFull::Reject,
            OnFull::CallerRuns => executor_threads::OnFull::CallerRuns,
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
    adjust(builder).build()
}
