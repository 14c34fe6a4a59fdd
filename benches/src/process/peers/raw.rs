//! What the system gives without a pool: one process, two pipes, blocking reads and writes.

use std::{
    env,
    fs::File,
    io::{self, Read as _, Write as _},
    os::fd::AsFd,
    process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio},
};

/// The argument that makes this program a raw worker.
const FLAG: &str = "--raw";

/// Serves, if this process was started as a raw worker.
pub(crate) fn serve() -> Option<ExitCode> {
    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() != Some(FLAG) {
        return None;
    }
    let size = arguments.next().and_then(|size| size.parse().ok());
    let served = match size {
        Some(0) => first_byte(),
        Some(size) => echo(size),
        None => Err(io::Error::other("the size of the messages is missing")),
    };
    Some(match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    })
}

/// A process that sends back each message of a fixed size, once it has all of it.
pub(crate) struct Echo {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    message: Vec<u8>,
}

impl Echo {
    pub(crate) fn start(size: usize) -> Self {
        let mut child = command(size)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be started");
        Self {
            input: child.stdin.take().expect("it is a pipe"),
            output: child.stdout.take().expect("it is a pipe"),
            child,
            message: vec![7; size],
        }
    }

    /// Sends a message there and back.
    pub(crate) fn round_trip(&mut self) {
        self.input
            .write_all(&self.message)
            .expect("the process reads");
        self.output
            .read_exact(&mut self.message)
            .expect("the process answers");
    }

    /// Ends the process.
    pub(crate) fn stop(mut self) {
        drop(self.input);
        self.child.wait().expect("nobody else waits for it");
    }
}

/// Starts this program, and waits for the first byte that it writes. Gives the process, to be waited for.
pub(crate) fn start_to_first_byte() -> Child {
    let mut child = command(0)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program can be started");
    let output = child.stdout.as_mut().expect("it is a pipe");
    output.read_exact(&mut [0]).expect("it writes a byte");
    child
}

fn command(size: usize) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program has a path"));
    command.args([FLAG, &size.to_string()]);
    command
}

fn first_byte() -> io::Result<()> {
    unbuffered(&io::stdout())?.write_all(&[1])
}

fn echo(size: usize) -> io::Result<()> {
    let mut input = unbuffered(&io::stdin())?;
    let mut output = unbuffered(&io::stdout())?;
    let mut message = vec![0; size];
    loop {
        match input.read_exact(&mut message) {
            Ok(()) => output.write_all(&message)?,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// The file behind a standard stream, which the library buffers.
fn unbuffered(stream: &impl AsFd) -> io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}
