//! What the portable transport needs, where there are no process groups.

use std::{
    io::{self, Read, Write},
    process::Command,
};

/// There are no groups.
pub(crate) fn lead_group(_command: &mut Command) {}

/// There is no polite way.
pub(crate) fn terminate_group(_pid: u32) -> bool {
    false
}

/// There are no groups: the process is killed by its handle.
pub(crate) fn kill_group(_pid: u32) -> bool {
    false
}

/// Standard input and output. They cannot be taken away here: a task must not write to them.
pub(crate) fn take_standard_streams() -> io::Result<(impl Read + Send, impl Write + Send)> {
    Ok((io::stdin(), io::stdout()))
}
