//! Becoming a worker before `main`, for programs whose `main` is not their own.
//!
//! `worker_process!` puts the address of a function into the list of constructors, which the system's
//! loader calls before `main`. In a worker that function serves, and ends the process. But tasks enter the
//! registry in constructors as well, and nothing says in which order constructors run: so those
//! that come after it are called first. They do not run a second time, since the process ends here.
//! In any other process nothing but a note is made.
//!
//! | system | list | the later constructors |
//! |---|---|---|
//! | ELF (Linux, the BSDs, ..) | `.init_array` | up to `__init_array_end`, which the linker defines |
//! | Apple | `__mod_init_func`, or what the linker makes of it | found by the entry that is the hook itself |
//! | Windows | `.CRT$XCY`: sections are sorted by name, and constructors are in `.CRT$XCU` | none |
//!
//! What std does between the constructors and the program's `main` is missing in such a worker: [`signals`]
//! makes up for SIGPIPE; a stack overflow ends the worker by SIGSEGV, without std's message; and the main
//! thread has no name.

#[cfg(target_vendor = "apple")]
mod apple;
#[cfg(all(unix, not(target_vendor = "apple")))]
mod elf;
#[cfg(unix)]
mod signals;
#[cfg(windows)]
mod windows;

#[cfg(target_vendor = "apple")]
pub use self::apple::{Arguments, Constructor, Strings, before_main};
#[cfg(all(unix, not(target_vendor = "apple")))]
pub use self::elf::{Arguments, Constructor, End, Strings, before_main};
#[cfg(windows)]
pub use self::windows::{Constructor, before_main};
