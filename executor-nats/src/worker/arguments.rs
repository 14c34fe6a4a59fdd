//! A worker from the arguments of a program.

use std::time::Duration;

use super::{Isolation, Worker, WorkerBuilder};
use crate::{ConnectError, ConnectErrorKind, Credentials};

/// Runs a worker as the arguments say, until the program is told to end (SIGTERM, SIGINT); then it drains.
///
/// The arguments are those behind the name of the program: `worker --nats URL --queue QUEUE --slots NUMBER`, in any order, each
/// of them as `--slots 8` or `--slots=8`. What is left out is as for [`Worker::builder`]; the word `worker` may be left out, too.
/// Further ones are `--namespace`, `--isolation threads` (or `process`), `--lease SECONDS`, `--max-attempts`, `--name`, `--user`
/// and `--credentials FILE`.
///
/// With processes, which is the default, `main` calls [`executor_process::init`] first:
///
/// ```no_run
/// # fn main() -> Result<(), executor_nats::ConnectError> {
/// executor_process::init();
/// executor_nats::worker_main(std::env::args().skip(1))
/// # }
/// ```
///
/// # Errors
///
/// Of [`Invalid`](ConnectErrorKind::Invalid), which names the argument, if they cannot be read; and as for [`WorkerBuilder::start`].
pub fn worker_main<A>(arguments: A) -> Result<(), ConnectError>
where
    A: IntoIterator,
    A::Item: Into<String>,
{
    Worker::builder().arguments(arguments)?.run()
}

impl WorkerBuilder {
    /// Settings as the arguments of [`worker_main`] give them, for a program that adds some of its own.
    ///
    /// # Errors
    ///
    /// Of [`Invalid`](ConnectErrorKind::Invalid), which names the argument, if they cannot be read.
    pub fn arguments<A>(mut self, arguments: A) -> Result<Self, ConnectError>
    where
        A: IntoIterator,
        A::Item: Into<String>,
    {
        let mut arguments = arguments.into_iter().map(Into::<String>::into).peekable();
        if arguments.peek().is_some_and(|first| first == "worker") {
            arguments.next();
        }
        while let Some(argument) = arguments.next() {
            let (flag, value) = match argument.split_once('=') {
                Some((flag, value)) => (flag, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            if !FLAGS.contains(&flag) {
                return Err(invalid(format!(
                    "`{argument}` is no argument of a worker: there are {}",
                    FLAGS.join(", ")
                )));
            }
            let value = value
                .or_else(|| arguments.next())
                .ok_or_else(|| invalid(format!("`{flag}` has no value: write one behind it")))?;
            self = self.argument(flag, value)?;
        }
        Ok(self)
    }

    fn argument(self, flag: &str, value: String) -> Result<Self, ConnectError> {
        Ok(match flag {
            "--nats" => self.url(value),
            "--queue" => self.queue(value),
            "--namespace" => self.namespace(value),
            "--name" => self.name(value),
            "--user" => self.user(value),
            "--credentials" => self.credentials(Credentials::File(value.into())),
            "--slots" => self.slots(number(flag, &value)?),
            "--max-attempts" => self.max_attempts(number(flag, &value)?),
            "--lease" => {
                let seconds = number::<f64>(flag, &value)?;
                let lease = Duration::try_from_secs_f64(seconds).map_err(|error| {
                    invalid(format!(
                        "`{flag} {value}` is not a time in seconds: {error}"
                    ))
                })?;
                self.lease(lease)
            }
            _ => self.isolation(match value.as_str() {
                "process" => Isolation::Process,
                "threads" => Isolation::Threads,
                _ => {
                    return Err(invalid(format!(
                        "`{flag} {value}` is not known: write process or threads"
                    )));
                }
            }),
        })
    }
}

const FLAGS: [&str; 10] = [
    "--nats",
    "--queue",
    "--slots",
    "--namespace",
    "--isolation",
    "--lease",
    "--max-attempts",
    "--name",
    "--user",
    "--credentials",
];

fn number<N: std::str::FromStr>(flag: &str, value: &str) -> Result<N, ConnectError> {
    let refused = |_| invalid(format!("`{flag} {value}` is not a number that fits"));
    value.parse().map_err(refused)
}

fn invalid(text: String) -> ConnectError {
    ConnectError::new(ConnectErrorKind::Invalid, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<WorkerBuilder, ConnectError> {
        Worker::builder().arguments(line.split_whitespace())
    }

    #[test]
    fn arguments_are_settings() {
        let builder = read(
            "worker --nats nats://there:1 --queue=night --slots 3 --isolation threads \
             --lease 2.5 --max-attempts 7 --namespace other --name me --user u --credentials f",
        )
        .unwrap();
        assert_eq!(builder.common.url, "nats://there:1");
        assert_eq!(builder.common.queue, "night");
        assert_eq!(builder.common.namespace, "other");
        assert_eq!(builder.common.lease, Duration::from_millis(2500));
        assert_eq!(builder.common.user(), "u");
        assert_eq!((builder.slots, builder.max_attempts), (3, 7));
        assert_eq!(builder.isolation, Isolation::Threads);
        assert_eq!(builder.name.as_deref(), Some("me"));
        assert_eq!(read("").unwrap().common.queue, "default");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (line, named) in [
            ("--wrong 1", "--wrong"),
            ("worker worker", "`worker`"),
            ("--slots", "--slots"),
            ("--slots many", "many"),
            ("--lease -1", "--lease -1"),
            ("--lease NaN", "NaN"),
            ("--isolation none", "none"),
        ] {
            let error = read(line).unwrap_err();
            assert_eq!(error.kind(), ConnectErrorKind::Invalid, "{line}");
            assert!(error.to_string().contains(named), "{line}: {error}");
        }
    }
}
