//! The program `compare`.

use std::{fs, path::Path, process::ExitCode};

use clap::Parser as _;

use crate::{
    harness::{self, arguments::Arguments, workload::Workload},
    left_out, over_nats, over_rayon, over_tokio,
    report::Report,
    sweeps, threads,
};

/// Does what the command line says: measures, prints, and writes what was asked for.
///
/// The exit code says whether it could do so, for every subject in Rust; a goal that is missed does not change it,
/// and neither does a language that is not installed. Call [`init`](crate::init())
/// before.
#[must_use]
pub fn main() -> ExitCode {
    #[cfg(unix)]
    {
        procspawn::init();
        if let Some(code) = crate::process::peers::raw::serve() {
            return code;
        }
    }
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    harness::set_workers(arguments.workers);
    if let Some(path) = &arguments.replay {
        let text = fs::read(path).map_err(|error| unusable(path, &error))?;
        let report = serde_json::from_slice(&text).map_err(|error| unusable(path, &error))?;
        return show(&report, arguments);
    }
    if let Some([workload, contender]) = arguments.sample.as_deref() {
        harness::sample(&workloads(), workload, contender, arguments.scale());
        return Ok(());
    }
    let workloads = workloads();
    let selected: Vec<_> = workloads
        .iter()
        .filter(|workload| arguments.selects(workload))
        .collect();
    if selected.is_empty() {
        let names: Vec<_> = workloads.iter().map(|workload| &*workload.name).collect();
        return Err(format!(
            "no workload is called {}; there are {}",
            arguments.only().join(" or "),
            names.join(" ")
        ));
    }
    if arguments.list {
        selected.iter().for_each(|workload| println!("{workload}"));
        return Ok(());
    }
    if cfg!(debug_assertions) && arguments.scale().counts() {
        eprintln!("this is a debug build, whose figures mean nothing: add --release");
    }
    for line in left_out() {
        eprintln!("{line}");
    }
    let report = harness::measure(&selected, arguments, |table, bar| {
        bar.suspend(|| print!("{}", table.text()));
    });
    print!("{}", report.summary());
    write(&report, arguments)?;
    match report.failures() {
        0 => Ok(()),
        1 => Err("one subject has no sample: the table says why".to_owned()),
        many => Err(format!(
            "{many} subjects have no sample: the tables say why"
        )),
    }
}

/// As if it had been measured now.
fn show(report: &Report, arguments: &Arguments) -> Result<(), String> {
    report
        .tables
        .iter()
        .for_each(|table| print!("{}", table.text()));
    print!("{}", report.summary());
    write(report, arguments)
}

fn write(report: &Report, arguments: &Arguments) -> Result<(), String> {
    let put = |path: &Path, text: String| {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| unusable(path, &error))?;
        }
        fs::write(path, text).map_err(|error| unusable(path, &error))?;
        eprintln!("wrote {}", path.display());
        Ok::<_, String>(())
    };
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string(report).map_err(|error| unusable(path, &error))?;
        put(path, text)?;
    }
    if let Some(path) = &arguments.markdown {
        put(path, report.markdown())?;
    }
    if let Some(path) = &arguments.html {
        put(path, report.html())?;
    }
    Ok(())
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

/// All workloads, in the order of the report.
fn workloads() -> Vec<Workload> {
    let mut all = threads::all();
    #[cfg(unix)]
    all.extend(crate::process::all());
    all.extend(over_rayon::all());
    all.extend(over_tokio::all());
    all.extend(over_nats::all());
    all.extend(sweeps::all());
    all
}
