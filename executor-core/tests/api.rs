//! Tables of what the types promise: `Send` and `Sync`, sizes, object safety.

use std::{
    cell::{Cell, Cell as NotSync},
    error::Error,
    fmt::Debug,
    mem::size_of,
    sync::Arc,
};

use executor_core::{
    AsCompleted, Capabilities, Executor, ExecutorExt as _, Future as _, Job, JoinError,
    LocalExecutor, LocalExecutorExt as _, Map, MapFuture, Reason, Registry, Rejected, RunTask,
    Scope, Shared, StartedJob, Stats, SubmitError, TaskError, TaskFuture, TaskOptions, Then,
    testing::{InlineExecutor, ManualExecutor, RoundTripExecutor},
};

fn send<T: Send>() {}
fn sync<T: Sync>() {}
fn is_static<T: 'static>() {}
fn debug<T: Debug>() {}
fn error<T: Error + Send + Sync + 'static>() {}

#[test]
fn handles_are_send_and_sync() {
    // A value needs no `Sync` for its future to have it: it is moved, never shared.
    send::<TaskFuture<Cell<u8>>>();
    sync::<TaskFuture<NotSync<u8>>>();
    send::<Job>();
    sync::<Job>();
    send::<StartedJob>();
    sync::<StartedJob>();
    send::<Rejected>();
    sync::<Rejected>();
    send::<SubmitError<Cell<u8>>>();
    send::<AsCompleted<TaskFuture<Cell<u8>>>>();
    send::<Shared<TaskFuture<u8>>>();
    sync::<Shared<TaskFuture<u8>>>();
    send::<MapFuture<TaskFuture<Cell<u8>>, fn(Cell<u8>) -> u8>>();
    send::<Then<TaskFuture<u8>, TaskFuture<u8>, fn(u8) -> TaskFuture<u8>>>();
    sync::<Scope<'static, 'static, InlineExecutor>>();
    sync::<Registry>();
    send::<Map<InlineExecutor, std::vec::IntoIter<fn() -> u8>, RunTask>>();
    is_static::<TaskFuture<u8>>();
}

#[test]
fn errors_are_errors() {
    error::<TaskError>();
    error::<JoinError>();
    error::<SubmitError<fn()>>();
    error::<executor_core::Unsupported>();
    error::<executor_core::DuplicateTask>();
    error::<executor_core::context::Stopped>();
    error::<executor_core::codec::CodecError>();
    debug::<Reason>();
}

#[test]
fn sizes() {
    let word = size_of::<usize>();
    assert_eq!(size_of::<Job>(), word);
    assert_eq!(size_of::<TaskFuture<[u64; 100]>>(), word);
    assert_eq!(size_of::<Option<TaskFuture<u64>>>(), word);
    assert_eq!(size_of::<TaskError>(), word);
    assert_eq!(size_of::<Result<u64, TaskError>>(), 2 * word);
    assert!(size_of::<TaskOptions>() <= 12 * word);
}

#[test]
fn executors_are_objects() -> Result<(), Box<dyn Error>> {
    let local: Box<dyn LocalExecutor> = Box::new(InlineExecutor::new());
    assert_eq!(local.clone().spawn(|| 1)?.result()?, 1);
    assert_eq!(local.scope(|s| s.spawn(|| 2).result())?, 2);
    assert_eq!(executor_core::join(&local, || 3, || 4), (3, 4));
    let shared: Arc<dyn LocalExecutor> = Arc::new(ManualExecutor::new());
    assert_eq!(shared.spawn(|| 3)?.result()?, 3);
    let any: Box<dyn Executor> = Box::new(RoundTripExecutor::new());
    assert!(!any.clone().capabilities().local);
    let executors: Vec<Box<dyn Executor>> = vec![any, Box::new(InlineExecutor::new())];
    for executor in &executors {
        assert_eq!(executor.stats(), Stats::default());
        assert_ne!(executor.capabilities(), Capabilities::local(9));
    }
    Ok(())
}

#[test]
fn an_unknown_task_names_the_fix() {
    use executor_core::{PortableTask, Task, codec};

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Unlisted;
    impl Task for Unlisted {
        type Output = ();
        fn run(self) {}
    }
    impl PortableTask for Unlisted {
        const NAME: &'static str = "lost_crate::unlisted";
        const SIGNATURE: &'static str = "() -> ()";
        fn encode_output(_: &(), buffer: &mut Vec<u8>) -> Result<(), codec::CodecError> {
            codec::encode(codec::Part::Output, &(), buffer)
        }
        fn decode_output(bytes: &[u8]) -> Result<(), codec::CodecError> {
            codec::decode(codec::Part::Output, bytes)
        }
    }

    let error = RoundTripExecutor::new().submit(Unlisted).unwrap_err();
    assert!(error.is_unknown_task());
    let text = error.to_string();
    assert!(text.contains("`lost_crate::unlisted`"), "{text}");
    assert!(text.contains("`use lost_crate as _;`"), "{text}");

    // Listed by hand it works, under the same name.
    Registry::global().with::<Unlisted>().unwrap();
    assert!(
        RoundTripExecutor::new()
            .submit(error.into_task())
            .unwrap()
            .result()
            .is_ok()
    );
}
