use executor_macros::task;

#[task(crate = "executor_core")]
struct Square {
    x: u64,
}

trait Shape {
    #[task(crate = "executor_core")]
    fn area() -> u64;
}

fn main() {}
