//! Futures of tasks that another process has.

use executor_core::{
    Future as _, Job, TaskError,
    codec::{Codec, Part},
};
use executor_macros::task;

#[task(crate = "executor_core")]
fn square(x: u64) -> u64 {
    x * x
}

fn output(value: u64) -> Box<[u8]> {
    let mut bytes = Vec::new();
    Codec::Compact
        .encode(Part::Output, &value, &mut bytes)
        .expect("numbers can be encoded");
    bytes.into()
}

#[test]
fn it_is_settled_by_the_output_or_an_error_that_came() {
    let (job, future) = Job::expecting::<square>();
    assert_eq!(job.task_name(), "expected::square");
    assert!(!future.is_done());
    job.claim().expect("it is pending").complete(output(9));
    assert_eq!(future.result().expect("it came"), 9);

    let (job, future) = Job::expecting::<square>();
    job.claim()
        .expect("it is pending")
        .fail(TaskError::broken("gone"));
    assert!(future.result().expect_err("it failed").is_broken());

    let (job, future) = Job::expecting::<square>();
    job.claim()
        .expect("it is pending")
        .complete(vec![0xc1; 30].into());
    assert!(future.result().expect_err("that is no number").is_codec());
}

#[test]
fn it_can_be_cancelled_lost_and_dropped() {
    let (job, future) = Job::expecting::<square>();
    assert!(future.cancel());
    assert!(job.claim().is_err() && future.is_cancelled());

    let (job, future) = Job::expecting::<square>();
    drop(job);
    assert!(
        future
            .result()
            .expect_err("nobody will settle it")
            .is_lost()
    );

    let (job, future) = Job::expecting::<square>();
    drop(future);
    job.claim().expect("it is pending").complete(output(1));
}

#[test]
fn it_can_be_neither_encoded_nor_run() {
    let (mut job, future) = Job::expecting::<square>();
    let mut buffer = Vec::new();
    let encoded = job.encode(&mut buffer).expect("it is pending");
    let error = encoded.expect_err("there is nothing to encode");
    assert!(error.to_string().contains("expected::square"), "{error}");
    assert!(buffer.is_empty());
    let _ran = job.run();
    let error = future.result().expect_err("there is nothing to run");
    assert!(
        error.is_panicked() && error.to_string().contains("elsewhere"),
        "{error}"
    );
}
