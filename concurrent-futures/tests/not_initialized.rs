//! A program that forgot `init` is told so, and no process is started.

#![cfg(feature = "process")]

use std::error::Error;

use concurrent_futures::{Backend, ProcessPoolExecutor, process::BuildError};

#[test]
fn a_process_pool_asks_for_init() -> Result<(), Box<dyn Error>> {
    let error = ProcessPoolExecutor::new(1).err().ok_or("it was built")?;
    assert!(error.is_not_initialized());
    let text = error.to_string();
    for way in [
        "concurrent_futures::init()",
        "worker_process!()",
        "worker_program",
    ] {
        assert!(text.contains(way), "{text}");
    }

    let error = Backend::Process.open(1).err().ok_or("it was opened")?;
    let source = error
        .source()
        .and_then(<dyn Error>::downcast_ref::<BuildError>);
    assert!(source.ok_or("no source")?.is_not_initialized());
    Ok(())
}
