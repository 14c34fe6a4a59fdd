//! A real `nats-server` on a port of its own: started, killed, frozen and restarted by the tests.
//!
//! `NATS_SERVER` names the program, else it is looked for in `PATH`, and where `cargo xtask nats` leaves it. Each server has a folder of its own, which goes
//! with it, and listens on loopback alone. One server serves a group of tests: it is up in some 30 ms.

use std::{
    env, fmt,
    fs::{self, File},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a server may take to be up; a machine that is busy takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the file of its ports is looked for. Nothing is decided by it but how soon we notice.
const POLL: Duration = Duration::from_millis(2);

/// What kind of server it is to be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    without_jetstream: bool,
    max_file_store: Option<u64>,
    tls: Option<String>,
    address: Option<String>,
    config: String,
}

impl Options {
    /// With JetStream, without TLS, open to everybody.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Core NATS alone.
    pub(crate) fn without_jetstream(self) -> Self {
        Self {
            without_jetstream: true,
            ..self
        }
    }

    /// JetStream's files together are at most this long.
    pub(crate) fn max_file_store(self, bytes: u64) -> Self {
        Self {
            max_file_store: Some(bytes),
            ..self
        }
    }

    /// Clients must speak TLS; the lines name the certificates, as those of an `Authority` do.
    pub(crate) fn tls(self, lines: &str) -> Self {
        Self {
            tls: Some(lines.to_owned()),
            ..self
        }
    }

    /// On this address, and not on 127.0.0.1.
    pub(crate) fn at(self, address: &str) -> Self {
        Self {
            address: Some(address.to_owned()),
            ..self
        }
    }

    /// More lines of the configuration file: users with their rights, limits.
    pub(crate) fn config(self, lines: &str) -> Self {
        Self {
            config: format!("{}\n{lines}\n", self.config),
            ..self
        }
    }
}

/// A running server; dropped, it is killed and its folder removed.
pub(crate) struct Server {
    options: Options,
    folder: TempDir,
    port: u16,
    child: Child,
}

impl Server {
    /// Starts one on a port that was free, and returns once it takes connections.
    pub(crate) fn start(options: Options) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("nats-")
            .tempdir()
            .expect("a folder for the server");
        write_config(&options, folder.path());
        let (child, port) = launch(&options, folder.path(), None);
        Self {
            options,
            folder,
            port,
            child,
        }
    }

    /// Where clients connect.
    pub(crate) fn url(&self) -> String {
        // A certificate is for a name.
        let (scheme, host) = match self.options.tls {
            Some(_) => ("tls", "localhost"),
            None => ("nats", self.options.host()),
        };
        format!("{scheme}://{host}:{}", self.port)
    }

    /// SIGKILL, as for a machine that goes away; waits for the end of the process. Its store stays.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the server can be killed");
        self.child.wait().expect("the server has ended");
    }

    /// SIGKILL if it runs, then one on the same port with the same store.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let (child, port) = launch(&self.options, self.folder.path(), Some(self.port));
        assert_eq!(port, self.port, "the port that was asked for");
        self.child = child;
    }

    /// SIGHUP: the server reads its configuration anew, without an end of its connections but of those that may not be.
    pub(crate) fn reload_with(&mut self, options: Options) {
        write_config(&options, self.folder.path());
        self.options = options;
        self.signal(Signal::HUP);
    }

    /// SIGSTOP: it answers nothing, and its connections stay.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// What it wrote to its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The warnings and errors of its log.
    pub(crate) fn complaints(&self) -> String {
        let log = self.log();
        let lines = log
            .lines()
            .filter(|line| line.contains("[ERR]") || line.contains("[WRN]"));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the server can be signalled");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Either fails only if it has ended before.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Server");
        f.field("url", &self.url()).field("pid", &self.child.id());
        f.finish_non_exhaustive()
    }
}

impl Options {
    fn host(&self) -> &str {
        self.address.as_deref().unwrap_or("127.0.0.1")
    }
}

/// The program, or a panic that says how to get it.
pub(crate) fn program() -> PathBuf {
    find().unwrap_or_else(|| {
        panic!(
            "there is no nats-server, neither in PATH nor in the folder `target`: run `cargo xtask nats`, which fetches \
             one, or set NATS_SERVER to it"
        )
    })
}

/// The program, if there is one.
pub(crate) fn find() -> Option<PathBuf> {
    if let Some(named) = env::var_os("NATS_SERVER").filter(|value| !value.is_empty()) {
        return Some(named.into());
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    let name = format!("nats-server{}", env::consts::EXE_SUFFIX);
    let in_path = env::split_paths(&folders).map(|folder| folder.join(&name));
    // This program is somewhere below the folder of which xtask's is one.
    let own = env::current_exe().unwrap_or_default();
    let fetched = own.ancestors().flat_map(|folder| {
        ["sid", "own"]
            .map(|source| folder.join(format!("nats-server/{source}/usr/sbin/nats-server")))
    });
    in_path.chain(fetched).find(|path| path.is_file())
}

/// Starts the program; returns once it listens, with the port that it listens on.
fn launch(options: &Options, folder: &Path, port: Option<u16>) -> (Child, u16) {
    let program = program();
    let mut command = Command::new(&program);
    let port = port.map_or_else(|| "-1".to_owned(), |port| port.to_string());
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .expect("the log of the server");
    command
        .args(["-a", options.host(), "-p", &port])
        .arg("--ports_file_dir")
        .arg(folder)
        .arg("-c")
        .arg(folder.join("server.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()));

    let ports = folder.join(format!("nats-server_{}.ports", child.id()));
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(port) = fs::read_to_string(&ports)
            .ok()
            .and_then(|text| parse_port(&text))
        {
            TcpStream::connect((options.host(), port)).expect("the server takes connections");
            return (child, port);
        }
        let ended = child.try_wait().expect("the state of the server");
        if ended.is_some() || Instant::now() > deadline {
            drop(child.kill());
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            panic!(
                "{} is not up ({ended:?}); its log:\n{log}",
                program.display()
            );
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "a file cannot be waited for with a deadline"
        )]
        thread::sleep(POLL);
    }
}

/// From `{"nats":["nats://127.0.0.1:41423"], ..}`; `None` while the file is not whole.
fn parse_port(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("\"nats\"")?;
    let (list, _) = rest.split_once(']')?;
    let (_, port) = list
        .split_once('"')?
        .1
        .split_once('"')?
        .0
        .rsplit_once(':')?;
    port.parse().ok()
}

fn write_config(options: &Options, folder: &Path) {
    let mut config = String::new();
    if !options.without_jetstream {
        let store = folder.join("store");
        config += &format!("jetstream {{\n  store_dir: {store:?}\n");
        if let Some(bytes) = options.max_file_store {
            config += &format!("  max_file_store: {bytes}\n");
        }
        config += "}\n";
    }
    config.extend(options.tls.as_deref());
    config += &options.config;
    fs::write(folder.join("server.conf"), config).expect("the configuration of the server");
}
