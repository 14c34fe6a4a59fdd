//! Everything that depends on the operating system: the only module with unsafe code.
//!
//! [`linux`] has what the fast transport needs: shared memory, epoll, process descriptors. The
//! portable transport needs a few functions only, which [`unix`] and `windows` have.

pub(crate) mod hook;
#[cfg(target_os = "linux")]
pub(crate) mod linux;
#[cfg(unix)]
mod unix;
#[cfg(not(unix))]
mod windows;

#[cfg(unix)]
pub(crate) use self::unix::{kill_group, lead_group, take_standard_streams, terminate_group};
#[cfg(not(unix))]
pub(crate) use self::windows::{kill_group, lead_group, take_standard_streams, terminate_group};

/// Takes a variable out of this process's environment, and gives what it was.
pub(crate) fn take_env(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?;
    // SAFETY: no other thread reads the environment meanwhile: this is called at the very start of a
    // worker, by `init` at the top of `main` or before `main`, and nowhere else.
    unsafe { std::env::remove_var(name) };
    Some(value)
}
