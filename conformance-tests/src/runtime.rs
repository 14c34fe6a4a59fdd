//! The async runtimes that users have, as places to await a future in.

use std::future::Future;

use tokio::runtime::Builder;

/// An async runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runtime {
    TokioCurrentThread,
    TokioMultiThread,
    Smol,
    Futures,
}

impl Runtime {
    pub(crate) const ALL: [(Self, &str); 4] = [
        (Self::TokioCurrentThread, "tokio_current_thread"),
        (Self::TokioMultiThread, "tokio_multi_thread"),
        (Self::Smol, "smol"),
        (Self::Futures, "futures_executor"),
    ];

    /// Both flavours of tokio.
    pub(crate) const TOKIO: [(Self, &str); 2] = [Self::ALL[0], Self::ALL[1]];

    /// Runs a future on the current thread, in the runtime.
    pub(crate) fn block_on<F: Future>(self, future: F) -> F::Output {
        match self {
            Self::TokioCurrentThread | Self::TokioMultiThread => self.tokio().block_on(future),
            Self::Smol => smol::block_on(future),
            Self::Futures => futures_executor::block_on(future),
        }
    }

    /// Runs a future as a task of the runtime, on one of its own threads where it has such.
    pub(crate) fn run<F>(self, future: F) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        match self {
            Self::TokioCurrentThread | Self::TokioMultiThread => {
                let joined = self.tokio().block_on(async { tokio::spawn(future).await });
                joined.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
            }
            Self::Smol => smol::block_on(smol::spawn(future)),
            Self::Futures => futures_executor::block_on(future),
        }
    }

    fn tokio(self) -> tokio::runtime::Runtime {
        let mut builder = match self {
            Self::TokioCurrentThread => Builder::new_current_thread(),
            _ => Builder::new_multi_thread(),
        };
        let built = builder.worker_threads(2).build();
        built.expect("a runtime of tokio can be built")
    }
}
