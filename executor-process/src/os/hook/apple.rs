//! The list of constructors of a Mach-O program.
//!
//! The compiler writes addresses into the section `__mod_init_func`. The linker leaves it at that, or makes
//! offsets from the start of the program of them (`__init_offsets`), as it does for newer systems.

use std::{
    ffi::{CStr, c_char, c_int, c_ulong, c_void},
    mem, ptr,
    sync::atomic::{AtomicBool, Ordering},
};

use super::signals;
use crate::{init, worker};

/// An entry of the list. The last argument is Apple's own.
pub type Constructor = unsafe extern "C" fn(c_int, Strings, Strings, Strings);

/// What `main` gets in C: the command line, or the environment.
pub type Strings = *const *const c_char;

/// What a constructor is called with.
pub type Arguments = (c_int, Strings, Strings, Strings);

unsafe extern "C" {
    /// The start of the program, as the linker defines it.
    static _mh_execute_header: c_void;

    /// Of the system's library: a section of the program whose header this is, null if there is none.
    fn getsectiondata(
        header: *const c_void,
        segment: *const c_char,
        section: *const c_char,
        size: *mut c_ulong,
    ) -> *const u8;
}

/// Called by the loader, through `worker_process!`. In a worker it does not return.
///
/// # Safety
///
/// `own` is the constructor of the program through which this was called, before `main`, and the arguments
/// are those of the call.
pub unsafe fn before_main(arguments: Arguments, own: Constructor) {
    if worker::is_unheeded_worker() {
        // Another hook may be among the later ones. It must not serve before those behind it have run.
        static HAS_BEGUN: AtomicBool = AtomicBool::new(false);
        if HAS_BEGUN.swap(true, Ordering::Relaxed) {
            return;
        }
        let all = constructors();
        let later = all
            .iter()
            .position(|constructor| ptr::fn_addr_eq(*constructor, own))
            .map_or(all.len(), |position| position + 1);
        let (count, strings, environment, apple) = arguments;
        for constructor in &all[later..] {
            // SAFETY: the loader would call it next, in this order and with these arguments. It does
            // not do so any more, since `init` ends this process.
            unsafe { constructor(count, strings, environment, apple) };
        }
        signals::ignore_broken_pipes();
    }
    init();
}

/// The constructors of the program, in the order in which the loader calls them.
fn constructors() -> Vec<Constructor> {
    let start = &raw const _mh_execute_header;
    let mut addresses = Vec::new();
    for segment in [c"__DATA", c"__DATA_CONST", c"__AUTH", c"__AUTH_CONST"] {
        for entry in section(segment, c"__mod_init_func").as_chunks().0 {
            addresses.push(ptr::with_exposed_provenance(usize::from_ne_bytes(*entry)));
        }
    }
    for entry in section(c"__TEXT", c"__init_offsets").as_chunks().0 {
        addresses.push(start.wrapping_byte_add(u32::from_ne_bytes(*entry) as usize));
    }
    let constructor = |address: *const c_void| {
        // SAFETY: what is in these sections are constructors, and not null.
        unsafe { mem::transmute::<*const c_void, Constructor>(address) }
    };
    addresses.into_iter().map(constructor).collect()
}

/// The bytes of a section of the program; none if it does not exist.
fn section(segment: &CStr, section: &CStr) -> &'static [u8] {
    let mut size = 0;
    // SAFETY: the header is the program's, and the names end with zeros.
    let start = unsafe {
        getsectiondata(
            &raw const _mh_execute_header,
            segment.as_ptr(),
            section.as_ptr(),
            &raw mut size,
        )
    };
    if start.is_null() {
        return &[];
    }
    // SAFETY: the loader has mapped as many bytes there, for as long as the program runs, and writes to
    // them no more.
    unsafe { std::slice::from_raw_parts(start, size as usize) }
}

#[doc(hidden)]
#[macro_export]
macro_rules! __worker_process_hook {
    () => {
        const _: () = {
            unsafe extern "C" fn hook(
                count: ::core::ffi::c_int,
                arguments: $crate::private::Strings,
                environment: $crate::private::Strings,
                apple: $crate::private::Strings,
            ) {
                // SAFETY: the loader calls this, a constructor of the program, with these arguments.
                unsafe {
                    $crate::private::before_main((count, arguments, environment, apple), hook);
                }
            }

            #[used]
            #[unsafe(link_section = "__DATA,__mod_init_func,mod_init_funcs")]
            static ENTRY: $crate::private::Constructor = hook;
        };
    };
}
