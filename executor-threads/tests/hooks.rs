//! Hooks that use the pool whose worker they run on.

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use executor_core::{Executor as _, Future as _, JoinErrorKind, LocalExecutorExt as _};
use executor_threads::ThreadPoolExecutor;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn an_initializer_may_wait_for_a_task_of_its_own_pool() {
    let slot = Arc::new(Mutex::new(None::<ThreadPoolExecutor>));
    let own = Arc::clone(&slot);
    let pool = ThreadPoolExecutor::builder()
        .max_workers(1)
        .initializer(move || {
            let pool = own.lock().unwrap().clone().ok_or("no pool")?;
            let future = pool.spawn(|| 6 * 7).map_err(|_| "refused")?;
            future.result().map_err(|_| "failed")
        })
        .build()
        .unwrap();
    *slot.lock().unwrap() = Some(pool.clone());
    let future = pool.spawn(|| executor_core::context::with_worker_state(|state: &i32| *state));
    let result = future.unwrap().result_timeout(LONG);
    slot.lock().unwrap().take();
    assert_eq!(result.expect("it hung").unwrap(), Some(42));
}

#[test]
fn a_stop_hook_may_not_join_and_may_submit() {
    let slot = Arc::new(Mutex::new(None::<ThreadPoolExecutor>));
    let own = Arc::clone(&slot);
    let (send, told) = mpsc::channel();
    let (ran, has_run) = mpsc::channel();
    let pool = ThreadPoolExecutor::builder()
        .max_workers(1)
        .keep_alive(Duration::from_millis(1))
        .on_worker_stop(move |_| {
            // Only the first worker finds the pool here.
            let Some(pool) = own.lock().unwrap().take() else {
                return;
            };
            let ran = ran.clone();
            drop(pool.spawn(move || ran.send(()).unwrap()).unwrap());
            send.send(pool.join(None).unwrap_err().kind()).unwrap();
        })
        .build()
        .unwrap();
    *slot.lock().unwrap() = Some(pool.clone());
    pool.spawn(|| ()).unwrap().result().unwrap();
    assert_eq!(told.recv_timeout(LONG), Ok(JoinErrorKind::WouldDeadlock));
    assert_eq!(has_run.recv_timeout(LONG), Ok(()), "its task is stranded");
}
