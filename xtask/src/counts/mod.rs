//! Instructions of the hot paths, as callgrind counts them, against figures that are committed.
//!
//! The clock of a busy machine says nothing about a change of a few percent. The number of instructions does: the same
//! build gives the same number again, to a fraction of a percent where a second thread takes part. It is a matter of the
//! compiler, the target and the C library, though, so a baseline is good for one set of these, and names it.

mod baseline;
mod valgrind;

use std::fs;
use std::path::{Path, PathBuf};

use self::baseline::{Baseline, Change, Environment, Figure};
use self::valgrind::Valgrind;
use crate::metadata::Metadata;
use crate::outcome::{Failure, Outcome, Verdict};
use crate::step::{Cmd, root, step};

const PACKAGE: &str = "bench-counts";

/// A profile of the root `Cargo.toml`, which is also the name of its folder below `target`.
const PROFILE: &str = "counts";

const BASELINE: &str = "benches/counts/baseline.txt";

const UPDATE: &str = "cargo xtask counts --update";

/// Keeps the C library from choosing its functions by the processor, which would make the figures depend on it.
const TUNABLES: &str = "glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM,-RTM";

/// `cargo xtask counts [--update]`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    match arguments {
        [] => step("instructions of the hot paths", check).map(drop),
        [flag] if flag == "--update" => step("a new baseline", update).map(drop),
        [stray, ..] => Err(Failure::new(format!(
            "unexpected argument `{stray}`; `counts` takes --update or nothing"
        ))),
    }
}

/// The step of `ci`.
pub(crate) fn check() -> Outcome<Verdict> {
    let valgrind = match Valgrind::find()? {
        Ok(valgrind) => valgrind,
        Err(missing) => return Ok(Verdict::Skipped(missing)),
    };
    let file = root().join(BASELINE);
    let text = fs::read_to_string(&file)
        .map_err(|error| Failure::new(format!("cannot read {BASELINE}: {error}")))?;
    let baseline = Baseline::parse(&text)
        .map_err(|reason| Failure::new(format!("{BASELINE} has {reason}")))?;
    let here = environment()?;
    let figures = measure(&valgrind)?;
    if here != baseline.environment {
        for figure in &figures {
            println!("    {:<28}{:>10.1}", figure.name, figure.instructions);
        }
        return Ok(Verdict::Skipped(format!(
            "all was counted and nothing compared, since {BASELINE} is for {}, and this is {here}; \
             if this is what CI has now, update it with: {UPDATE}",
            baseline.environment
        )));
    }
    judge(&baseline, &figures)
}

/// Prints each path beside its baseline, and fails for those that are not as they should be.
fn judge(baseline: &Baseline, figures: &[Figure]) -> Outcome<Verdict> {
    let changes = baseline.compare(figures);
    for (name, change) in &changes {
        println!("    {name:<28}{change}");
    }
    let bad: Vec<_> = changes
        .iter()
        .filter(|(_, change)| change.is_failure())
        .map(|(name, change)| format!("{name}: {change}"))
        .collect();
    if !bad.is_empty() {
        return Err(Failure::new(format!(
            "{} of {} hot paths are not as {BASELINE} says:\n  {}\n\
             find the cause with: callgrind_annotate target/{PROFILE}/callgrind/PATH.out, \
             or accept it with: {UPDATE}",
            bad.len(),
            changes.len(),
            bad.join("\n  "),
        )));
    }
    if changes
        .iter()
        .any(|(_, change)| matches!(change, Change::Better { .. }))
    {
        println!("    some paths are better than their baseline; update it with: {UPDATE}");
    }
    Ok(Verdict::Proved)
}

/// Writes what is counted now, with the tolerances that were there.
fn update() -> Outcome<Verdict> {
    let valgrind = match Valgrind::find()? {
        Ok(valgrind) => valgrind,
        Err(missing) => return Err(Failure::new(missing)),
    };
    let file = root().join(BASELINE);
    // A first baseline comes from nothing, and one that cannot be read is not thrown away in silence.
    let tolerances = match fs::read_to_string(&file) {
        Ok(text) => Baseline::parse(&text)
            .map_err(|reason| Failure::new(format!("{BASELINE} has {reason}")))?
            .tolerances(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Failure::new(format!("cannot read {BASELINE}: {error}"))),
    };
    let baseline = Baseline::new(environment()?, measure(&valgrind)?, &tolerances);
    fs::write(&file, baseline.to_string())
        .map_err(|error| Failure::new(format!("cannot write {BASELINE}: {error}")))?;
    println!("    {BASELINE} is written");
    Ok(Verdict::Proved)
}

/// Builds the paths and counts each, in a process of its own.
fn measure(valgrind: &Valgrind) -> Outcome<Vec<Figure>> {
    let target = Metadata::load()?.target_for("counts");
    Cmd::cargo("build")
        .args(["--profile", PROFILE, "--package", PACKAGE])
        .arg("--target-dir")
        .arg(&target)
        // Somebody's own flags would be in the figures.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .run()?;
    let program = target.join(PROFILE).join(PACKAGE);
    let folder = target.join("callgrind");
    fs::create_dir_all(&folder)
        .map_err(|error| Failure::new(format!("cannot make {}: {error}", folder.display())))?;
    let list = Cmd::new(&program).arg("--list").read()?;
    let paths = parse_list(&String::from_utf8_lossy(&list))?;
    println!("    {} paths under {valgrind}", paths.len());
    paths
        .into_iter()
        .map(|(name, operations)| {
            let instructions = count(valgrind, &program, &folder, &name)?;
            Ok(Figure {
                instructions: instructions as f64 / operations as f64,
                name,
            })
        })
        .collect()
}

/// The instructions of one path, all operations together.
fn count(valgrind: &Valgrind, program: &Path, folder: &Path, name: &str) -> Outcome<u64> {
    let file: PathBuf = folder.join(format!("{}.out", name.replace('/', "-")));
    let mut out = std::ffi::OsString::from("--callgrind-out-file=");
    out.push(&file);
    let command = valgrind
        .command()
        .args([
            "--tool=callgrind",
            "--quiet",
            "--toggle-collect=*bench_counts*measured*",
        ])
        .arg(out)
        .arg(program)
        .arg(name)
        .env("GLIBC_TUNABLES", TUNABLES);
    let output = command.output()?;
    let failed = |reason: String| Failure::new(reason).repeat_with(command.to_string());
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let status = output.status;
        return Err(failed(format!("`{name}` ended with {status}: {said}")));
    }
    let text = fs::read_to_string(&file)
        .map_err(|error| failed(format!("cannot read {}: {error}", file.display())))?;
    match total(&text) {
        None => Err(failed(format!("{} has no total", file.display()))),
        Some(0) => Err(failed(format!(
            "nothing was counted of `{name}`: callgrind did not see its marker"
        ))),
        Some(instructions) => Ok(instructions),
    }
}

/// What `bench-counts --list` prints: a name and a number of operations in each line.
fn parse_list(text: &str) -> Outcome<Vec<(String, u64)>> {
    let paths: Option<Vec<_>> = text
        .lines()
        .map(|line| {
            let (name, operations) = line.split_once(' ')?;
            let operations = operations.parse().ok().filter(|&number| number > 0)?;
            Some((name.to_owned(), operations))
        })
        .collect();
    paths.filter(|paths| !paths.is_empty()).ok_or_else(|| {
        Failure::new(format!(
            "{PACKAGE} does not list paths with their operations, but: {text}"
        ))
    })
}

/// The total of a file of callgrind.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("totals:"))?;
    line.trim().parse().ok()
}

fn environment() -> Outcome<Environment> {
    let version = Cmd::new("rustc").arg("-vV").read()?;
    let version = String::from_utf8_lossy(&version);
    let mut lines = version.lines();
    let rustc = lines.next().and_then(|line| line.strip_prefix("rustc "));
    let target = lines.find_map(|line| line.strip_prefix("host: "));
    let (Some(rustc), Some(target)) = (rustc, target) else {
        return Err(Failure::new(format!(
            "rustc -vV says neither its version nor its target, but: {version}"
        )));
    };
    // Only glibc answers; it brings malloc and memcpy, which are part of most figures.
    let libc = match Cmd::new("getconf").arg("GNU_LIBC_VERSION").output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => String::from("another C library"),
    };
    Ok(Environment {
        rustc: rustc.to_owned(),
        target: target.to_owned(),
        libc,
    })
}

#[cfg(test)]
mod tests {
    use super::baseline::{Baseline, Figure};
    use super::{judge, parse_list, total};

    fn baseline() -> Baseline {
        let text = "rustc x\ntarget y\nlibc z\n\na/b 100.0\n";
        Baseline::parse(text).expect("it is well formed")
    }

    fn figure(instructions: f64) -> [Figure; 1] {
        [Figure {
            name: "a/b".to_owned(),
            instructions,
        }]
    }

    #[test]
    fn a_regression_fails_and_names_the_path_and_the_way_out() {
        let failure = judge(&baseline(), &figure(103.0)).expect_err("3 % are too many");
        let text = failure.to_string();
        assert!(
            text.contains("a/b") && text.contains("counts --update"),
            "{text}"
        );
    }

    #[test]
    fn what_is_the_same_and_what_is_better_pass() {
        for instructions in [101.9, 100.0, 50.0] {
            assert!(judge(&baseline(), &figure(instructions)).is_ok());
        }
    }

    #[test]
    fn a_list_has_a_number_in_each_line() {
        let paths = parse_list("a/b 10\nc 2\n").expect("it is well formed");
        assert_eq!(paths, [("a/b".to_owned(), 10), ("c".to_owned(), 2)]);
        for bad in ["", "a\n", "a 0\n", "a x\n"] {
            assert!(parse_list(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_total_is_that_of_all_functions() {
        assert_eq!(total("events: Ir\nfn=x\n1 2\ntotals: 1234\n"), Some(1234));
        assert_eq!(total("events: Ir\nsummary: 12\n"), None);
    }
}
