//! The list of constructors of an ELF program: an array of addresses between two symbols.

use std::{
    ffi::{c_char, c_int},
    hint,
    sync::atomic::{AtomicBool, Ordering},
};

use super::signals;
use crate::{init, worker};

/// An entry of the list. Where the C library calls constructors without arguments (musl), these are
/// whatever the registers held; nothing here looks at them, and neither do such constructors.
pub type Constructor = unsafe extern "C" fn(c_int, Strings, Strings);

/// What `main` gets in C: the command line, or the environment.
pub type Strings = *const *const c_char;

/// What a constructor is called with.
pub type Arguments = (c_int, Strings, Strings);

/// The symbol behind the list.
pub type End = [usize; 0];

/// Called by the loader, through `worker_process!`. In a worker it does not return.
///
/// # Safety
///
/// `own` is the entry of the list through which this was called, before `main`; `end` is the end of that
/// list; and the arguments are those of the call.
pub unsafe fn before_main(arguments: Arguments, own: *const Constructor, end: *const End) {
    if worker::is_unheeded_worker() {
        // Another hook may be among the later ones. It must not serve before those behind it have run.
        static HAS_BEGUN: AtomicBool = AtomicBool::new(false);
        if HAS_BEGUN.swap(true, Ordering::Relaxed) {
            return;
        }
        // SAFETY: as the caller promises; and `init` does not return.
        unsafe { run_later_constructors(arguments, own, end.cast()) };
        signals::ignore_broken_pipes();
    }
    init();
}

/// # Safety
///
/// As for [`before_main`]; and the process never comes to `main`.
unsafe fn run_later_constructors(
    (count, arguments, environment): Arguments,
    own: *const Constructor,
    end: *const Constructor,
) {
    // To the compiler the entry is a variable of its own, with nothing behind it; it is the linker that
    // makes an array of all entries.
    let (own, end) = (hint::black_box(own), hint::black_box(end));
    let mut next = own.wrapping_add(1);
    while next < end {
        // SAFETY: an entry of the list, which is an array without gaps that the loader is done writing; zero
        // is what an entry holds that was taken out.
        let constructor = unsafe { next.cast::<Option<Constructor>>().read_volatile() };
        if let Some(constructor) = constructor {
            // SAFETY: the loader would call it next, in this order and with these arguments. It does
            // not do so any more, since this process ends before the loader goes on.
            unsafe { constructor(count, arguments, environment) };
        }
        next = next.wrapping_add(1);
    }
}

#[doc(hidden)]
#[macro_export]
macro_rules! __worker_process_hook {
    () => {
        const _: () = {
            unsafe extern "C" {
                #[link_name = "__init_array_end"]
                safe static END: $crate::private::End;
            }

            unsafe extern "C" fn hook(
                count: ::core::ffi::c_int,
                arguments: $crate::private::Strings,
                environment: $crate::private::Strings,
            ) {
                // SAFETY: the loader calls this through the entry, with these arguments.
                unsafe {
                    $crate::private::before_main(
                        (count, arguments, environment),
                        &raw const ENTRY,
                        &raw const END,
                    );
                }
            }

            #[used]
            #[unsafe(link_section = ".init_array")]
            static ENTRY: $crate::private::Constructor = hook;
        };
    };
}
