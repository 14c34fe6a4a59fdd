//! Tokio's blocking threads.

use executor_core::HostKind;
use executor_pool::runners::{Lender, Runner};
use tokio::runtime::Handle;

use crate::probe;

/// The blocking threads of a runtime, as a lender of them.
#[derive(Debug)]
pub(crate) struct Blocking(pub(crate) Handle);

impl Lender for Blocking {
    fn kind(&self) -> HostKind {
        HostKind::Runtime
    }

    fn lend(&self, runner: Runner) {
        // Where the runtime has ended, the runner is dropped.
        drop(self.0.spawn_blocking(move || runner.run()));
    }

    fn must_not_block(&self) -> bool {
        probe::is_async()
    }
}
