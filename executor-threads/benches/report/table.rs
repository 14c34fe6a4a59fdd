//! Printing what was measured.

use super::{
    Scale,
    rounds::Results,
    workload::{Contender, Goal, Rival, Unit, Workload},
};

/// Prints the table of one workload, and whether ours reaches the goals.
pub(super) fn print(workload: &Workload, results: &[Results<'_>], scale: Scale) {
    let ours: Vec<_> = results.iter().filter(|it| it.contender.is_ours()).collect();
    let rounds = results.iter().map(|it| it.samples.len()).max().unwrap_or(0);
    println!("\n{}: {} ({rounds} rounds)", workload.name, workload.title);
    println!(
        "  {:<26}{:>14}{:>14}{:>9}{:>9}",
        "subject", "median", "best", "spread", "ours/it"
    );
    for result in results {
        let ratio = match ours.first() {
            Some(ours) if !result.contender.is_ours() && result.median() != 0.0 => {
                format!("{:.2}", ours.median() / result.median())
            }
            _ => String::new(),
        };
        println!(
            "  {:<26}{:>14}{:>14}{:>9}{ratio:>9}",
            result.contender.name,
            workload.unit.show(result.median()),
            workload.unit.show(best_sample(workload.unit, result)),
            spread(result),
        );
        if let Some(failure) = &result.failure {
            println!("    a sample failed: {failure}");
        }
    }
    let disturbed: usize = results.iter().map(|it| it.disturbed).sum();
    if disturbed > 0 {
        let samples: usize = results.iter().map(|it| it.samples.len()).sum();
        println!("  others used the machine during {disturbed} of {samples} samples");
    }
    // Tiny sizes say nothing about speed.
    let goals = if scale == Scale::Full {
        workload.goals.as_slice()
    } else {
        &[]
    };
    for goal in goals {
        for ours in &ours {
            println!(
                "  goal for {}: {}",
                ours.contender.name,
                verdict(*goal, workload.unit, ours, results)
            );
        }
    }
}

fn verdict(goal: Goal, unit: Unit, ours: &Results<'_>, results: &[Results<'_>]) -> String {
    let value = ours.median();
    let met = |is_met| if is_met { "met" } else { "MISSED" };
    match goal {
        Goal::AtMost(limit) => {
            format!(
                "at most {}: {}: {}",
                unit.show(limit),
                unit.show(value),
                met(value <= limit)
            )
        }
        Goal::AtLeast(limit) => {
            format!(
                "at least {}: {}: {}",
                unit.show(limit),
                unit.show(value),
                met(value >= limit)
            )
        }
        Goal::Times(limit, rival) => {
            let Some(rival) = find(rival, unit, results) else {
                return format!("at most {limit} x a subject that did not run");
            };
            let ratio = value / rival.median();
            let name = rival.contender.name;
            format!(
                "at most {limit:.3} x {name}: {ratio:.3}: {}",
                met(ratio <= limit)
            )
        }
    }
}

fn find<'r, 'w>(rival: Rival, unit: Unit, results: &'r [Results<'w>]) -> Option<&'r Results<'w>> {
    let ran = || results.iter().filter(|it| !it.samples.is_empty());
    match rival {
        Rival::Named(name) => ran().find(|it| it.contender.name == name),
        Rival::BestInRust => {
            let is_peer = |it: &Contender| !it.is_ours() && it.is_in_rust();
            let peers = ran().filter(|it| is_peer(it.contender));
            let by_median = |a: &&Results<'_>, b: &&Results<'_>| a.median().total_cmp(&b.median());
            if unit.more_is_better() {
                peers.max_by(by_median)
            } else {
                peers.min_by(by_median)
            }
        }
    }
}

fn spread(result: &Results<'_>) -> String {
    // Nothing to relate it to where the median is 0.
    let spread = result.spread() * 100.0;
    if spread.is_finite() {
        format!("{spread:.0}%")
    } else {
        String::new()
    }
}

fn best_sample(unit: Unit, result: &Results<'_>) -> f64 {
    let best = if unit.more_is_better() {
        result.samples.last()
    } else {
        result.samples.first()
    };
    best.copied().unwrap_or(f64::NAN)
}
