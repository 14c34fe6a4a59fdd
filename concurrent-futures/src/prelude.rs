//! What most programs use, for `use concurrent_futures::prelude::*;`.
//!
//! The trait [`Future`](crate::Future) comes in as `_`: its methods can be called, and the name
//! `Future` keeps its usual meaning.
//!
//! ```
//! use concurrent_futures::prelude::*;
//! # #[cfg(feature = "threads")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//!
//! let pool = ThreadPoolExecutor::new(2)?;
//! let future = pool.spawn(|| 6 * 7)?;
//! assert_eq!(future.result()?, 42);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "threads"))]
//! # fn main() {}
//! ```

#[cfg(feature = "_default-executor")]
pub use crate::DefaultExecutor;
#[cfg(feature = "nats")]
pub use crate::NatsExecutor;
#[cfg(feature = "process")]
pub use crate::ProcessPoolExecutor;
#[cfg(feature = "rayon")]
pub use crate::RayonExecutor;
#[cfg(feature = "threads")]
pub use crate::ThreadPoolExecutor;
#[cfg(feature = "tokio")]
pub use crate::TokioExecutor;
pub use crate::{
    Backend, Executor, ExecutorExt, Future as _, LocalExecutor, LocalExecutorExt, PortableTask,
    ReturnWhen, Shutdown, StopLevel, SubmitError, Task, TaskError, TaskFuture, TaskOptions,
    as_completed, first_ok, join_all, task, wait,
};
