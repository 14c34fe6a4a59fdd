//! How the output of an initializer becomes the state of its worker.
//!
//! A `Result` is unpacked if its error can be shown. `#[task]` writes `State(output).into_state()`, and
//! the compiler takes [`State`]'s own method where there is one, and else that of [`AnyState`].

use std::{any::Any, fmt::Display};

use crate::TaskError;

/// The output of an initializer; see the module.
#[doc(hidden)]
#[derive(Debug)]
pub struct State<T>(pub T);

impl<S: 'static, E: Display> State<Result<S, E>> {
    /// The value alone, or the error's text.
    ///
    /// # Errors
    ///
    /// If there is one in it.
    pub fn into_state(self) -> Result<Box<dyn Any>, TaskError> {
        match self.0 {
            Ok(state) => Ok(Box::new(state)),
            Err(error) => Err(TaskError::broken(error.to_string())),
        }
    }
}

/// The state of all other outputs.
#[doc(hidden)]
pub trait AnyState {
    /// The output as it is.
    ///
    /// # Errors
    ///
    /// None.
    fn into_state(self) -> Result<Box<dyn Any>, TaskError>;
}

impl<T: 'static> AnyState for State<T> {
    fn into_state(self) -> Result<Box<dyn Any>, TaskError> {
        Ok(Box::new(self.0))
    }
}
