//! Tables for a terminal.

use std::fmt::Write as _;

use super::{Report, Table};
use crate::harness::stats::{Ratio, Verdict};

/// The table of one workload, and whether ours reaches the goals.
pub(super) fn table(table: &Table) -> String {
    let rounds = table
        .rows
        .iter()
        .map(|row| row.samples.as_slice().len())
        .max();
    let width = table.rows.iter().map(|row| row.name.chars().count()).max();
    let width = width.unwrap_or(0).max(26);
    let mut text = format!(
        "\n{}: {} ({} rounds)\n",
        table.name,
        table.title,
        rounds.unwrap_or(0)
    );
    if let Some(reason) = &table.left_out {
        line(&mut text, format_args!("  left out: {reason}"));
        return text;
    }
    line(
        &mut text,
        format_args!(
            "  {:<width$}{:>14}{:>9}{:>11}{:>9}",
            "subject", "median", "spread", "/best peer", "/limit"
        ),
    );
    for row in &table.rows {
        let spread = row
            .spread()
            .map(|spread| format!("{:.0}%", spread * 100.0))
            .unwrap_or_default();
        let ratio = |ratio: Option<Ratio>| ratio.map(Ratio::show).unwrap_or_default();
        line(
            &mut text,
            format_args!(
                "  {:<width$}{:>14}{spread:>9}{:>11}{:>9}",
                row.name,
                row.shown(&table.unit),
                ratio(row.to_best_peer),
                ratio(row.to_limit),
            ),
        );
        if let Some(reason) = &row.missing {
            line(&mut text, format_args!("    no sample: {reason}"));
        }
    }
    if table.disturbed > 0 {
        let samples: usize = table
            .rows
            .iter()
            .map(|row| row.samples.as_slice().len())
            .sum();
        let disturbed = table.disturbed;
        line(
            &mut text,
            format_args!("  others used the machine during {disturbed} of {samples} samples"),
        );
    }
    for goal in &table.goals {
        line(
            &mut text,
            format_args!(
                "  goal for {}: {}: {}: {}",
                goal.whose,
                goal.target,
                goal.figure,
                goal.verdict.word()
            ),
        );
    }
    text
}

/// The end of the output.
pub(super) fn summary(report: &Report) -> String {
    let mut text = String::from("\n");
    let counts = [
        Verdict::Met,
        Verdict::Missed,
        Verdict::TooNoisy,
        Verdict::Open,
    ]
    .map(|verdict| format!("{} {}", report.count(verdict), verdict.word()));
    line(&mut text, format_args!("goals: {}", counts.join(", ")));
    for table in &report.tables {
        for goal in table
            .goals
            .iter()
            .filter(|goal| goal.verdict != Verdict::Met)
        {
            line(
                &mut text,
                format_args!(
                    "  {}: {}: {}: {}: {}",
                    table.name,
                    goal.whose,
                    goal.target,
                    goal.figure,
                    goal.verdict.word()
                ),
            );
        }
    }
    line(
        &mut text,
        format_args!("machine: {}", report.machine.sentence()),
    );
    line(
        &mut text,
        format_args!(
            "noise: {}; {}",
            report.noise.word(),
            report.noise.sentence()
        ),
    );
    line(
        &mut text,
        format_args!("~ before a ratio: the noise covers the difference"),
    );
    text
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    writeln!(text, "{arguments}").expect("a string can be written to");
}
