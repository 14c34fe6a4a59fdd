//! The processes of a sample: a worker, who answers bare requests, and this one, which submits and asks.

use std::{
    env,
    error::Error,
    io::{self, BufRead as _, BufReader, Read as _},
    process::{self, Child, Command, Stdio},
    thread,
    time::Duration,
};

use async_nats::Client;
use executor_nats::{NatsExecutor, Worker};
use futures::{StreamExt as _, future};
use tokio::runtime::{Builder, Runtime};

use super::server::{self, QUEUE_TTL};
use crate::measure::clock::pause;

/// The argument that makes this program a worker.
const WORKER: &str = "--nats-worker";

/// The argument that makes this program one that sends back what it is sent.
const ECHO: &str = "--nats-echo";

/// How many tasks a worker runs at once.
const SLOTS: u8 = 64;

/// What is sent: as much as the argument of a small task.
const MESSAGE: &str = "12345678";

/// Serves, if this process was started to do so, until the one that started it ends it or has ended. Gives the exit code.
pub(crate) fn serve() -> Option<i32> {
    let mut arguments = env::args().skip(1);
    let served = match arguments.next()?.as_str() {
        server::FLAG => {
            let _server = server::serve();
            until_told();
            Ok(())
        }
        WORKER => {
            end_when_told();
            work(arguments)
        }
        ECHO => {
            end_when_told();
            echo(arguments)
        }
        _ => return None,
    };
    Some(match served {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            1
        }
    })
}

/// Nothing is written to the standard input: it ends with the value there, or with its process.
fn until_told() {
    let _ended = io::stdin().read_to_end(&mut Vec::new());
}

#[expect(
    clippy::disallowed_methods,
    reason = "who reads the results has ended: nothing is left to be drained"
)]
fn end_when_told() {
    thread::spawn(|| {
        until_told();
        process::exit(0);
    });
}

fn work(arguments: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let worker = Worker::builder().arguments(arguments)?;
    Ok(worker.queue_ttl(QUEUE_TTL).run()?)
}

fn echo(mut arguments: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let mut next = || arguments.next().ok_or("an argument is missing");
    let (address, subject) = (next()?, next()?);
    runtime().block_on(async {
        let client = async_nats::connect(address).await?;
        let mut requests = client.subscribe(subject).await?;
        while let Some(request) = requests.next().await {
            if let Some(reply) = request.reply {
                client.publish(reply, request.payload).await?;
            }
        }
        Ok(())
    })
}

/// An executor, and the only worker of its queue in a process of its own.
pub(super) struct Cluster {
    // In this order: what it accepted is done before the worker goes.
    executor: NatsExecutor,
    _worker: Program,
}

impl Cluster {
    /// With a worker that runs its tasks so.
    pub(super) fn start(isolation: &str) -> Self {
        let (address, queue, slots) = (server::address(), server::queue(), SLOTS.to_string());
        #[rustfmt::skip] // a command line
        let worker = Program::start(&[
            WORKER, "--nats", &address, "--queue", &queue, "--isolation", isolation, "--slots", &slots,
        ]);
        let executor = NatsExecutor::builder().url(address).queue(queue);
        let executor = executor.queue_ttl(QUEUE_TTL).parallelism(SLOTS.into());
        Self {
            executor: executor.connect().expect("the server has JetStream"),
            _worker: worker,
        }
    }

    pub(super) const fn executor(&self) -> &NatsExecutor {
        &self.executor
    }
}

/// Requests of the bare client, and the process that answers them.
pub(super) struct Requests {
    runtime: Runtime,
    client: Client,
    subject: String,
    _echo: Program,
}

impl Requests {
    pub(super) fn start() -> Self {
        let (address, subject) = (server::address(), server::queue());
        let echo = Program::start(&[ECHO, &address, &subject]);
        let runtime = runtime();
        let client = runtime.block_on(async_nats::connect(address));
        let requests = Self {
            runtime,
            client: client.expect("the server takes connections"),
            subject,
            _echo: echo,
        };
        // Until somebody answers, the server says that nobody does.
        while requests.runtime.block_on(requests.send()).is_err() {
            pause(Duration::from_millis(5));
        }
        requests
    }

    /// Sends a message there and back.
    pub(super) fn one(&self) {
        let answer = self.runtime.block_on(self.send());
        answer.expect("somebody answers");
    }

    /// So many, without waiting for the first before the last is sent.
    pub(super) fn many(&self, times: u64) {
        let all = future::join_all((0..times).map(|_| self.send()));
        for answer in self.runtime.block_on(all) {
            answer.expect("somebody answers");
        }
    }

    async fn send(&self) -> Result<(), async_nats::RequestError> {
        let asking = self.client.request(self.subject.clone(), MESSAGE.into());
        asking.await.map(drop)
    }
}

/// This program in a role, for the time of the value, or until this process ends, however it does.
pub(crate) struct Program(Child);

impl Program {
    pub(super) fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env::current_exe().expect("this program has a path"));
        command.args(arguments);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        Self(child.expect("this program can be started"))
    }

    /// What it says first, if it does so.
    pub(super) fn first_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let output = self.0.stdout.as_mut()?;
        BufReader::new(output).read_line(&mut line).ok()?;
        let line = line.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().expect("nobody else waits for it");
    }
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder
        .enable_all()
        .build()
        .expect("a runtime of this thread alone")
}
