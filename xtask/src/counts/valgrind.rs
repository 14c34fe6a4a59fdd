//! Finds valgrind, or fetches Debian's into the target folder.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::metadata::Metadata;
use crate::outcome::{Failure, Outcome};
use crate::step::Cmd;

/// A valgrind that runs here.
#[derive(Debug)]
pub(crate) struct Valgrind {
    program: PathBuf,
    /// Where its tools are, if not where it was built for.
    tools: Option<PathBuf>,
    version: String,
}

impl Valgrind {
    /// The installed one, else one that was or can be fetched, else what to do about it.
    pub(crate) fn find() -> Outcome<Result<Self, String>> {
        if let Some(installed) = Self::try_at("valgrind".into(), None) {
            return Ok(Ok(installed));
        }
        let folder = Metadata::load()?.target_for("valgrind");
        if let Some(fetched) = Self::unpacked(&folder) {
            return Ok(Ok(fetched));
        }
        let found = fetch(&folder)?.and_then(|()| {
            Self::unpacked(&folder).ok_or_else(|| String::from("what was fetched does not run"))
        });
        Ok(found.map_err(|reason| {
            format!("there is no valgrind, and {reason} (apt-get install valgrind)")
        }))
    }

    /// Valgrind with its tool, to be given arguments.
    pub(crate) fn command(&self) -> Cmd {
        let command = Cmd::new(&self.program);
        match &self.tools {
            Some(tools) => command.env("VALGRIND_LIB", tools.display().to_string()),
            None => command,
        }
    }

    fn try_at(program: PathBuf, tools: Option<PathBuf>) -> Option<Self> {
        let mut found = Self {
            program,
            tools,
            version: String::new(),
        };
        // `true` shows that the tool runs too; a version alone needs no tool.
        let trial = found.command().args(["--tool=callgrind", "--quiet"]);
        let trial = trial.args(["--callgrind-out-file=/dev/null", "true"]);
        if !trial.succeeds() {
            return None;
        }
        let version = found.command().arg("--version").output().ok()?;
        found.version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
        Some(found)
    }

    /// The one below this folder, if there is one that runs.
    fn unpacked(folder: &Path) -> Option<Self> {
        let tools = ["usr/libexec/valgrind", "usr/lib/valgrind"]
            .map(|name| folder.join(name))
            .into_iter()
            .find(|tools| tools.is_dir())?;
        // `usr/bin/valgrind` is a script that knows where it was to be installed.
        Self::try_at(folder.join("usr/bin/valgrind.bin"), Some(tools))
    }
}

impl fmt::Display for Valgrind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.version)
    }
}

/// Unpacks Debian's package into a folder, which needs neither root nor an installation; or says why not.
fn fetch(folder: &Path) -> Outcome<Result<(), String>> {
    for tool in ["apt-get", "dpkg-deb"] {
        if !Cmd::new(tool).arg("--version").succeeds() {
            return Ok(Err(format!("no {tool} to fetch Debian's with")));
        }
    }
    fs::create_dir_all(folder)
        .map_err(|error| Failure::new(format!("cannot make {}: {error}", folder.display())))?;
    let download = Cmd::new("env")
        .arg("-C")
        .arg(folder)
        .args(["apt-get", "download", "valgrind"]);
    if download.run().is_err() {
        return Ok(Err(String::from("apt-get cannot download it")));
    }
    let Some(package) = package_in(folder)? else {
        return Ok(Err(String::from("apt-get has downloaded no package")));
    };
    let unpack = Cmd::new("dpkg-deb").arg("-x").arg(package).arg(folder);
    if unpack.run().is_err() {
        return Ok(Err(String::from("dpkg-deb cannot unpack it")));
    }
    Ok(Ok(()))
}

fn package_in(folder: &Path) -> Outcome<Option<PathBuf>> {
    let unreadable = |error| Failure::new(format!("cannot list {}: {error}", folder.display()));
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::Valgrind;

    #[test]
    fn a_program_that_is_not_there_is_not_found() {
        let nowhere = PathBuf::from("nowhere/valgrind");
        assert!(Valgrind::try_at(nowhere, None).is_none());
    }

    #[test]
    fn a_folder_without_it_has_none_unpacked() {
        assert!(Valgrind::unpacked(&PathBuf::from("nowhere")).is_none());
    }
}
