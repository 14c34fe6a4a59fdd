//! The page: one file with everything in it, and no script.

use super::{
    Report, Row, Table,
    chart::{self, Axis, Chart, Dot, Line, escape, put},
};
use crate::harness::{
    stats::{QUANTILES, Ratio, Verdict},
    workload::{self, Kind},
};

pub(super) fn page(report: &Report) -> String {
    let mut out = String::from("<!doctype html><html lang='en'><head><meta charset='utf-8'>");
    put(
        &mut out,
        format_args!(
            "<meta name='viewport' content='width=device-width'><title>concurrent-futures: figures</title><style>{}</style>\
             </head><body><main>",
            include_str!("page.css")
        ),
    );
    head(&mut out, report);
    gains(&mut out, report);
    charts(&mut out, report);
    goals(&mut out, report);
    tables(&mut out, report);
    out.push_str("</main></body></html>\n");
    out
}

fn head(out: &mut String, report: &Report) {
    put(
        out,
        format_args!(
            "<h1>concurrent-futures beside its peers</h1><p class='soft'>{}<br><code>{}</code></p><div class='tiles'>",
            escape(&report.machine.sentence()),
            escape(&report.settings.command)
        ),
    );
    let tile = |class: &str, figure: &str, what: &str| {
        format!("<div class='tile'><b class='{class}'>{figure}</b>{what}</div>")
    };
    put(
        out,
        tile("met", &report.count(Verdict::Met).to_string(), "goals met"),
    );
    put(
        out,
        tile(
            "missed",
            &report.count(Verdict::Missed).to_string(),
            "goals missed",
        ),
    );
    put(
        out,
        tile(
            "too-noisy",
            &report.count(Verdict::TooNoisy).to_string(),
            "too noisy to say",
        ),
    );
    let samples = report.noise.samples;
    put(
        out,
        tile(
            "",
            &samples.to_string(),
            &format!(
                "samples, a process each, in {:.0} s",
                report.settings.seconds
            ),
        ),
    );
    put(
        out,
        format_args!(
            "<div class='tile word'><b>{}</b>this is how noisy the machine was</div></div><p class='soft'>Noise: {}. A difference that \
             the noise covers is not called one: it has a ~ in the tables and a hollow dot in the first chart. Scale: {}; {} workers.</p>",
            report.noise.word().split(':').next().unwrap_or_default(),
            report.noise.sentence(),
            report.settings.scale,
            report.settings.workers
        ),
    );
}

/// The first chart: the best of ours beside the best of others.
fn gains(out: &mut String, report: &Report) {
    let dot = |table: &Table| {
        let ours = table
            .rows
            .iter()
            .filter(|row| row.kind == Kind::Ours && !row.samples.as_slice().is_empty());
        let best = ours.reduce(|best, row| {
            let is_better = table
                .unit
                .is_better(row.samples.median(), best.samples.median());
            if is_better { row } else { best }
        })?;
        let Ratio { value, is_clear } = best.to_best_peer?;
        let is_usable = value.is_finite() && value > 0.0;
        is_usable.then(|| Dot {
            name: table.name.clone(),
            title: table.title.clone(),
            detail: format!(
                "{}: {} {} beside {} {}",
                table.title,
                best.name,
                best.shown(&table.unit),
                table.best_peer.as_deref().unwrap_or_default(),
                table
                    .rows
                    .iter()
                    .find(|row| Some(&row.name) == table.best_peer.as_ref())
                    .map(|row| row.shown(&table.unit))
                    .unwrap_or_default()
            ),
            ratio: value,
            is_clear,
            more_is_better: table.unit.more_is_better,
        })
    };
    let (counts, timed): (Vec<_>, Vec<_>) =
        report.tables.iter().partition(|table| table.unit.is_count);
    out.push_str("<h2>Ours and the best peer</h2><div class='charts'>");
    let timed: Vec<_> = timed.into_iter().filter_map(dot).collect();
    let counts: Vec<_> = counts.into_iter().filter_map(dot).collect();
    let half = timed.len().div_ceil(2).max(1);
    for (title, dots) in timed
        .chunks(half)
        .map(|dots| ("Time", dots))
        .chain([("Memory, allocations, context switches", &*counts)])
    {
        if !dots.is_empty() {
            put(
                out,
                format_args!(
                    "<figure><h3>{title}</h3><figcaption>How many times as good as the best peer of all languages in the same run. Right \
                     of 1: ours is better. Hollow: the noise covers it.</figcaption>{}</figure>",
                    chart::dots(dots)
                ),
            );
        }
    }
    out.push_str("</div>");
}

fn charts(out: &mut String, report: &Report) {
    out.push_str("<h2>Charts</h2><div class='charts'>");
    let mut figure = |title: &str, caption: &str, chart: Chart| {
        if !chart.lines.is_empty() {
            put(
                out,
                format_args!(
                    "<figure><h3>{title}</h3><figcaption>{caption}</figcaption>{}</figure>",
                    chart.html()
                ),
            );
        }
    };
    figure(
        "Latency",
        "One no-op task submitted and waited for: which part of the calls took no longer than this. Steep and far left is best.",
        latency(report),
    );
    let rate = |_: &Table, row: &Row, _: f64| 1e9 / row.samples.median();
    figure(
        "Throughput against task length",
        "Tasks submitted in one go, then all results taken. Where the lines meet, the executor no longer matters.",
        Chart {
            x: length_axis(),
            y: rate_axis(),
            lines: lines(report, workload::Chart::Length, rate),
            reference: None,
        },
    );
    let gain = |table: &Table, row: &Row, _: f64| {
        let is_loop = |other: &&Row| Some(&other.name) == table.limit.as_ref();
        let alone = table.rows.iter().find(is_loop);
        alone.map_or(f64::NAN, |alone| {
            alone.samples.median() / row.samples.median()
        })
    };
    figure(
        "Where threads pay, and where processes do",
        "Speed beside a plain loop that does the same work: below 1 the executor costs more than it gains. The processes' line crosses 1 \
         at longer tasks than the threads' line: that is the price of isolation.",
        Chart {
            x: length_axis(),
            y: Axis {
                label: "speed-up over a loop",
                is_logarithmic: false,
                show: |value| format!("{value}x"),
                marks: Vec::new(),
            },
            lines: lines(report, workload::Chart::Length, gain)
                .into_iter()
                .filter(|line| !line.class.contains("limit"))
                .collect(),
            reference: Some((1.0, "a plain loop")),
        },
    );
    figure(
        "Scaling with workers",
        "Tasks of 10 us. More workers than the machine has cores cannot help; they should not hurt either.",
        Chart {
            x: count_axis("workers"),
            y: rate_axis(),
            lines: lines(report, workload::Chart::Workers, rate),
            reference: None,
        },
    );
    figure(
        "Clients that submit at once",
        "No-op tasks to one pool, all results taken.",
        Chart {
            x: count_axis("clients"),
            y: rate_axis(),
            lines: lines(report, workload::Chart::Clients, rate),
            reference: None,
        },
    );
    figure(
        "Payload to another process and back",
        "The bytes of both directions over the time of the call.",
        Chart {
            x: Axis {
                label: "size of the payload",
                is_logarithmic: true,
                show: bytes,
                marks: [6, 10, 16, 20, 26].map(|it| f64::from(1 << it)).to_vec(),
            },
            y: Axis {
                label: "bytes a second",
                is_logarithmic: true,
                show: |value| format!("{}/s", decimal(value, "B")),
                marks: Vec::new(),
            },
            lines: lines(report, workload::Chart::Payload, |_, row, size| {
                2e9 * size / row.samples.median()
            }),
            reference: None,
        },
    );
    out.push_str("</div>");
}

fn latency(report: &Report) -> Chart {
    let tables = report.tables.iter();
    let rows = tables
        .filter(|table| {
            let place = table.place.as_ref();
            place.is_some_and(|it| it.chart == workload::Chart::Latency)
        })
        .flat_map(|table| &table.rows);
    let line = |row: &Row| Line {
        name: row.name.clone(),
        class: class(&row.name, row.kind, false),
        points: row
            .quantiles
            .iter()
            .zip(QUANTILES)
            // The last one is a matter of luck, and would be most of the axis.
            .filter(|(_, part)| *part <= 0.99)
            .map(|(time, part)| (*time, part * 100.0))
            .collect(),
        is_marked: false,
    };
    Chart {
        x: Axis {
            label: "time of the call",
            is_logarithmic: true,
            show: time,
            marks: Vec::new(),
        },
        y: Axis {
            label: "% of the calls",
            is_logarithmic: false,
            show: |value| format!("{value}"),
            marks: vec![0.0, 25.0, 50.0, 75.0, 90.0, 100.0],
        },
        lines: rows
            .filter(|row| !row.quantiles.is_empty())
            .map(line)
            .collect(),
        reference: None,
    }
}

/// A line for each subject of the tables of a chart.
fn lines(
    report: &Report,
    chart: workload::Chart,
    value: impl Fn(&Table, &Row, f64) -> f64,
) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for table in &report.tables {
        let Some(place) = table.place.as_ref().filter(|place| place.chart == chart) else {
            continue;
        };
        for row in &table.rows {
            let y = value(table, row, place.x);
            // Subjects of one table of many, whose points make no line, are in that table only.
            if !y.is_finite() || row.kind == Kind::Foreign {
                continue;
            }
            match lines.iter_mut().find(|line| line.name == row.name) {
                Some(line) => line.points.push((place.x, y)),
                None => lines.push(Line {
                    name: row.name.clone(),
                    class: class(&row.name, row.kind, chart == workload::Chart::Payload),
                    points: vec![(place.x, y)],
                    is_marked: true,
                }),
            }
        }
    }
    lines.retain(|line| line.points.len() > 1);
    for line in &mut lines {
        line.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    lines
}

/// The same subject has the same colour everywhere.
fn class(name: &str, kind: Kind, is_process: bool) -> String {
    let ours = ["threads", "process", "rayon", "tokio", "nats"];
    let peers = [
        "crossbeam by hand",
        "rayon + oneshot",
        "tokio spawn_blocking",
        "procspawn",
        "async-task + crossbeam",
    ];
    match kind {
        Kind::Ours => {
            let place = ours.iter().position(|it| name.ends_with(it));
            let plain = if is_process { 1 } else { 0 };
            let index = place.unwrap_or(if name == "ours" { plain } else { 5 });
            format!("ours c{index}")
        }
        Kind::Peer | Kind::Foreign => {
            format!(
                "peer p{}",
                peers.iter().position(|it| *it == name).unwrap_or(5)
            )
        }
        Kind::Limit => "limit l0".to_owned(),
    }
}

fn goals(out: &mut String, report: &Report) {
    if report.tables.iter().all(|table| table.goals.is_empty()) {
        return;
    }
    out.push_str(
        "<h2>Goals</h2><div class='scroll'><table><tr><th>workload<th><th>whose<th>goal<th class='n'>figure<th></tr>",
    );
    for table in &report.tables {
        for goal in &table.goals {
            put(
                out,
                format_args!(
                    "<tr><td><code>{}</code><td>{}<td>{}<td>{}<td class='n'>{}<td class='{}'>{}</tr>",
                    escape(&table.name),
                    escape(&table.title),
                    escape(&goal.whose),
                    escape(&goal.target),
                    escape(&goal.figure),
                    verdict_class(goal.verdict),
                    goal.verdict.word().to_lowercase()
                ),
            );
        }
    }
    out.push_str("</table></div>");
}

fn tables(out: &mut String, report: &Report) {
    out.push_str("<h2>Tables</h2>");
    for table in &report.tables {
        let ours = table.rows.iter().find(|row| row.kind == Kind::Ours);
        let figure = ours.map(|row| format!("ours {}", row.shown(&table.unit)));
        put(
            out,
            format_args!(
                "<details><summary><code>{}</code> {} <span class='figure'>{}</span></summary>",
                escape(&table.name),
                escape(&table.title),
                figure.as_deref().unwrap_or("left out")
            ),
        );
        if let Some(reason) = &table.left_out {
            put(out, format_args!("<p>{}.</details>", escape(reason)));
            continue;
        }
        put(
            out,
            format_args!(
                "<div class='scroll'><table><tr>\
                 <th>subject<th class='n'>median<th class='n'>spread<th class='n'>/ best peer<th class='n'>/ limit</tr>"
            ),
        );
        for row in &table.rows {
            row_of(out, table, row);
        }
        out.push_str("</table></div></details>");
    }
}

fn row_of(out: &mut String, table: &Table, row: &Row) {
    let class = match row.kind {
        Kind::Ours => "ours",
        Kind::Limit => "limit",
        Kind::Peer | Kind::Foreign => "peer",
    };
    let ratio = |ratio: Option<Ratio>| ratio.map(Ratio::show).unwrap_or_default();
    let spread = row.spread().map(|it| format!("{:.0} %", it * 100.0));
    put(
        out,
        format_args!(
            "<tr class='{class}'><td>{}<td class='n'>{}<td class='n'>{}<td class='n'>{}<td class='n'>{}</tr>",
            escape(&row.name),
            row.shown(&table.unit),
            spread.unwrap_or_default(),
            ratio(row.to_best_peer),
            ratio(row.to_limit)
        ),
    );
    if let Some(reason) = &row.missing {
        let reason = reason.lines().next_back().unwrap_or_default();
        put(
            out,
            format_args!(
                "<tr><td class='reason' colspan='5'>no sample: {}</tr>",
                escape(reason)
            ),
        );
    }
}

const fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "met",
        Verdict::Missed => "missed",
        Verdict::TooNoisy => "too-noisy",
        Verdict::Open => "open",
    }
}

fn length_axis() -> Axis {
    Axis {
        label: "length of a task",
        is_logarithmic: true,
        show: |value| {
            if value <= 10.0 {
                "none".to_owned()
            } else {
                time(value)
            }
        },
        marks: vec![10.0, 1e2, 1e3, 1e4, 1e5, 1e6],
    }
}

fn rate_axis() -> Axis {
    Axis {
        label: "tasks a second",
        is_logarithmic: true,
        show: |value| decimal(value, ""),
        marks: Vec::new(),
    }
}

fn count_axis(label: &'static str) -> Axis {
    Axis {
        label,
        is_logarithmic: true,
        show: |value| format!("{value}"),
        marks: vec![1.0, 2.0, 4.0, 8.0],
    }
}

fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ..1e3 => format!("{nanoseconds:.0} ns"),
        ..1e6 => format!("{} us", nanoseconds / 1e3),
        ..1e9 => format!("{} ms", nanoseconds / 1e6),
        _ => format!("{} s", nanoseconds / 1e9),
    }
}

fn bytes(size: f64) -> String {
    match size {
        ..1024.0 => format!("{size} B"),
        ..1_048_576.0 => format!("{} KiB", size / 1024.0),
        _ => format!("{} MiB", size / 1_048_576.0),
    }
}

fn decimal(value: f64, unit: &str) -> String {
    match value {
        ..1e3 => format!("{value} {unit}"),
        ..1e6 => format!("{}k{unit}", value / 1e3),
        ..1e9 => format!("{}M{unit}", value / 1e6),
        _ => format!("{}G{unit}", value / 1e9),
    }
}
