//! The committed figures, and how new ones compare with them.

use std::fmt;

/// How much more is no regression, in percent. The same build gives the same count to 0.1 percent; another order of
/// symbols or another path of the workspace gives other inlining here and there. A change for the worse that
/// somebody made is rarely smaller than this.
const TOLERANCE: f64 = 2.0;

/// Nor is this many instructions more for each operation, which are over the tolerance on the shortest paths.
const SLACK: f64 = 1.0;

/// What instructions depend on, beside our code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Environment {
    /// Version and commit.
    pub(crate) rustc: String,
    pub(crate) target: String,
    pub(crate) libc: String,
}

/// A path as it was counted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    pub(crate) name: String,
    /// For each operation.
    pub(crate) instructions: f64,
}

/// The committed figures.
#[derive(Debug, PartialEq)]
pub(crate) struct Baseline {
    pub(crate) environment: Environment,
    lines: Vec<Line>,
}

#[derive(Debug, PartialEq)]
struct Line {
    figure: Figure,
    /// In percent, where it is not the usual one.
    tolerance: Option<f64>,
}

/// What became of a path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Change {
    Same { before: f64, now: f64 },
    Better { before: f64, now: f64 },
    Worse { before: f64, now: f64, most: f64 },
    New { now: f64 },
    Gone,
}

impl Baseline {
    /// Of these figures, each with the tolerance that is named for it.
    pub(crate) fn new(
        environment: Environment,
        figures: Vec<Figure>,
        tolerances: &[(String, f64)],
    ) -> Self {
        let with_tolerance = |figure: Figure| Line {
            tolerance: tolerances
                .iter()
                .find(|(name, _)| *name == figure.name)
                .map(|&(_, percent)| percent),
            figure,
        };
        Self {
            environment,
            lines: figures.into_iter().map(with_tolerance).collect(),
        }
    }

    /// Reads what `Display` writes.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut field = |name: &str| {
            lines
                .next()
                .and_then(|line| line.strip_prefix(name)?.strip_prefix(' '))
                .map(str::to_owned)
                .ok_or_else(|| format!("no line `{name} ..` where there should be one"))
        };
        let environment = Environment {
            rustc: field("rustc")?,
            target: field("target")?,
            libc: field("libc")?,
        };
        let lines: Vec<Line> = lines.map(parse_line).collect::<Result<_, _>>()?;
        for (index, line) in lines.iter().enumerate() {
            let name = &line.figure.name;
            if lines[..index]
                .iter()
                .any(|other| other.figure.name == *name)
            {
                return Err(format!("two lines for `{name}`"));
            }
        }
        Ok(Self { environment, lines })
    }

    /// The tolerances that are not the usual one.
    pub(crate) fn tolerances(&self) -> Vec<(String, f64)> {
        let of = |line: &Line| Some((line.figure.name.clone(), line.tolerance?));
        self.lines.iter().filter_map(of).collect()
    }

    /// Each path of either side, those that were counted first.
    pub(crate) fn compare(&self, figures: &[Figure]) -> Vec<(String, Change)> {
        let line = |name: &str| self.lines.iter().find(|line| line.figure.name == name);
        let counted = figures.iter().map(|figure| {
            let now = figure.instructions;
            let change = line(&figure.name).map_or(Change::New { now }, |line| line.change_to(now));
            (figure.name.clone(), change)
        });
        let is_gone = |line: &&Line| figures.iter().all(|it| it.name != line.figure.name);
        let gone = self
            .lines
            .iter()
            .filter(is_gone)
            .map(|line| (line.figure.name.clone(), Change::Gone));
        counted.chain(gone).collect()
    }
}

impl Line {
    fn change_to(&self, now: f64) -> Change {
        let before = self.figure.instructions;
        let percent = self.tolerance.unwrap_or(TOLERANCE);
        let slack = (before * percent / 100.0).max(SLACK);
        if now > before + slack {
            let most = before + slack;
            Change::Worse { before, now, most }
        } else if now < before - slack {
            Change::Better { before, now }
        } else {
            Change::Same { before, now }
        }
    }
}

impl Change {
    /// Whether it is no longer what the baseline says, for the worse or in what it lists.
    pub(crate) const fn is_failure(&self) -> bool {
        matches!(self, Self::Worse { .. } | Self::New { .. } | Self::Gone)
    }
}

/// `NAME INSTRUCTIONS`, and perhaps ` PERCENT%`.
fn parse_line(line: &str) -> Result<Line, String> {
    let bad = || format!("the line `{line}`, which is not `NAME INSTRUCTIONS [TOLERANCE%]`");
    let number = |text: &str| {
        text.parse()
            .ok()
            .filter(|number: &f64| number.is_finite() && *number >= 0.0)
            .ok_or_else(bad)
    };
    let (name, instructions, tolerance) = match *line.split_whitespace().collect::<Vec<_>>() {
        [name, instructions] => (name, instructions, None),
        [name, instructions, percent] => {
            let percent = percent.strip_suffix('%').ok_or_else(bad)?;
            (name, instructions, Some(number(percent)?))
        }
        _ => return Err(bad()),
    };
    Ok(Line {
        figure: Figure {
            name: name.to_owned(),
            instructions: number(instructions)?,
        },
        tolerance,
    })
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rustc {}, {}, {}", self.rustc, self.target, self.libc)
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# Instructions for each operation of the hot paths. Checked by `cargo xtask ci counts`, written by\n\
             # `cargo xtask counts --update`. {TOLERANCE} % more are tolerated, or {SLACK} instruction, unless a line ends with\n\
             # another percentage. Good for this compiler, target and C library alone.\n"
        )?;
        let Environment {
            rustc,
            target,
            libc,
        } = &self.environment;
        writeln!(f, "rustc {rustc}\ntarget {target}\nlibc {libc}\n")?;
        for Line { figure, tolerance } in &self.lines {
            write!(f, "{:<28}{:>8.1}", figure.name, figure.instructions)?;
            match tolerance {
                Some(percent) => writeln!(f, "  {percent}%")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |before: f64, now: f64| (now / before - 1.0) * 100.0;
        match *self {
            Self::Same { before, now } => write!(f, "{now:.1} (was {before:.1})"),
            Self::Better { before, now } => {
                let by = percent(before, now);
                write!(f, "{now:.1} (was {before:.1}): {by:+.1} %, better")
            }
            Self::Worse { before, now, most } => {
                let by = percent(before, now);
                write!(
                    f,
                    "{now:.1} (was {before:.1}): {by:+.1} %, WORSE; at most {most:.1}"
                )
            }
            Self::New { now } => write!(f, "{now:.1}, and it has no baseline"),
            Self::Gone => f.write_str("in the baseline, and there is no such path"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Baseline, Change, Environment, Figure};

    fn environment() -> Environment {
        Environment {
            rustc: "1.2.3 (abc 2026-01-01)".to_owned(),
            target: "x86_64-unknown-linux-gnu".to_owned(),
            libc: "glibc 2.36".to_owned(),
        }
    }

    fn figure(name: &str, instructions: f64) -> Figure {
        Figure {
            name: name.to_owned(),
            instructions,
        }
    }

    fn baseline() -> Baseline {
        let figures = vec![
            figure("long", 1000.0),
            figure("short", 10.0),
            figure("loose", 1000.0),
        ];
        Baseline::new(environment(), figures, &[("loose".to_owned(), 5.0)])
    }

    fn change(name: &str, instructions: f64) -> Change {
        let changes = baseline().compare(&[figure(name, instructions)]);
        changes[0].1
    }

    #[test]
    fn what_is_written_is_read() {
        let text = baseline().to_string();
        assert_eq!(Baseline::parse(&text), Ok(baseline()));
    }

    #[test]
    fn two_percent_more_are_the_same_and_a_little_more_is_worse() {
        assert!(matches!(change("long", 1020.0), Change::Same { .. }));
        assert!(matches!(change("long", 1020.2), Change::Worse { .. }));
        assert!(matches!(change("long", 980.0), Change::Same { .. }));
        assert!(matches!(change("long", 979.8), Change::Better { .. }));
    }

    #[test]
    fn a_short_path_may_have_one_instruction_more() {
        assert!(matches!(change("short", 11.0), Change::Same { .. }));
        assert!(matches!(change("short", 11.1), Change::Worse { .. }));
    }

    #[test]
    fn a_line_may_have_a_tolerance_of_its_own() {
        assert!(matches!(change("loose", 1050.0), Change::Same { .. }));
        assert!(matches!(change("loose", 1051.0), Change::Worse { .. }));
        assert_eq!(baseline().tolerances(), [("loose".to_owned(), 5.0)]);
    }

    #[test]
    fn a_path_that_is_only_on_one_side_is_a_failure() {
        let changes = baseline().compare(&[figure("long", 1000.0), figure("new", 1.0)]);
        let failures: Vec<_> = changes
            .iter()
            .filter(|(_, change)| change.is_failure())
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(failures, ["new", "short", "loose"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_line() {
        let head = "rustc a\ntarget b\nlibc c\n";
        for bad in ["x", "x y", "x 1 2", "x 1 y%", "x -1", "x NaN", "x 1 2% 3"] {
            let reason = Baseline::parse(&format!("{head}{bad}\n")).expect_err("it is refused");
            assert!(reason.contains(bad), "{reason}");
        }
        let twice = Baseline::parse(&format!("{head}x 1\nx 1\n"));
        assert!(twice.is_err_and(|reason| reason.contains("two lines for `x`")));
        let headless = Baseline::parse("rustc a\nx 1\n");
        assert!(headless.is_err_and(|reason| reason.contains("target")));
    }
}
