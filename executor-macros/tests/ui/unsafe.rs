use executor_macros::task;

#[task(crate = "executor_core")]
unsafe fn read(address: usize) -> u8 {
    address as u8
}

fn main() {}
