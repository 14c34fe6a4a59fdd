use std::future::ready;

use tokio::{
    runtime::Handle,
    task::{self, JoinError, JoinHandle},
};

use super::Subject;

/// `spawn_blocking`, on a runtime that has as many blocking threads as ours uses.
pub(crate) struct Blocking;

impl Subject for Blocking {
    const NAME: &'static str = "tokio spawn_blocking";

    type Handle = JoinHandle<u64>;
    type Error = JoinError;

    fn start(_: &Handle, _: usize) -> Self {
        Self
    }

    fn submit(&self, x: u64) -> JoinHandle<u64> {
        task::spawn_blocking(move || x)
    }
}

/// `tokio::spawn` of a future that is ready at its first poll.
pub(crate) struct Spawn;

impl Subject for Spawn {
    const NAME: &'static str = "tokio::spawn";

    type Handle = JoinHandle<u64>;
    type Error = JoinError;

    fn start(_: &Handle, _: usize) -> Self {
        Self
    }

    fn submit(&self, x: u64) -> JoinHandle<u64> {
        tokio::spawn(ready(x))
    }
}
