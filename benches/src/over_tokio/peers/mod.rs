//! Ours, and tokio as it is without us.

mod bare;
mod ours;

use std::{fmt, future::Future};

use tokio::runtime::Handle;

pub(crate) use self::{
    bare::{Blocking, Spawn},
    ours::{OursSpawn, OursSpawnFuture, OursSubmit, OursSubmitAsync},
};

/// A way to have something done by a runtime, and to await its result.
pub(crate) trait Subject: Send + Sync + Sized + 'static {
    /// How the tables name it.
    const NAME: &'static str;

    /// What the result is awaited by.
    type Handle: Future<Output = Result<u64, Self::Error>> + Send;

    /// Why there is no result.
    type Error: fmt::Debug;

    /// Over the runtime of this handle, and with so many blocking threads.
    fn start(runtime: &Handle, workers: usize) -> Self;

    /// Submits a task that does nothing, and whose result is `x`. Called where the runtime is entered.
    fn submit(&self, x: u64) -> Self::Handle;
}
