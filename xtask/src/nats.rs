//! A `nats-server` for the tests and examples that need one: the one that is there, else one that is fetched.
//!
//! Nothing of the system changes, and nobody needs to be root: a package is unpacked below `target/`, with lists
//! and caches of its own beside it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::family::FACADE;
use crate::metadata::Metadata;
use crate::outcome::{Failure, Outcome};
use crate::step::Cmd;

/// Tells the tests which program to start.
pub(crate) const VARIABLE: &str = "NATS_SERVER";

/// The packages with tests or examples that start one.
pub(crate) const NATS_PACKAGES: [&str; 2] = ["executor-nats", FACADE];

/// A server that has said its version.
#[derive(Debug)]
pub(crate) struct Server {
    path: PathBuf,
    version: String,
    found: String,
}

/// `cargo xtask nats`: prints the path alone, for a shell to take.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if let Some(stray) = arguments.first() {
        return Err(Failure::new(format!("unexpected argument `{stray}`")));
    }
    println!("{}", server()?.path.display());
    Ok(())
}

/// Finds a server, or fetches one, and says which.
pub(crate) fn server() -> Outcome<Server> {
    let server = find_or_fetch()?;
    eprintln!(
        "nats-server {}, {}: {}",
        server.version,
        server.found,
        server.path.display()
    );
    Ok(server)
}

impl Server {
    /// The server itself.
    #[must_use]
    pub(crate) fn command(&self) -> Cmd {
        Cmd::new(&self.path)
    }

    /// One on a port of its own, which ends with the value.
    pub(crate) fn start(&self) -> Outcome<Running> {
        self.start_with(&["-js".to_owned()])
    }

    /// The same with these options, of which those for folders and ports may be overruled.
    pub(crate) fn start_with(&self, options: &[String]) -> Outcome<Running> {
        let folder = Metadata::load()?
            .target_for("nats-server")
            .join(format!("run-{}", process::id()));
        let cannot = |what: String| Failure::new(format!("cannot start nats-server: {what}"));
        fs::create_dir_all(&folder).map_err(|error| cannot(error.to_string()))?;
        let child = self
            .command()
            .args(options)
            .args(["-a", "127.0.0.1", "-p", "-1"])
            .args([OsStr::new("-sd"), folder.as_os_str()])
            .args([OsStr::new("--ports_file_dir"), folder.as_os_str()])
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| cannot(error.to_string()))?;
        let file = folder.join(format!("nats-server_{}.ports", child.id()));
        let mut running = Running {
            child,
            folder,
            url: String::new(),
        };
        let deadline = Instant::now() + PATIENCE;
        while running.url.is_empty() {
            let text = fs::read_to_string(&file).unwrap_or_default();
            if let Ok(ports) = serde_json::from_str::<Value>(&text) {
                running.url = ports["nats"][0].as_str().unwrap_or("").to_owned();
            }
            if Instant::now() > deadline {
                return Err(cannot("it does not say where it listens".to_owned()));
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "a file cannot be waited for with a deadline"
            )]
            thread::sleep(Duration::from_millis(5));
        }
        Ok(running)
    }

    /// The command, told of the server.
    #[must_use]
    pub(crate) fn tell(&self, command: Cmd) -> Cmd {
        command.env(VARIABLE, self.path.display().to_string())
    }
}

/// A server that runs; dropped, it is killed, and what it stored is removed.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    folder: PathBuf,
    url: String,
}

impl Running {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Each fails only if it has been done before.
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// How long a server may take to be up.
const PATIENCE: Duration = Duration::from_secs(30);

fn find_or_fetch() -> Outcome<Server> {
    if let Some(named) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        let path = PathBuf::from(named);
        return try_out(&path, &format!("from {VARIABLE}")).ok_or_else(|| {
            let reason = format!(
                "{VARIABLE} is `{}`, which does not tell a version of nats-server",
                path.display()
            );
            Failure::new(reason).repeat_with(format!("{} --version", path.display()))
        });
    }
    if let Some(server) = in_path() {
        return Ok(server);
    }
    let place = Metadata::load()?.target_for("nats-server");
    let mut failures = Vec::new();
    for source in SOURCES {
        match source.fetch(&place) {
            Ok(server) => return Ok(server),
            Err(failure) => failures.push(format!("{}: {failure}", source.name)),
        }
    }
    Err(missing(&failures))
}

fn in_path() -> Option<Server> {
    let name = format!("nats-server{}", env::consts::EXE_SUFFIX);
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join(&name))
        .filter(|path| path.is_file())
        .find_map(|path| try_out(&path, "from PATH"))
}

/// Runs `nats-server --version`, which says `nats-server: v2.15.1`.
fn try_out(path: &Path, found: &str) -> Option<Server> {
    let output = Cmd::new(path).arg("--version").output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let version = said.trim().strip_prefix("nats-server: v")?;
    output.status.success().then(|| Server {
        path: path.to_path_buf(),
        version: version.to_owned(),
        found: found.to_owned(),
    })
}

/// Where a package comes from.
struct Source {
    /// Also the name of its folder.
    name: &'static str,
    what: &'static str,
    /// The one line of its list of sources, and the key that it is signed with; without, those of the system.
    list: Option<(&'static str, &'static str)>,
}

/// The newest first. That of Debian's unstable distribution is a static program but for libc, 2.34 or newer.
const SOURCES: &[Source] = &[
    Source {
        name: "sid",
        what: "Debian's newest package",
        list: Some((
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] \
             http://deb.debian.org/debian sid main\n",
            "/usr/share/keyrings/debian-archive-keyring.gpg",
        )),
    },
    Source {
        name: "own",
        what: "this distribution's package",
        list: None,
    },
];

impl Source {
    /// What an earlier run has unpacked, or a download.
    fn fetch(&self, place: &Path) -> Result<Server, String> {
        let unpacked = place.join(self.name);
        let program = unpacked.join("usr/sbin/nats-server");
        let found = format!("{}, unpacked without being installed", self.what);
        if let Some(server) = try_out(&program, &found) {
            return Ok(server);
        }
        if !Cmd::new("apt-get").arg("--version").succeeds() {
            return Err("there is no apt-get here".to_owned());
        }
        if let Some((_, key)) = self.list
            && !Path::new(key).is_file()
        {
            return Err(format!("there is no {key} to trust it by"));
        }
        eprintln!("    fetching {} of nats-server", self.what);
        // Of this process alone until it is whole: somebody else may do the same.
        let work = place.join(format!("{}-{}", self.name, process::id()));
        let done = self.unpack(&work, &unpacked);
        let cleared = fs::remove_dir_all(&work);
        done?;
        cleared.map_err(|error| format!("cannot remove {}: {error}", work.display()))?;
        try_out(&program, &found).ok_or_else(|| {
            let path = program.display();
            format!("the package's {path} does not run here, see `{path} --version`")
        })
    }

    fn unpack(&self, work: &Path, unpacked: &Path) -> Result<(), String> {
        let at = |error: std::io::Error| format!("cannot write in {}: {error}", work.display());
        for folder in ["lists/partial", "archives/partial", "package"] {
            fs::create_dir_all(work.join(folder)).map_err(at)?;
        }
        // apt insists on its own words in front of a folder that it cannot write.
        let options = self.options(work).map_err(at)?;
        let apt = |words: &[&str]| {
            let command = Cmd::new("apt-get").arg("-qq").args(&options).args(words);
            silently(&command.within(work.join("package")))
        };
        apt(&["update"])?;
        apt(&["download", "nats-server"])?;
        let package = fs::read_dir(work.join("package"))
            .map_err(at)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|kind| kind == "deb"))
            .ok_or("apt-get download left no package")?;
        let whole = work.join("whole");
        silently(
            &Cmd::new("dpkg-deb")
                .arg("--extract")
                .arg(&package)
                .arg(&whole),
        )?;
        // What is in the way does not run, or it would have been taken.
        if unpacked.exists() && try_out(&unpacked.join("usr/sbin/nats-server"), "").is_none() {
            fs::remove_dir_all(unpacked).map_err(at)?;
        }
        match fs::rename(&whole, unpacked) {
            Err(error) if !unpacked.exists() => Err(at(error)),
            // or another run was quicker
            _ => Ok(()),
        }
    }

    /// A state of apt's that is not the system's: nothing is locked, read or changed there but its configuration.
    fn options(&self, work: &Path) -> Result<Vec<String>, std::io::Error> {
        let mut options = vec![
            format!("-oDir::State={}", work.display()),
            format!("-oDir::State::lists={}", work.join("lists").display()),
            format!("-oDir::State::status={}", work.join("status").display()),
            format!("-oDir::Cache={}", work.display()),
            "-oAcquire::Languages=none".to_owned(),
            "-oAcquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            "-oAcquire::Retries=3".to_owned(),
            // Root would hand the download to a user who may not write here.
            "-oAPT::Sandbox::User=root".to_owned(),
        ];
        fs::write(work.join("status"), "")?;
        if let Some((line, _)) = self.list {
            let list = work.join("sources.list");
            fs::write(&list, line)?;
            options.push(format!("-oDir::Etc::SourceList={}", list.display()));
            options.push("-oDir::Etc::SourceParts=/dev/null".to_owned());
        }
        Ok(options)
    }
}

/// Runs a command that has nothing to say unless it fails.
fn silently(command: &Cmd) -> Result<(), String> {
    eprintln!("    $ {command}");
    let output = command.output().map_err(|failure| failure.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said.lines().map(str::trim).collect();
    Err(format!("{} ({})", said.join("; "), output.status))
}

/// What to type where nothing was found and nothing could be fetched.
fn missing(failures: &[String]) -> Failure {
    let advice = match env::consts::OS {
        "macos" => "brew install nats-server",
        "linux" => "sudo apt-get install nats-server",
        _ => "go install github.com/nats-io/nats-server/v2@latest",
    };
    let failures = failures
        .iter()
        .map(|failure| format!("\n    {}", failure.trim()))
        .collect::<String>();
    Failure::new(format!(
        "the tests of executor-nats need a nats-server: run `{advice}`, or set {VARIABLE} to the program \
         (which https://nats.io/download has for every system). It is not in PATH, and to fetch it failed:{failures}"
    ))
}

#[cfg(test)]
mod tests {
    use super::{VARIABLE, missing, try_out};
    use std::path::Path;

    #[test]
    fn what_is_no_server_is_not_taken_for_one() {
        assert!(try_out(Path::new("no-such-program-anywhere"), "").is_none());
        assert!(try_out(Path::new("cargo"), "").is_none());
    }

    #[test]
    fn the_failure_says_what_to_type() {
        let text = missing(&["sid: no apt-get".to_owned()]).to_string();
        for part in ["install", VARIABLE, "sid: no apt-get"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
