//! The suite over the thread pool.

use std::process::ExitCode;

use conformance_tests::{Config, Factory, OnFull, Order};
use executor_threads::{BuildError, QueueOrder, ThreadPoolExecutor};

fn main() -> ExitCode {
    conformance_tests::main(|suite| {
        let factory = Factory::local(build)
            .bounded()
            .ordered()
            .initialized()
            .resize(ThreadPoolExecutor::resize)
            .wait_idle(ThreadPoolExecutor::wait_idle);
        suite.add("threads", factory);
    })
}

fn build(config: &Config) -> Result<ThreadPoolExecutor, BuildError> {
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
    builder.build()
}
