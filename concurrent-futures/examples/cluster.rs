//! Many machines in one program: it submits, it works, and it shows what there is.
//!
//! ```text
//! cargo run --release --features nats --example cluster -- demo
//! ```
//!
//! starts a server and three workers on this machine, runs 10,000 tasks on them, kills one worker half-way, and checks
//! every result. The same program on machines of their own, with a server that they can reach:
//!
//! ```text
//! cluster worker --nats nats://host:4222 --queue default --slots 8     on each of them
//! cluster submit --nats nats://host:4222 --queue default --tasks 10000
//! cluster status --nats nats://host:4222
//! ```

use std::{
    collections::BTreeSet,
    env,
    error::Error,
    io,
    num::NonZero,
    path::PathBuf,
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use clap::{Args, Parser, Subcommand};
use concurrent_futures::{
    as_completed, context,
    nats::{Credentials, NatsBuilder, Tls, Worker, WorkerBuilder},
    prelude::*,
};
use indicatif::{ProgressBar, ProgressStyle};

#[path = "cluster/server.rs"]
mod server;

use self::server::Server;

/// Runs tasks on many machines.
#[derive(Debug, Parser)]
#[command(name = "cluster")]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// A server and three workers on this machine, 10,000 tasks, and one worker that is killed half-way.
    Demo {
        #[arg(long, default_value_t = 10_000)]
        tasks: u64,
    },
    /// Makes the streams and the queue on the server, for which others need no rights then.
    Setup {
        #[command(flatten)]
        server: Connection,
        /// How many servers hold each task.
        #[arg(long, default_value_t = 1)]
        replicas: usize,
    },
    /// Submits tasks, and checks their results.
    Submit {
        #[command(flatten)]
        server: Connection,
        #[arg(long, default_value_t = 10_000)]
        tasks: u64,
    },
    /// Runs tasks until it is told to end (SIGTERM, Ctrl-C); finishes those that it has begun.
    Worker {
        #[command(flatten)]
        server: Connection,
        /// How many tasks run at once, each in a process of its own [default: one for each processor].
        #[arg(long)]
        slots: Option<usize>,
        /// After how many seconds without a sign of life a task is run elsewhere.
        #[arg(long)]
        lease: Option<u64>,
    },
    /// Prints queues, what waits and what runs, and workers.
    Status {
        #[command(flatten)]
        server: Connection,
    },
}

/// How to reach the server. The password is taken from `NATS_PASSWORD`, since everybody can read a command line.
#[derive(Debug, Clone, Args)]
struct Connection {
    /// Address of the server [default: $NATS_URL, or nats://127.0.0.1:4222].
    #[arg(long)]
    nats: Option<String>,
    /// Which of the queues.
    #[arg(long, default_value = "default")]
    queue: String,
    /// Keeps applications apart that share a server.
    #[arg(long, default_value = "exec")]
    namespace: String,
    /// Name of the user, if the server has any.
    #[arg(long)]
    user: Option<String>,
    /// Certificate of who signed that of the server.
    #[arg(long)]
    tls_ca: Option<PathBuf>,
}

/// A number, the steps of its Collatz sequence down to 1, and which attempt of the task this was.
#[task]
fn collatz(n: u64) -> (u64, u64, u32) {
    (n, steps(n), context::attempt())
}

fn steps(n: u64) -> u64 {
    let (mut n, mut steps) = (n, 0);
    while n > 1 {
        n = if n.is_multiple_of(2) {
            n / 2
        } else {
            3 * n + 1
        };
        steps += 1;
    }
    steps
}

pub(crate) fn main() -> ExitCode {
    concurrent_futures::init(); // a worker runs each task in a process of this program
    let done = match Arguments::parse().command {
        Action::Demo { tasks } => demo(tasks),
        Action::Setup { server, replicas } => set_up(&server, replicas),
        Action::Submit { server, tasks } => submit(&server, tasks),
        Action::Worker {
            server,
            slots,
            lease,
        } => work(&server, slots, lease),
        Action::Status { server } => status(&server),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cluster: {error}");
            ExitCode::FAILURE
        }
    }
}

type Done = Result<(), Box<dyn Error>>;

/// In seconds. The demonstration does not wait for long until a worker that is gone is missed; in earnest it is 30 s, so
/// that one with a slow network is not taken for dead.
const LEASE: u64 = 2;

fn demo(tasks: u64) -> Done {
    let server = Server::start()?;
    println!("server: {}, {}", server.version(), server.url());
    let mut workers = Vec::new();
    for _ in 0..3 {
        workers.push(Program::start_worker(server.url())?);
    }
    let pids: Vec<String> = workers
        .iter()
        .map(|worker| worker.0.id().to_string())
        .collect();
    println!("workers: 3, pids {}", pids.join(", "));

    let executor = Connection::to(server.url())
        .submitter()
        .lease(Duration::from_secs(LEASE))
        .connect()?;
    let victim = &mut workers[0].0;
    let run = run(&executor, tasks, |done| {
        if done == tasks / 2 {
            println!("kill -9: worker {} after {done} results", victim.id());
            victim.kill()?;
        }
        Ok(())
    })?;
    println!(
        "right: {tasks} of {tasks}, after {:.1} s",
        run.taken.as_secs_f64()
    );
    println!(
        "run again: {}, which the worker that was killed had begun",
        run.again
    );
    Ok(())
}

fn set_up(server: &Connection, replicas: usize) -> Done {
    let executor = server.submitter().replicas(replicas).connect()?;
    println!("{} is set up for the queue {}", server.url(), server.queue);
    print!("{}", executor.status()?);
    Ok(())
}

fn submit(server: &Connection, tasks: u64) -> Done {
    let executor = server.submitter().connect()?;
    let run = run(&executor, tasks, |_| Ok(()))?;
    println!(
        "right: {tasks} of {tasks}, {:.0} tasks/s",
        tasks as f64 / run.taken.as_secs_f64()
    );
    println!("run again: {}", run.again);
    Ok(())
}

fn work(server: &Connection, slots: Option<usize>, lease: Option<u64>) -> Done {
    let slots = slots.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get));
    let mut worker = server.worker().slots(slots);
    if let Some(seconds) = lease {
        worker = worker.lease(Duration::from_secs(seconds));
    }
    worker.run()?;
    Ok(())
}

fn status(server: &Connection) -> Done {
    print!("{}", server.submitter().connect()?.status()?);
    Ok(())
}

/// What came of a number of tasks.
struct Run {
    /// How many ran more than once.
    again: u64,
    taken: Duration,
}

/// Submits a task for each number, tells `progress` how many are done, and checks each result.
fn run(
    executor: &dyn Executor,
    tasks: u64,
    mut progress: impl FnMut(u64) -> io::Result<()>,
) -> Result<Run, Box<dyn Error>> {
    let start = Instant::now();
    let mut futures = Vec::new();
    for n in 1..=tasks {
        futures.push(executor.submit(collatz::task(n))?);
    }
    let bar = progress_bar(tasks);
    let mut missing: BTreeSet<u64> = (1..=tasks).collect();
    let mut again = 0;
    for (done, future) in (1..).zip(as_completed(futures)) {
        let (n, found, attempt) = future.result()?;
        if !missing.remove(&n) || found != steps(n) {
            return Err(format!("{n} has {} steps, and the result says {found}", steps(n)).into());
        }
        again += u64::from(attempt > 1);
        bar.inc(1);
        bar.suspend(|| progress(done))?;
    }
    bar.finish_and_clear();
    if !missing.is_empty() {
        return Err(format!("{} results are missing", missing.len()).into());
    }
    let taken = start.elapsed();
    Ok(Run { again, taken })
}

impl Connection {
    /// To this server, without a user.
    fn to(url: &str) -> Self {
        Self {
            nats: Some(url.to_owned()),
            queue: "default".to_owned(),
            namespace: "exec".to_owned(),
            user: None,
            tls_ca: None,
        }
    }

    fn submitter(&self) -> NatsBuilder {
        let mut builder = NatsExecutor::builder()
            .url(self.url())
            .queue(&self.queue)
            .namespace(&self.namespace);
        if let Some(user) = &self.user {
            builder = builder.user(user);
        }
        if let Some(credentials) = self.credentials() {
            builder = builder.credentials(credentials);
        }
        match &self.tls_ca {
            Some(path) => builder.tls(Tls::new().authority(path)),
            None => builder,
        }
    }

    fn worker(&self) -> WorkerBuilder {
        let mut builder = Worker::builder()
            .url(self.url())
            .queue(&self.queue)
            .namespace(&self.namespace);
        if let Some(user) = &self.user {
            builder = builder.user(user);
        }
        if let Some(credentials) = self.credentials() {
            builder = builder.credentials(credentials);
        }
        match &self.tls_ca {
            Some(path) => builder.tls(Tls::new().authority(path)),
            None => builder,
        }
    }

    fn url(&self) -> String {
        let url = self.nats.clone().or_else(|| env::var("NATS_URL").ok());
        url.unwrap_or_else(|| "nats://127.0.0.1:4222".to_owned())
    }

    fn credentials(&self) -> Option<Credentials> {
        let password = env::var("NATS_PASSWORD").ok()?;
        Some(Credentials::Password(self.user.clone()?, password))
    }
}

/// This program once more; dropped, it is killed.
struct Program(Child);

impl Program {
    fn start_worker(url: &str) -> io::Result<Self> {
        let child = Command::new(env::current_exe()?)
            .args([
                "worker",
                "--nats",
                url,
                "--slots",
                "4",
                "--lease",
                &LEASE.to_string(),
            ])
            .stdin(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Either fails only if it has ended before.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Draws on stderr, and only if that is a terminal.
fn progress_bar(tasks: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} tasks, {eta} left")
        .expect("the template is well-formed");
    ProgressBar::new(tasks).with_style(style)
}
