//! The list of constructors of a Windows program.

use crate::init;

/// An entry of the list.
pub type Constructor = extern "C" fn();

/// Called by the C runtime, through `worker_process!`, after all other constructors. In a worker it does
/// not return.
pub fn before_main() {
    init();
}

#[doc(hidden)]
#[macro_export]
macro_rules! __worker_process_hook {
    () => {
        const _: () = {
            extern "C" fn hook() {
                $crate::private::before_main();
            }

            #[used]
            #[unsafe(link_section = ".CRT$XCY")]
            static ENTRY: $crate::private::Constructor = hook;
        };
    };
}
