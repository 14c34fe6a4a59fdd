//! Executors over rayon's threads: the global pool, one that is shared, or one of their own.
//!
//! The crate rayon itself is not in here: depend on it for `par_iter` and the like. In a program that imports
//! all of `concurrent_futures::*` its name is `::rayon`.
//!
//! ```
//! use concurrent_futures::{OnFull, prelude::*};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = RayonExecutor::builder().max_workers(2).queue(100).on_full(OnFull::Block).build()?;
//! let sum = pool.spawn(|| (1..=1000_u64).sum::<u64>())?; // may use par_iter, on the same threads
//! assert_eq!(sum.result()?, 500_500);
//! # Ok(())
//! # }
//! ```

pub use executor_rayon::{BuildError, OnFull, QueueOrder, RayonBuilder, RayonExecutor};
