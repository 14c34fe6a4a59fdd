//! `Backend::from_env` reads the variable, and nothing else does.
//!
//! No variable of this process changes: what reads it is a process of its own, this program again.

#[path = "support/mod.rs"]
mod support;

use std::{ffi::OsStr, process::ExitCode};

use concurrent_futures::Backend;
use libtest_mimic::{Arguments, Trial};

use self::support::{Checked, ensure, ensure_eq, text};

const VARIABLE: &str = "CONCURRENT_FUTURES_BACKEND";

fn main() -> ExitCode {
    concurrent_futures::init();
    if support::is_example() {
        read();
        return ExitCode::SUCCESS;
    }
    let trials = vec![
        Trial::test("unset_or_empty_is_no_choice", unset_or_empty_is_no_choice),
        Trial::test("each_backend_by_its_name", each_backend_by_its_name),
        Trial::test("other_names_are_refused", other_names_are_refused),
        Trial::test("a_backend_that_is_off", a_backend_that_is_off),
        #[cfg(unix)]
        Trial::test("what_is_not_unicode", what_is_not_unicode),
        #[cfg(feature = "_default-executor")]
        Trial::test("the_default_executor_stays", the_default_executor_stays),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Prints what the variable says, and what the default executor is.
fn read() {
    match Backend::from_env() {
        Ok(None) => println!("no choice"),
        Ok(Some(backend)) => println!("chosen: {backend}"),
        Err(error) => {
            println!("{error}");
            println!("{}: {}", error.variable().unwrap_or("-"), error.name());
            println!("missing feature: {:?}", error.missing_feature());
        }
    }
    #[cfg(feature = "_default-executor")]
    {
        use concurrent_futures::{DefaultExecutor, Executor as _};

        let executor = DefaultExecutor::with_workers(1).expect("it can be built");
        eprintln!("{:?}", executor.capabilities());
    }
}

/// What [`read`] prints where the variable has this value.
fn lines(value: Option<&OsStr>) -> Result<Vec<String>, libtest_mimic::Failed> {
    let mut command = support::example();
    match value {
        Some(value) => command.env(VARIABLE, value),
        None => command.env_remove(VARIABLE),
    };
    let output = support::run(&mut command)?;
    ensure(output.status.success(), &output)?;
    Ok(text(&output.stdout).lines().map(str::to_owned).collect())
}

fn lines_of(value: &str) -> Result<Vec<String>, libtest_mimic::Failed> {
    lines(Some(OsStr::new(value)))
}

fn unset_or_empty_is_no_choice() -> Checked {
    ensure_eq(lines(None)?, vec!["no choice"])?;
    ensure_eq(lines_of("")?, vec!["no choice"])
}

fn each_backend_by_its_name() -> Checked {
    for backend in Backend::ALL {
        ensure_eq(
            lines_of(backend.name())?,
            vec![format!("chosen: {}", backend.name())],
        )?;
    }
    Ok(())
}

fn other_names_are_refused() -> Checked {
    for name in ["ponies", "Threads", " threads", "default-threads"] {
        let message = format!("{VARIABLE}: there is no backend `{name}` ({})", allowed());
        let origin = format!("{VARIABLE}: {name}");
        let expected = vec![message, origin, "missing feature: None".to_owned()];
        ensure_eq(lines_of(name)?, expected)?;
    }
    Ok(())
}

fn a_backend_that_is_off() -> Checked {
    for name in ["threads", "process", "nats", "rayon", "tokio"] {
        if Backend::ALL.iter().any(|backend| backend.name() == name) {
            continue;
        }
        let message = format!(
            "{VARIABLE}: the backend `{name}` is not in this build: enable the feature `{name}` of \
             concurrent-futures ({})",
            allowed()
        );
        let feature = format!("missing feature: {:?}", Some(name));
        let expected = vec![message, format!("{VARIABLE}: {name}"), feature];
        ensure_eq(lines_of(name)?, expected)?;
    }
    Ok(())
}

#[cfg(unix)]
fn what_is_not_unicode() -> Checked {
    use std::os::unix::ffi::OsStrExt as _;

    let name = "thr\u{fffd}ads";
    let message = format!(
        "{VARIABLE}: the name `{name}` is not Unicode ({})",
        allowed()
    );
    let origin = format!("{VARIABLE}: {name}");
    ensure_eq(
        lines(Some(OsStr::from_bytes(b"thr\xffads")))?,
        vec![message, origin, "missing feature: None".to_owned()],
    )
}

#[cfg(feature = "_default-executor")]
fn the_default_executor_stays() -> Checked {
    let capabilities = |value: &str| {
        let output = support::run(support::example().env(VARIABLE, value))?;
        ensure(output.status.success(), &output)?;
        Ok::<_, libtest_mimic::Failed>(text(&output.stderr))
    };
    let usual = capabilities("")?;
    for backend in Backend::ALL {
        ensure_eq(capabilities(backend.name())?, usual.clone())?;
    }
    Ok(())
}

fn allowed() -> String {
    let names: Vec<&str> = Backend::ALL.iter().map(|backend| backend.name()).collect();
    match &*names {
        [] => "this build has none".to_owned(),
        names => format!("allowed here: {}", names.join(", ")),
    }
}
