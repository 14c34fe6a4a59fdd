//! Tables for a README.

use std::fmt::Write as _;

use super::Report;
use crate::harness::stats::{Ratio, Verdict};

pub(super) fn document(report: &Report) -> String {
    let mut text = String::new();
    let mut put = |arguments: std::fmt::Arguments<'_>| {
        writeln!(text, "{arguments}").expect("a string can be written to");
    };
    put(format_args!("# Figures\n"));
    put(format_args!(
        "`{}`, {} workers, {:.0} s.",
        report.settings.command, report.settings.workers, report.settings.seconds
    ));
    put(format_args!("{}.\n", report.machine.sentence()));
    put(format_args!(
        "The machine was {}: {}.\n",
        report.noise.word(),
        report.noise.sentence()
    ));
    put(format_args!(
        "Medians. `/best peer` and `/limit` are the figure over that of the best peer, and over what the machine can do; `~`: the \
         noise covers the difference.\n"
    ));
    put(format_args!("## Goals\n"));
    put(format_args!(
        "{} met, {} missed, {} too noisy to say, {} open.\n",
        report.count(Verdict::Met),
        report.count(Verdict::Missed),
        report.count(Verdict::TooNoisy),
        report.count(Verdict::Open)
    ));
    put(format_args!(
        "| workload | whose | goal | figure | |\n|---|---|---|---|---|"
    ));
    for table in &report.tables {
        for goal in &table.goals {
            put(format_args!(
                "| {}: {} | {} | {} | {} | {} |",
                table.name,
                table.title,
                goal.whose,
                goal.target,
                goal.figure,
                goal.verdict.word()
            ));
        }
    }
    for table in &report.tables {
        put(format_args!("\n## {}: {}\n", table.name, table.title));
        if let Some(reason) = &table.left_out {
            put(format_args!("Left out: {reason}."));
            continue;
        }
        put(format_args!(
            "| subject | median | spread | /best peer | /limit |\n|---|--:|--:|--:|--:|"
        ));
        for row in &table.rows {
            let spread = row
                .spread()
                .map(|spread| format!("{:.0} %", spread * 100.0))
                .unwrap_or_default();
            let ratio = |ratio: Option<Ratio>| ratio.map(Ratio::show).unwrap_or_default();
            put(format_args!(
                "| {} | {} | {spread} | {} | {} |",
                row.name,
                row.shown(&table.unit),
                ratio(row.to_best_peer),
                ratio(row.to_limit)
            ));
        }
        for row in &table.rows {
            if let Some(reason) = &row.missing {
                let reason = reason.lines().next_back().unwrap_or_default();
                put(format_args!("\n{}: no sample: {reason}", row.name));
            }
        }
    }
    text
}
