//! How a process becomes a worker.

use std::{io, process};

use crate::{
    os,
    wire::{NOT_A_WORKER, WORKER_VARIABLE},
};

/// Serves, if this process was started as a worker, and ends it then; else does nothing.
pub(crate) fn main() {
    let Some(value) = os::take_env(WORKER_VARIABLE) else {
        return;
    };
    let served = serve(&value);
    if let Err(error) = &served {
        // A pipe that is closed says that the parent is gone: there is nobody to be told.
        if error.kind() != io::ErrorKind::BrokenPipe {
            eprintln!("worker process {}: {error}", process::id());
        }
    }
    exit(i32::from(served.is_err()));
}

/// Whether this process was started as a worker, and has come past the place where it should have
/// become one.
pub(crate) fn is_unheeded_worker() -> bool {
    std::env::var_os(WORKER_VARIABLE).is_some()
}

/// Ends a process that was to be a worker and is about to make a pool of its own: its workers would do
/// the same, without end.
pub(crate) fn refuse() -> ! {
    eprintln!(
        "this process was started as a worker, but its `main` makes a process pool before it calls \
         `concurrent_futures::init()`: call that first"
    );
    exit(NOT_A_WORKER)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a worker is a process of its own: its end is an exit"
)]
pub(super) fn exit(code: i32) -> ! {
    process::exit(code)
}

fn serve(value: &str) -> io::Result<()> {
    let wrong = || {
        io::Error::other(format!(
            "{WORKER_VARIABLE} is {value:?}, which no parent sets"
        ))
    };
    let (transport, parent) = value.split_once(':').ok_or_else(wrong)?;
    match transport {
        #[cfg(target_os = "linux")]
        "shared" => {
            if !os::linux::become_worker(parent.parse().map_err(|_| wrong())?)? {
                return Ok(());
            }
            super::shared::serve()
        }
        "portable" => {
            let (input, output) = os::take_standard_streams()?;
            super::portable::serve(input, output)
        }
        _ => Err(wrong()),
    }
}
