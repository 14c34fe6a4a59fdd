//! A server for the demonstration, on a port of its own, that ends with it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How long a server may take to be up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `nats-server`; dropped, it is killed, and what it stored is removed.
pub(crate) struct Server {
    child: Child,
    version: String,
    url: String,
    _folder: TempDir,
}

impl Server {
    /// Starts the program that `NATS_SERVER` names, or else the one in `PATH`.
    pub(crate) fn start() -> io::Result<Self> {
        let program = program();
        let version = version(&program)?;
        let folder = TempDir::new()?;
        let child = Command::new(&program)
            .args(["-a", "127.0.0.1", "-p", "-1", "-js"])
            .arg("-sd")
            .arg(folder.path())
            .arg("--ports_file_dir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut server = Self {
            child,
            version,
            url: String::new(),
            _folder: folder,
        };
        server.url = server.wait_for_url()?;
        Ok(server)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The server writes where it listens to a file, once it does.
    fn wait_for_url(&mut self) -> io::Result<String> {
        let name = format!("nats-server_{}.ports", self.child.id());
        let file = self._folder.path().join(name);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(url) = fs::read_to_string(&file)
                .ok()
                .and_then(|text| first_url(&text))
            {
                return Ok(url);
            }
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                return Err(io::Error::other("the nats-server did not come up"));
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "a file cannot be waited for with a deadline"
            )]
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Either fails only if it has ended before.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn program() -> PathBuf {
    env::var_os("NATS_SERVER").map_or_else(|| "nats-server".into(), PathBuf::from)
}

fn version(program: &Path) -> io::Result<String> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .map_err(|error| {
            let text = format!(
                "cannot run {}: {error}; install nats-server, or let NATS_SERVER name it \
             (`export NATS_SERVER=\"$(cargo xtask nats)\"` fetches one)",
                program.display()
            );
            io::Error::new(error.kind(), text)
        })?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// From `{"nats":["nats://127.0.0.1:41423"], ..}`; `None` while the file is not whole.
fn first_url(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("\"nats\"")?;
    let (list, _) = rest.split_once(']')?;
    let (url, _) = list.split_once('"')?.1.split_once('"')?;
    Some(url.to_owned())
}
