use executor_macros::task;

struct Shape {
    width: u64,
}

impl Shape {
    #[task(crate = "executor_core")]
    fn area(&self) -> u64 {
        self.width * self.width
    }
}

fn main() {}
