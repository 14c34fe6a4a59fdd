//! What tokio offers, used inside of tasks: on this executor, and on those that have no runtime.

use std::{sync::Arc, thread, time::Duration};

use executor_core::{
    ExecutorExt as _, Future as _, LocalExecutor, LocalExecutorExt as _, TaskOptions, block_on,
    context,
};
use executor_macros::task;
use executor_rayon::RayonExecutor;
use executor_threads::ThreadPoolExecutor;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::oneshot,
};

use crate::support::{KINDS, Site, must_end};

/// What the facade offers to the code that `#[task]` writes.
mod facade {
    pub(crate) use executor_core::*;

    pub(crate) mod tokio {
        pub(crate) use executor_tokio::block_on;
    }
}

/// Sends a text to a server of its own, over the loopback device.
async fn over_tcp(text: String) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        stream.write_all(text.to_uppercase().as_bytes()).await
    });
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    server.await.map_err(std::io::Error::other)??;
    Ok(answer)
}

mod tasks {
    use super::{Duration, over_tcp, task};

    #[task(crate = "crate::inside::facade", runtime = "tokio")]
    pub(crate) async fn shout(text: String) -> Result<String, String> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        over_tcp(text).await.map_err(|error| error.to_string())
    }

    #[task(crate = "crate::inside::facade", runtime = "tokio")]
    pub(crate) async fn fails(text: String) -> u32 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        panic!("{text}")
    }
}
use tasks::{fails, shout};

#[test]
fn timers_and_sockets_in_futures() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let Site { executor, runtime } = kind.site();
            let sleeps = executor.spawn_future(async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                tokio::time::timeout(Duration::from_millis(1), std::future::pending::<()>())
                    .await
                    .is_err()
            });
            let talks = executor.spawn_future(over_tcp(String::from("quiet")));
            assert!(sleeps.unwrap().result().unwrap());
            assert_eq!(talks.unwrap().result().unwrap().unwrap(), "QUIET");
            drop(runtime);
        });
    }
}

/// The same task, whoever runs it.
fn runs_tasks(executor: &impl LocalExecutor) {
    let futures: Vec<_> = (0..10)
        .map(|i| executor.submit(shout::task(format!("text {i}"))).unwrap())
        .collect();
    for (i, future) in futures.into_iter().enumerate() {
        assert_eq!(future.result().unwrap().unwrap(), format!("TEXT {i}"));
    }
    let failed = executor
        .submit(fails::task(String::from("planned")))
        .unwrap();
    let error = failed.result().unwrap_err();
    assert_eq!(error.panic_report().expect("a panic").message(), "planned");
    let mapped = executor.map((0..10).map(|i| shout::task(format!("a{i}"))));
    let texts: Vec<_> = mapped.map(|text| text.unwrap().unwrap()).collect();
    assert_eq!(texts[9], "A9");
    assert_eq!(texts.len(), 10);
}

#[test]
fn the_same_async_task_on_every_executor() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let Site { executor, runtime } = kind.site();
            runs_tasks(&executor);
            drop(runtime);
        });
    }
    must_end("a thread pool", || {
        runs_tasks(&ThreadPoolExecutor::new(1).unwrap())
    });
    must_end("a rayon pool", || {
        runs_tasks(&RayonExecutor::new(1).unwrap())
    });
}

/// An async task that awaits others of its own executor, which has one worker.
fn awaits_others(executor: &(impl LocalExecutor + Clone + 'static)) {
    let own = executor.clone();
    let outer = executor.spawn(move || {
        executor_tokio::block_on(async {
            let inner = own.submit(shout::task(String::from("inner"))).unwrap();
            let others = (0..3).map(|i| own.submit(shout::task(format!("{i}"))).unwrap());
            let others: Vec<_> = others.collect();
            tokio::time::sleep(Duration::from_millis(1)).await;
            let mut texts = vec![inner.await.unwrap().unwrap()];
            for other in others {
                texts.push(other.await.unwrap().unwrap());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            texts.concat()
        })
    });
    assert_eq!(outer.unwrap().result().unwrap(), "INNER012");
}

#[test]
fn async_tasks_that_await_async_tasks_of_the_same_pool() {
    must_end("a thread pool", || {
        awaits_others(&ThreadPoolExecutor::new(1).unwrap())
    });
    must_end("a rayon pool", || {
        awaits_others(&RayonExecutor::new(1).unwrap())
    });
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let Site { executor, runtime } = kind.site();
            let own = executor.clone();
            let outer = executor.spawn_future(async move {
                let inner = own.submit(shout::task(String::from("inner"))).unwrap();
                let call = own.spawn(|| 2).unwrap();
                inner.await.unwrap().unwrap() + &call.await.unwrap().to_string()
            });
            assert_eq!(outer.unwrap().result().unwrap(), "INNER2");
            drop(runtime);
        });
    }
}

#[test]
fn block_on_has_tokio_on_any_thread() {
    must_end("block_on", || {
        let text = || executor_tokio::block_on(over_tcp(String::from("here")));
        assert_eq!(text().unwrap(), "HERE");
        // A second time on the same thread, on others at the same time, and in itself.
        assert_eq!(text().unwrap(), "HERE");
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(text)).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap().unwrap(), "HERE");
        }
        let nested = executor_tokio::block_on(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            executor_tokio::block_on(async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                7
            })
        });
        assert_eq!(nested, 7);
        // What panics in it leaves it usable.
        fn panics() {
            executor_tokio::block_on(async { panic!("planned") });
        }
        assert!(std::panic::catch_unwind(panics).is_err());
        assert_eq!(text().unwrap(), "HERE");
    });
}

#[test]
fn what_block_on_has_spawned_goes_on() {
    must_end("the spawned task", || {
        let (sent, receives) = oneshot::channel();
        executor_tokio::block_on(async {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                sent.send(7).unwrap();
            });
        });
        assert_eq!(block_on(receives).unwrap(), 7);
    });
}

#[test]
fn spawned_inside_of_a_future_is_spawned_on_its_runtime() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let Site { executor, runtime } = kind.site();
            let ids = executor.spawn_future(async {
                let inner = tokio::spawn(async { Handle::current().id() });
                (Handle::current().id(), inner.await.unwrap())
            });
            let (here, inner) = ids.unwrap().result().unwrap();
            assert_eq!(here, inner);
            if let Some(runtime) = &runtime {
                assert_eq!(here, runtime.handle.id());
            }
            // And a call is on one of its blocking threads.
            let call = executor.spawn(|| Handle::current().id());
            assert_eq!(call.unwrap().result().unwrap(), here);
        });
    }
}

#[test]
fn the_context_is_that_of_the_task_at_each_poll() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let Site { executor, runtime } = kind.site();
            let names: Vec<_> = (0..10)
                .map(|i| {
                    // Polled in turns on the same thread.
                    let future = executor.spawn_future(async move {
                        for _ in 0..10 {
                            assert!(context::is_task());
                            tokio::task::yield_now().await;
                            assert!(!context::stop_requested());
                        }
                        i
                    });
                    future.unwrap()
                })
                .collect();
            for (i, name) in names.into_iter().enumerate() {
                assert_eq!(name.result().unwrap(), i);
            }
            let options = TaskOptions::new().with_name("a call with a name");
            let name = executor.spawn_with(options, context::task_name).unwrap();
            assert_eq!(
                name.result().unwrap().as_deref(),
                Some("a call with a name")
            );
            // What is spawned with tokio itself is in no task.
            let outside = executor
                .spawn_future(async { tokio::spawn(async { context::is_task() }).await.unwrap() });
            assert!(!outside.unwrap().result().unwrap());
            drop(runtime);
        });
    }
}

#[test]
fn a_future_may_be_shared_with_other_tasks() {
    must_end("the tasks", || {
        let Site { executor, runtime } = crate::support::Kind::MultiThread(2).site();
        let value = Arc::new(7);
        let shared = executor
            .spawn_future(async move { value })
            .unwrap()
            .shared();
        let handle = &runtime.as_ref().unwrap().handle;
        handle.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..20 {
                tasks.spawn(std::future::IntoFuture::into_future(shared.clone()));
            }
            for value in tasks.join_all().await {
                assert_eq!(*value.unwrap(), 7);
            }
        });
    });
}
