use executor_macros::task;

struct Handle(u64);

#[task(crate = "executor_core")]
fn open(number: u64) -> Handle {
    Handle(number)
}

fn main() {}
