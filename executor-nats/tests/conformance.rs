//! The suite over a real server: each executor has a queue and a worker of its own, which runs tasks in child processes of this program.

use std::{
    env,
    error::Error,
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
    time::{Duration, Instant},
};

use conformance_tests::{Config, Factory, is_victim, victim_main};
use executor_core::{
    Admission, Capabilities, Executor, Job, JobKind, JoinError, Rejected, Shutdown, Stats,
    Unsupported,
};
use executor_nats::{Isolation, NatsExecutor, OnFull, Worker};
use executor_process::{ProcessPoolExecutor, WorkerProgram, WorkerStderr};

#[path = "support/server.rs"]
#[expect(dead_code, reason = "other tests do more with servers")]
mod server;

/// Says to the program that is to be killed where the server is.
const URL: &str = "CONFORMANCE_NATS_URL";

fn main() -> ExitCode {
    executor_process::init();
    if is_victim() {
        return match victim() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let server = server::Server::start(server::Options::new());
    let url = server.url();
    conformance_tests::main(|suite| {
        let own = url.clone();
        let factory = Factory::portable(move |config| Cluster::start(&own, config))
            .bounded()
            .no_caller_runs()
            .wait_idle(|cluster: &Cluster, timeout| cluster.executor.wait_idle(timeout))
            .victim(move || {
                let mut command = Command::new(env::current_exe().expect("this program is a file"));
                command.env(URL, &url);
                command
            });
        suite.add("nats", factory);
    })
}

/// An executor with the only worker of its queue. The executor goes first.
#[derive(Debug, Clone)]
struct Cluster {
    executor: NatsExecutor,
    worker: Arc<Worker>,
}

impl Cluster {
    fn start(url: &str, config: &Config) -> Result<Self, Box<dyn Error + Send + Sync>> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let queue = format!(
            "q{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        // Each worker of each trial would read this program's debug information for its first panic.
        let program = WorkerProgram::new(env::current_exe()?).env("RUST_BACKTRACE", "0");
        let processes = ProcessPoolExecutor::builder()
            .worker_program(program)
            .stderr(WorkerStderr::Discard);
        let worker = Worker::builder()
            .url(url)
            .queue(&queue)
            .queue_ttl(QUEUE_TTL)
            .isolation(Isolation::Process)
            .processes(processes)
            .slots(config.workers)
            .start()?;
        let mut builder = NatsExecutor::builder()
            .url(url)
            .queue(&queue)
            .queue_ttl(QUEUE_TTL)
            .parallelism(config.workers)
            .on_full(match config.on_full {
                conformance_tests::OnFull::Reject => OnFull::Reject,
                _ => OnFull::Block,
            });
        if let Some(bound) = config.queue {
            builder = builder.queue_bound(bound);
        }
        Ok(Self {
            executor: builder.connect()?,
            worker: Arc::new(worker),
        })
    }
}

/// Queues go by themselves: there is one for each trial.
const QUEUE_TTL: Duration = Duration::from_secs(20);

impl Executor for Cluster {
    fn capabilities(&self) -> Capabilities {
        self.executor.capabilities()
    }

    fn execute(&self, job: Job, admission: Admission) -> Result<(), Rejected> {
        self.executor.execute(job, admission)
    }

    fn shutdown(&self, mode: Shutdown) -> Result<(), Unsupported> {
        self.executor.shutdown(mode)
    }

    fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        self.executor.join(deadline)?;
        // The worker serves nobody else.
        self.worker.drain();
        self.worker.join();
        Ok(())
    }

    fn stats(&self) -> Stats {
        self.executor.stats()
    }

    fn when_room(&self, kind: JobKind, waker: &Waker) -> bool {
        self.executor.when_room(kind, waker)
    }
}

fn victim() -> Result<(), Box<dyn Error>> {
    let cluster = Cluster::start(&env::var(URL)?, &Config::workers(2));
    Ok(victim_main(&cluster.map_err(|error| error.to_string())?)?)
}
