use executor_macros::task;

struct Handle(u64);

#[task(crate = "executor_core")]
fn close(handle: Handle) {
    drop(handle);
}

fn main() {}
