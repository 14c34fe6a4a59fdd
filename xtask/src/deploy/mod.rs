//! `deploy`: what is below `deploy/` is well-formed, and agrees with itself, with the guide and with the server.
//!
//! Nothing here starts a container. What is checked is what breaks in silence: a name that is written in two
//! files, a grace period that is too short for the work, a server that is too old.

mod compose;
mod kubernetes;
mod yaml;

use std::collections::BTreeMap;
use std::fs;

use crate::files;
use crate::metadata::Metadata;
use crate::nats;
use crate::outcome::{Failure, Outcome, Verdict};
use crate::step::{Cmd, root};

/// The oldest server that a file may name: older ones have holes that are known.
const OLDEST: [u32; 3] = [2, 12, 6];

/// Where the rights are written for people to read.
const GUIDE: &str = "executor-nats/src/guide.md";

/// The program that the files start.
const EXAMPLE: &str = "concurrent-futures/examples/cluster.rs";

/// Texts by their paths.
type Files = BTreeMap<String, String>;

pub(crate) fn run() -> Outcome<Verdict> {
    let files = read()?;
    let mut problems = compose::problems(&files);
    problems.extend(kubernetes::problems(&files));
    problems.extend(rights(&files));
    problems.extend(units(&files));
    problems.extend(variables(&files));
    if !problems.is_empty() {
        return Err(Failure::new(format!(
            "in the files for deployment:\n  {}",
            problems.join("\n  ")
        )));
    }
    println!("    {} files agree with each other", files.len());
    configurations(&files)?;
    tools()
}

fn read() -> Outcome<Files> {
    let mut paths = files::below("deploy")?;
    paths.extend([GUIDE, EXAMPLE].map(str::to_owned));
    let mut texts = Files::new();
    for path in paths {
        let text = fs::read_to_string(root().join(&path))
            .map_err(|error| Failure::new(format!("cannot read {path}: {error}")))?;
        texts.insert(path, text);
    }
    Ok(texts)
}

fn text<'a>(files: &'a Files, path: &str) -> &'a str {
    files.get(path).map_or("", String::as_str)
}

/// The rights that the tests run with are those of the cluster and of the guide, word for word.
fn rights(files: &Files) -> Vec<String> {
    let rights = text(files, "deploy/nats/rights.conf");
    let mut problems = Vec::new();
    if rights.is_empty() {
        problems.push("deploy/nats/rights.conf is missing or empty".to_owned());
    }
    let cluster = kubernetes::configuration(files);
    if !cluster
        .iter()
        .any(|(name, text)| name == "rights.conf" && text.trim_end() == rights.trim_end())
    {
        problems.push(
            "deploy/kubernetes/nats.yaml does not have the text of deploy/nats/rights.conf"
                .to_owned(),
        );
    }
    if !text(files, GUIDE).contains(rights) {
        problems.push(format!(
            "{GUIDE} does not have the text of deploy/nats/rights.conf"
        ));
    }
    problems
}

/// What starts a worker elsewhere: it says which queue, and lets the worker drain.
fn units(files: &Files) -> Vec<String> {
    let needed = [
        (
            "deploy/systemd/concurrent-futures-worker.service",
            [
                "ExecStart=",
                " worker --queue ",
                "KillMode=mixed",
                "TimeoutStopSec=",
            ]
            .as_slice(),
        ),
        (
            "deploy/slurm/workers.sh",
            &["srun ", " worker --queue ", "--signal=TERM@"],
        ),
        (
            "deploy/Dockerfile",
            &["--example cluster", "--features nats", "USER "],
        ),
    ];
    let mut problems = Vec::new();
    for (path, parts) in needed {
        for part in parts {
            if !text(files, path).contains(part) {
                problems.push(format!("{path} has no `{}`", part.trim()));
            }
        }
        for line in text(files, path).lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let Some(place) = words.iter().position(|word| *word == "worker") {
                let unknown = unknown_options(&words[place..], text(files, EXAMPLE));
                problems.extend(unknown.map(|problem| format!("{path}: {problem}")));
            }
        }
    }
    problems
}

/// Options that the program does not have: it has a field for each.
fn unknown_options(words: &[&str], program: &str) -> impl Iterator<Item = String> {
    let is_ours = matches!(
        words.first(),
        Some(&("worker" | "submit" | "setup" | "status"))
    );
    let options = words.iter().filter_map(|word| word.strip_prefix("--"));
    let unknown = options.filter(move |option| {
        is_ours && !program.contains(&format!("    {}: ", option.replace('-', "_")))
    });
    let unknown: Vec<String> = unknown
        .map(|option| format!("the program has no option --{option}"))
        .collect();
    unknown.into_iter()
}

/// Variables that the program does not read.
fn variables(files: &Files) -> Vec<String> {
    let program = text(files, EXAMPLE);
    let mut problems = Vec::new();
    for (path, text) in files {
        let words = text.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
        let ours = words.filter(|word| word.starts_with("NATS_"));
        for word in ours {
            if path != EXAMPLE && path != GUIDE && !program.contains(&format!("\"{word}\"")) {
                problems.push(format!("{path}: the program does not read {word}"));
            }
        }
    }
    problems
}

/// Whether the server itself takes the configurations.
fn configurations(files: &Files) -> Outcome {
    let server = nats::server()?;
    let folder = Metadata::load()?.target_for("deploy");
    let cannot = |error| Failure::new(format!("cannot write in {}: {error}", folder.display()));
    fs::create_dir_all(&folder).map_err(cannot)?;
    for (name, text) in kubernetes::configuration(files) {
        fs::write(folder.join(name), text).map_err(cannot)?;
    }
    let all = [
        root().join("deploy/nats/server.conf"),
        folder.join("nats.conf"),
    ];
    for path in all {
        server
            .command()
            .args(["-t", "-c"])
            .arg(&path)
            .env("POD_NAME", "nats-0")
            .env("ADMIN_PASSWORD", "a")
            .env("SUBMITTER_PASSWORD", "b")
            .env("WORKER_PASSWORD", "c")
            .run()?;
    }
    // Options are checked by a server alone that starts.
    let words = compose::command(files).map_err(Failure::new)?;
    let words: Vec<String> = words
        .into_iter()
        .map(|word| match &*word {
            "/data" => folder.join("data").display().to_string(),
            "8222" => "-1".to_owned(),
            _ => word,
        })
        .collect();
    let running = server.start_with(&words)?;
    println!(
        "    the server of the compose file is up at {}",
        running.url()
    );
    Ok(())
}

/// The tools whose business it is, where they are installed.
fn tools() -> Outcome<Verdict> {
    let mut missing = Vec::new();
    Cmd::new("sh")
        .args(["-n", "deploy/slurm/workers.sh"])
        .run()?;
    if Cmd::new("docker").args(["compose", "version"]).succeeds() {
        let compose = Cmd::new("docker").args(["compose", "--file", "deploy/docker-compose.yml"]);
        compose.args(["config", "--quiet"]).run()?;
    } else {
        missing.push("docker compose (https://docs.docker.com/compose/install)");
    }
    if Cmd::new("kubeconform").arg("-v").succeeds() {
        Cmd::new("kubeconform")
            .args([
                "-strict",
                "-ignore-missing-schemas",
                "-summary",
                "deploy/kubernetes",
            ])
            .run()?;
    } else {
        missing.push("kubeconform (https://github.com/yannh/kubeconform)");
    }
    if missing.is_empty() {
        return Ok(Verdict::Proved);
    }
    Ok(Verdict::Skipped(format!(
        "our own checks passed, but not installed to look as well: {}",
        missing.join(", ")
    )))
}

/// A problem for each image of the server that is too old, or does not say.
fn image_problem(path: &str, image: &str) -> Option<String> {
    let version = image.strip_prefix("nats:")?;
    let mut parts = version.split(['.', '-']).map(str::parse::<u32>);
    let mut number = |or: u32| parts.next().and_then(Result::ok).unwrap_or(or);
    // A tag without a last number is the newest of its line.
    let version = [number(0), number(0), number(u32::MAX)];
    (version < OLDEST).then(|| {
        let [major, minor, patch] = OLDEST;
        format!("{path}: the image {image} may be older than {major}.{minor}.{patch}")
    })
}

#[cfg(test)]
mod tests {
    use super::{Files, compose, image_problem, kubernetes, read, rights, units, variables};

    fn all(files: &Files) -> Vec<String> {
        let mut problems = compose::problems(files);
        problems.extend(kubernetes::problems(files));
        problems.extend(rights(files));
        problems.extend(units(files));
        problems.extend(variables(files));
        problems
    }

    #[test]
    fn the_files_as_they_are_have_no_problem() {
        let files = read().expect("the files");
        assert_eq!(all(&files), Vec::<String>::new());
    }

    /// Each of these would deploy, and then fail in silence.
    #[test]
    fn what_is_wrong_is_found() {
        let compose = "deploy/docker-compose.yml";
        let worker = "deploy/kubernetes/worker.yaml";
        let scaling = "deploy/kubernetes/worker-scaling.yaml";
        let nats = "deploy/kubernetes/nats.yaml";
        let changes = [
            (compose, "nats:2.14-alpine", "nats:2.10-alpine", "older"),
            (compose, "127.0.0.1:4222:4222", "4222:4222", "loopback"),
            (
                compose,
                "nats://nats:4222\"",
                "nats://host:4222\"",
                "no service",
            ),
            (
                compose,
                "stop_grace_period: 60s",
                "stop_grace_period: 5s",
                "grace",
            ),
            (compose, "services:", "services: [", "YAML"),
            (compose, "\"--slots\"", "\"--slot\"", "--slot"),
            (compose, "\"-m\", \"8222\"", "\"-m\", \"8223\"", "health"),
            (
                compose,
                "127.0.0.1:4222:4222",
                "127.0.0.1:4222:4223",
                "listen",
            ),
            (compose, "tasks:/data", "tasks:/store", "volume"),
            (compose, "NATS_URL:", "NATS_SERVER:", "NATS_SERVER"),
            (
                compose,
                "image: concurrent-futures-cluster",
                "image: cluster",
                "image",
            ),
            (nats, "containerPort: 6222", "containerPort: 6223", "6223"),
            (nats, "      port: 8222", "      port: 8223", "service"),
            (nats, "0.0.0.0:8222", "0.0.0.0:8333", "8222"),
            (nats, "path: /healthz\n", "path: /health\n", "startupProbe"),
            (
                nats,
                "store_dir: \"/data\"",
                "store_dir: \"/store\"",
                "store",
            ),
            (
                nats,
                "-sl=ldm=/var/run/nats/nats.pid",
                "-sl=ldm=/run/nats.pid",
                "preStop",
            ),
            (nats, "storage: 10Gi", "storage: 5Gi", "max_file_store"),
            (
                nats,
                "lame_duck_duration: 30s",
                "lame_duck_duration: 90s",
                "leave",
            ),
            (
                nats,
                "            name: nats-config",
                "            name: config",
                "configuration",
            ),
            (nats, "  replicas: 3", "  replicas: 2", "replicas"),
            (
                nats,
                "nats://nats-2.nats:6222",
                "nats://nats-7.nats:6222",
                "nats-2",
            ),
            (nats, "serviceName: nats", "serviceName: other", "service"),
            (
                nats,
                "sync_interval: always",
                "sync_interval: 2m",
                "sync_interval",
            ),
            (nats, "\"exec.c.>\"", "\">\"", "rights.conf"),
            (nats, "nats:2.14-alpine", "nats:2.12.5", "older"),
            (
                worker,
                "terminationGracePeriodSeconds: 300",
                "terminationGracePeriodSeconds: 10",
                "grace",
            ),
            (
                worker,
                "nats://nats:4222",
                "nats://elsewhere:4222",
                "no service",
            ),
            (
                worker,
                "\"--queue\", \"default\"",
                "\"--queue\", \"other\"",
                "q_other",
            ),
            (worker, "WORKER_PASSWORD", "PASSWORD", "WORKER_PASSWORD"),
            (scaling, "exec_TASKS", "tasks", "stream"),
            (
                scaling,
                "name: worker\n  minReplicaCount",
                "name: wrker\n  minReplicaCount",
                "wrker",
            ),
            (
                scaling,
                "lagThreshold: \"8\"",
                "lagThreshold: \"many\"",
                "lagThreshold",
            ),
            (
                super::GUIDE,
                "exec.t.*.submitter.>",
                "exec.>",
                "rights.conf",
            ),
            (
                "deploy/systemd/concurrent-futures-worker.service",
                "KillMode=mixed",
                "",
                "KillMode",
            ),
            (
                "deploy/slurm/workers.sh",
                "--queue default",
                "--queues default",
                "--queues",
            ),
            (
                "deploy/slurm/workers.sh",
                "--signal=TERM@300",
                "",
                "--signal",
            ),
        ];
        let files = read().expect("the files");
        for (path, from, to, said) in changes {
            let mut files = files.clone();
            let text = files.get_mut(path).expect("one of the files");
            assert!(text.contains(from), "{path} has no {from}");
            *text = text.replace(from, to);
            let problems = all(&files);
            assert!(
                problems.iter().any(|problem| problem.contains(said)),
                "{path}, {from} -> {to}: {problems:?}"
            );
        }
    }

    #[test]
    fn images_are_compared_by_their_numbers() {
        for good in [
            "nats:2.12.6",
            "nats:2.14",
            "nats:2.14-alpine",
            "nats:3.0.0",
            "postgres:9",
        ] {
            assert_eq!(image_problem("f", good), None);
        }
        for bad in ["nats:2.12.5", "nats:2.9-alpine", "nats:latest"] {
            assert!(image_problem("f", bad).is_some(), "{bad}");
        }
    }
}
