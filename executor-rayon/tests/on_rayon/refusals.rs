//! What a builder refuses, and in which words.

use std::{sync::Arc, time::Duration};

use executor_core::{Executor as _, Feature, LocalExecutorExt as _, Shutdown, TaskOptions};
use executor_rayon::{BuildError, RayonBuilder, RayonExecutor};

use crate::support::{GLOBAL, build_global, pool};

#[track_caller]
fn lacks(built: Result<RayonExecutor, BuildError>, feature: Feature, hint: &str) {
    let error = built.expect_err("rayon cannot do that");
    let what = error.unsupported().expect("it is for a lack");
    assert_eq!(what.feature(), feature);
    let text = error.to_string();
    assert!(text.starts_with(&what.to_string()), "{text}");
    assert!(text.contains(hint), "{text}");
}

#[track_caller]
fn out_of_range(built: Result<RayonExecutor, BuildError>, text: &str) {
    let error = built.expect_err("a value is out of range");
    assert_eq!(error.unsupported(), None, "it is no lack: {error}");
    assert_eq!(error.to_string(), text);
}

fn own() -> RayonBuilder {
    RayonExecutor::builder().max_workers(1)
}

#[test]
fn what_rayon_lacks() {
    lacks(
        own().min_workers(1).build(),
        Feature::KeepAlive,
        "min_workers",
    );
    let keep_alive = own().keep_alive(Duration::from_secs(1));
    lacks(keep_alive.build(), Feature::KeepAlive, "keep_alive");
    assert!(own().min_workers(0).build().is_ok(), "that is what it has");

    let executor = own().build().unwrap();
    let refused = executor.resize(2).unwrap_err();
    lacks(Err(refused), Feature::Resize, "build another executor");
    let kill = executor.shutdown(Shutdown::Kill).unwrap_err();
    assert_eq!(kill.feature(), Feature::Kill);
    assert_eq!(
        executor.spawn(|| 1).map(drop).map_err(drop),
        Ok(()),
        "it is still open"
    );

    let priority = TaskOptions::new().with_priority(1);
    let refused = executor
        .spawn_with(priority, || ())
        .unwrap_err()
        .to_string();
    assert!(refused.contains("priorities"), "{refused}");
    let limit = TaskOptions::new().with_timeout(Duration::from_secs(1));
    let refused = executor.spawn_with(limit, || ()).unwrap_err().to_string();
    assert!(refused.contains("run time"), "{refused}");
}

#[test]
fn options_for_threads_that_are_there_already() {
    build_global();
    let shared = || RayonExecutor::builder().pool(pool(1));
    let global = || RayonExecutor::builder().global();
    for existing in [shared as fn() -> RayonBuilder, global] {
        let refused = [
            existing().stack_size(1 << 20),
            existing().on_worker_start(|_| ()),
            existing().on_worker_stop(|_| ()),
        ];
        for builder in refused {
            lacks(
                builder.build(),
                Feature::ThreadOptions,
                "builder of the pool itself",
            );
        }
        // A name is for the workers, which are its own.
        assert!(existing().thread_name("mine").build().is_ok());
    }
    let all = own()
        .stack_size(1 << 20)
        .on_worker_start(|_| ())
        .on_worker_stop(|_| ());
    assert!(all.build().is_ok());
}

#[test]
fn values_out_of_range() {
    build_global();
    let most = rayon::max_num_threads();
    for workers in [0, most + 1] {
        let text = format!("max_workers is {workers}; it must be from 1 to {most}");
        out_of_range(RayonExecutor::new(workers), &text);
    }
    for workers in [0, 3] {
        let builder = RayonExecutor::builder().pool(pool(2)).max_workers(workers);
        let text =
            format!("max_workers is {workers}; the pool has 2 threads, so it must be from 1 to 2");
        out_of_range(builder.build(), &text);
    }
    let workers = GLOBAL + 1;
    let builder = RayonExecutor::builder().global().max_workers(workers);
    let text = format!(
        "max_workers is {workers}; the pool has {GLOBAL} threads, so it must be from 1 to {GLOBAL}"
    );
    out_of_range(builder.build(), &text);
    out_of_range(
        own().queue(0).build(),
        "the queue's bound is 0; it must be at least 1",
    );
    let text = r#"the thread name "a\0b" contains a zero byte; no thread can have it"#;
    out_of_range(own().thread_name("a\0b").build(), text);
}

#[test]
fn what_the_builder_says_shows_in_the_capabilities() {
    let pool = pool(2);
    let builder = RayonExecutor::builder().pool(Arc::clone(&pool));
    let capabilities = builder.clone().build().unwrap().capabilities();
    assert_eq!((capabilities.workers, capabilities.queue_bound), (2, None));
    let executor = builder.max_workers(1).queue(7).build().unwrap();
    let capabilities = executor.capabilities();
    assert_eq!(
        (capabilities.workers, capabilities.queue_bound),
        (1, Some(7))
    );
    assert!(format!("{executor:?}").contains("max_workers: 1"));
}
