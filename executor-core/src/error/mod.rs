//! The errors: of a task, of a submission, of a shutdown. Four timeouts, four different errors: of
//! a wait the future comes back, of the queue or the run it is a [`TaskError`], of a submission a
//! [`SubmitError`], of a shutdown a [`JoinError`].

mod join;
mod submit;
mod task;

pub use self::{
    join::{JoinError, JoinErrorKind},
    submit::{Reason, Rejected, SubmitError},
    task::{PanicReport, Stopped, TaskError, TaskErrorKind, Timeout, WorkerDeath},
};
