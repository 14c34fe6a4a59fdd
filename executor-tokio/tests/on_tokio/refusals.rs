//! What builders refuse, and in which words.

use std::time::Duration;

use executor_core::{Executor as _, Feature, LocalExecutorExt as _, Shutdown, TaskOptions};
use executor_tokio::{BuildError, TokioBuilder, TokioExecutor};

use crate::support::{current_thread, multi_thread};

#[track_caller]
fn lacks(built: Result<TokioExecutor, BuildError>, feature: Feature, hint: &str) {
    let error = built.expect_err("tokio cannot do that");
    let what = error.unsupported().expect("it is for a lack");
    assert_eq!(what.feature(), feature);
    let text = error.to_string();
    assert!(text.starts_with(&what.to_string()), "{text}");
    assert!(text.contains(hint), "{text}");
}

#[track_caller]
fn out_of_range(built: Result<TokioExecutor, BuildError>, text: &str) {
    let error = built.expect_err("a value is out of range");
    assert_eq!(error.unsupported(), None, "it is no lack: {error}");
    assert_eq!(error.to_string(), text);
}

fn builder() -> TokioBuilder {
    TokioExecutor::builder().max_workers(1)
}

#[test]
fn what_tokio_lacks() {
    lacks(
        builder().min_workers(1).build(),
        Feature::KeepAlive,
        "min_workers",
    );
    assert!(
        builder().min_workers(0).build().is_ok(),
        "that is what it has"
    );
    let keep_alive = builder().keep_alive(Duration::from_secs(1));
    lacks(keep_alive.build(), Feature::KeepAlive, "thread_keep_alive");
    let stack = builder().stack_size(1 << 20);
    lacks(stack.build(), Feature::ThreadOptions, "thread_stack_size");
    let state = builder().initializer(|| Ok::<_, String>(()));
    lacks(state.build(), Feature::Initializer, "thread pool");

    let executor = builder().build().unwrap();
    lacks(
        executor.resize(2).map(|()| executor.clone()),
        Feature::Resize,
        "build another executor",
    );
    let kill = executor.shutdown(Shutdown::Kill).unwrap_err();
    assert_eq!(kill.feature(), Feature::Kill);
    let priority = TaskOptions::new().with_priority(1);
    let refused = executor
        .spawn_with(priority, || ())
        .unwrap_err()
        .to_string();
    assert!(refused.contains("priorities"), "{refused}");
    let limit = TaskOptions::new().with_timeout(Duration::from_secs(1));
    let refused = executor.spawn_with(limit, || ()).unwrap_err().to_string();
    assert!(refused.contains("run time"), "{refused}");
    assert!(executor.spawn(|| ()).is_ok(), "it is still open");
}

#[test]
fn values_out_of_range() {
    out_of_range(
        TokioExecutor::new(0),
        "max_workers is 0; it must be at least 1",
    );
    out_of_range(
        TokioExecutor::new(5000),
        "max_workers is 5000; it must be from 1 to 4096",
    );
    out_of_range(
        builder().max_async(0).build(),
        "max_async is 0; it must be at least 1",
    );
    out_of_range(
        builder().queue(0).build(),
        "the queue's bound is 0; it must be at least 1",
    );
    out_of_range(
        builder().thread_name("a\0b").build(),
        r#"the thread name "a\0b" contains a zero byte; no thread can have it"#,
    );
}

#[test]
fn current_outside_of_a_runtime() {
    out_of_range(
        TokioExecutor::current(),
        "this code runs in no tokio runtime: call it from async code, or use \
         TokioExecutor::new for a runtime of its own",
    );
    for runtime in [current_thread(), multi_thread(1)] {
        assert!(runtime.block_on(async { TokioExecutor::current() }).is_ok());
        let closure = runtime.spawn_blocking(TokioExecutor::current);
        assert!(runtime.block_on(closure).unwrap().is_ok());
        let _entered = runtime.enter();
        assert!(TokioExecutor::current().is_ok());
    }
}

#[test]
fn what_the_builder_says_shows_in_the_capabilities() {
    let runtime = multi_thread(1);
    let builder = builder().handle(runtime.handle().clone());
    let executor = builder.max_workers(3).queue(7).build().unwrap();
    let capabilities = executor.capabilities();
    assert_eq!(
        (capabilities.workers, capabilities.queue_bound),
        (3, Some(7))
    );
    assert!(format!("{executor:?}").contains("max_workers: 3"));
}
