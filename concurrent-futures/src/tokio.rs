//! Executors over a tokio runtime, and tokio for `async` tasks on executors that have no runtime.
//!
//! The crate tokio itself is not in here: depend on it for timers and sockets. In a program that imports all
//! of `concurrent_futures::*` its name is `::tokio`.
//!
//! # Tasks that need tokio
//!
//! Any executor runs an `async` task. One that uses tokio's timers or sockets says so; then it still runs on
//! each of them, since workers without a runtime make a small one for it, with [`block_on`]:
//!
//! ```
//! use std::time::Duration;
//!
//! use concurrent_futures::prelude::*;
//!
//! #[task(runtime = "tokio")]
//! async fn later(x: u64) -> u64 {
//!     tokio::time::sleep(Duration::from_millis(1)).await;
//!     x + 1
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = TokioExecutor::new(2)?;
//! assert_eq!(runtime.submit(later::task(6))?.result()?, 7); // one of many on a thread
//! # #[cfg(feature = "threads")]
//! # {
//! let threads = ThreadPoolExecutor::new(2)?;
//! assert_eq!(threads.submit(later::task(6))?.result()?, 7); // has the thread to itself
//! # }
//! # Ok(())
//! # }
//! ```

pub use executor_tokio::{BuildError, OnFull, QueueOrder, TokioBuilder, TokioExecutor, block_on};
