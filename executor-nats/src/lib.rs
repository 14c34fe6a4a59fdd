//! [`NatsExecutor`]: `submit`, `map` and futures over many machines, on [NATS JetStream](https://docs.nats.io/nats-concepts/jetstream).
//!
//! A submitter puts tasks into a queue of the server, workers of that queue run them, and the results come back. A
//! worker is the same program, or another one that knows the same tasks:
//!
//! ```no_run
//! use executor_core::{ExecutorExt as _, Future as _};
//! use executor_nats::{NatsExecutor, Worker};
//! # mod tasks {
//! #     use executor_macros::task;
//! #     #[task(crate = "executor_core")]
//! #     pub fn square(x: u64) -> u64 { x * x }
//! # }
//! # use tasks::square;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! executor_process::init(); // workers run tasks in child processes of this program
//! if std::env::args().any(|argument| argument == "worker") {
//!     Worker::builder().url("nats://127.0.0.1:4222").slots(8).run()?; // until SIGTERM
//!     return Ok(());
//! }
//! let executor = NatsExecutor::builder().url("nats://127.0.0.1:4222").connect()?;
//! assert_eq!(executor.submit(square::task(12))?.result()?, 144);
//! # Ok(())
//! # }
//! ```
//!
//! [`worker_main`] is a worker whose settings are the arguments of its program; [`NatsExecutor::status`] tells of queues and workers.
//!
//! # What it promises
//!
//! | | executors of this machine | this one |
//! |---|---|---|
//! | a task runs | at most once | at least once: again, if its worker is lost; [`attempt`](executor_core::context::attempt) and [`task_id`](executor_core::context::task_id) tell it |
//! | it has | one outcome | one recorded outcome: the first that the server stores |
//! | the worker's child dies | `WorkerDied` | `WorkerDied`, in the same time |
//! | the worker or its machine is lost | - | others run its tasks once the lease is over; after three attempts `WorkerLost` |
//! | `cancel` | exact | exact; it asks the server, some 0.5 ms. If the worker of the task is lost, false after some seconds |
//! | a queue timeout | exact: the task has not run | exact; if the worker of the task is lost, the answer is late |
//! | results | are in the process | are on the server for [`result_ttl`](NatsBuilder::result_ttl), too: [`attach`](NatsBuilder::attach) picks them up |
//! | priorities | process pools have none | none |
//! | the server is away | - | submissions wait; after [`give_up_after`](NatsBuilder::give_up_after) all that is not done fails with `Broken` |
//! | the drop of the last handle | finishes what was accepted | the same, within `give_up_after` of a server that is away; without a worker it waits until one comes: `shutdown(CancelPending)` ends that |
//! | `shutdown(Kill)` | ends what runs | the same; after 5 s what no worker has confirmed is `Killed`, too, and its worker ends it once it hears of it |
//! | results have no room | - | futures are done, the worker holds the task until its result is recorded |
//!
//! A server that is killed loses nothing; a power cut may lose what was written in the last two minutes, unless it is
//! configured with `sync_interval: always`.
//!
//! # When not to use it
//!
//! On one machine `ProcessPoolExecutor` does the same, some hundred times faster, and needs no server.

#![forbid(unsafe_code)]

mod attached;
mod blobs;
mod connect;
mod credentials;
mod error;
mod executor;
mod names;
mod presence;
mod publish;
mod refusals;
mod setup;
mod status;
mod submitter;
mod wire;
mod with_workers;
mod worker;

#[doc = include_str!("guide.md")]
pub mod guide {}

pub use self::{
    attached::Attached,
    credentials::{Credentials, Tls},
    error::{AttachError, AttachErrorKind, ConnectError, ConnectErrorKind},
    executor::{NatsBuilder, NatsExecutor},
    status::{QueueStatus, Rates, Status, WorkerStatus},
    submitter::OnFull,
    with_workers::WithWorkers,
    worker::{Isolation, Worker, WorkerBuilder, worker_main},
};
