//! `cargo xtask ci`: the steps that `test` leaves out, cheapest first.

use std::time::Instant;

use crate::outcome::{Failure, Outcome, Verdict};
use crate::step::step;
use crate::{
    checks, counts, cross, dependencies, deploy, examples, features, loom, sanitize, swap,
};

/// A named check.
struct Step {
    name: &'static str,
    /// What is true when it succeeds.
    proves: &'static str,
    run: fn() -> Outcome<Verdict>,
}

const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        proves: "the code is formatted",
        run: checks::fmt,
    },
    Step {
        name: "typos",
        proves: "the words are spelled right",
        run: checks::typos,
    },
    Step {
        name: "deploy",
        proves: "the files for deployment agree with each other, with the guide and with the server",
        run: deploy::run,
    },
    Step {
        name: "absent",
        proves: "no crate depends on what it must not",
        run: dependencies::absent,
    },
    Step {
        name: "deny",
        proves: "no dependency has an advisory or a licence that we cannot take",
        run: checks::deny,
    },
    Step {
        name: "msrv",
        proves: "our crates build with the oldest Rust that they promise",
        run: dependencies::msrv,
    },
    Step {
        name: "clippy",
        proves: "no target has a warning",
        run: checks::clippy,
    },
    Step {
        name: "docs",
        proves: "the documentation builds without a warning, private items too",
        run: checks::docs,
    },
    Step {
        name: "features",
        proves: "features build without a warning in any set, and two default executors are refused",
        run: features::run,
    },
    Step {
        name: "cross",
        proves: "what depends on the system compiles for Windows and macOS",
        run: cross::run,
    },
    Step {
        name: "loom",
        proves: "the models of the cell and the pool hold in every interleaving",
        run: loom::run,
    },
    Step {
        name: "sanitize",
        proves: "the core and the pools of threads pass their tests under AddressSanitizer",
        run: sanitize::address,
    },
    Step {
        name: "examples",
        proves: "the examples run, and sha256 prints what sha256sum prints, also over a server",
        run: examples::run,
    },
    Step {
        name: "swap",
        proves: "one program prints the same on every default executor, and counts words as wc does",
        run: swap::run,
    },
    Step {
        name: "benches",
        proves: "every benchmark runs, and no subject loses a result",
        run: checks::benches,
    },
    Step {
        name: "counts",
        proves: "the hot paths take no more instructions than their baseline",
        run: counts::check,
    },
];

/// Runs all steps, or those that the arguments name, and stops at the first failure.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if arguments == ["--list"] {
        for step in STEPS {
            println!("{:<10} {}", step.name, step.proves);
        }
        return Ok(());
    }
    let chosen = choose(arguments)?;
    let start = Instant::now();
    let mut times = Vec::new();
    let mut skipped = Vec::new();
    for chosen in &chosen {
        let begun = Instant::now();
        let verdict = step(&format!("{}: {}", chosen.name, chosen.proves), chosen.run)
            .map_err(|failure| failure.repeat_with(format!("cargo xtask ci {}", chosen.name)))?;
        times.push(format!(
            "{} {:.0} s",
            chosen.name,
            begun.elapsed().as_secs_f64()
        ));
        if let Verdict::Skipped(missing) = verdict {
            skipped.push(format!("{}: {missing}", chosen.name));
        }
    }
    println!(
        "\nci: {} steps ok, {} skipped in whole or in part, of {} in all; {:.0} s ({})",
        chosen.len() - skipped.len(),
        skipped.len(),
        STEPS.len(),
        start.elapsed().as_secs_f64(),
        times.join(", ")
    );
    for line in skipped {
        println!("  skipped {line}");
    }
    Ok(())
}

/// In the order of the table, whatever the order of the arguments; all of them for none.
fn choose(names: &[String]) -> Outcome<Vec<&'static Step>> {
    if let Some(unknown) = names
        .iter()
        .find(|name| STEPS.iter().all(|step| step.name != *name))
    {
        let known: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        let reason = format!("`ci` has no step `{unknown}`; it has {}", known.join(", "));
        return Err(Failure::new(reason));
    }
    let wanted = |step: &&Step| names.is_empty() || names.iter().any(|name| name == step.name);
    Ok(STEPS.iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::{STEPS, choose};

    #[test]
    fn no_name_means_every_step() {
        assert_eq!(choose(&[]).expect("no name is unknown").len(), STEPS.len());
    }

    #[test]
    fn named_steps_run_in_the_order_of_the_table() {
        let names = ["docs".to_owned(), "fmt".to_owned()];
        let chosen = choose(&names).expect("both exist");
        assert_eq!(
            chosen.iter().map(|step| step.name).collect::<Vec<_>>(),
            ["fmt", "docs"]
        );
    }

    #[test]
    fn an_unknown_step_is_named_with_the_known_ones() {
        let failure = choose(&["clipy".to_owned()])
            .err()
            .expect("there is no such step");
        let text = failure.to_string();
        assert!(
            text.contains("`clipy`") && text.contains("clippy"),
            "{text}"
        );
    }
}
