use executor_macros::task;

#[task(crate = "executor_core")]
fn serve(port: u16) -> ! {
    panic!("{port}")
}

fn main() {}
