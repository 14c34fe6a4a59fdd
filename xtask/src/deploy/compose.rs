//! The compose file: its services know each other, are seen from this machine alone, and may drain.

use yaml_rust2::Yaml;

use super::yaml::{at, host, option, parse, string, strings};
use super::{EXAMPLE, Files, image_problem, text, unknown_options};

const PATH: &str = "deploy/docker-compose.yml";

/// A worker gets at least as long as a lease to finish.
const GRACE: u64 = 30;

pub(super) fn problems(files: &Files) -> Vec<String> {
    let documents = match parse(PATH, text(files, PATH)) {
        Ok(documents) => documents,
        Err(problem) => return vec![problem],
    };
    let Some(services) = documents.first().and_then(|all| all["services"].as_hash()) else {
        return vec![format!("{PATH} has no services")];
    };
    let mut problems = Vec::new();
    let mut complain = |what: String| problems.push(format!("{PATH}: {what}"));
    let exists = |name: &str| services.contains_key(&Yaml::String(name.to_owned()));
    let mut images = Vec::new();
    for (name, service) in services {
        let name = name.as_str().unwrap_or("");
        images.push(string(service, "image"));
        for port in strings(service, "ports") {
            if !port.starts_with("127.0.0.1:") {
                complain(format!(
                    "the port {port} of {name} is not of the loopback alone"
                ));
            }
        }
        let words = strings(service, "command");
        if words.first() == Some(&"worker") || words.first() == Some(&"submit") {
            let url = option(&words, "--nats").unwrap_or("");
            if !exists(host(url)) {
                complain(format!(
                    "{name} connects to {url}, which is no service here"
                ));
            }
            if option(&words, "--queue").is_none() {
                complain(format!("{name} names no queue"));
            }
        }
        if words.first() == Some(&"worker") && seconds(string(service, "stop_grace_period")) < GRACE
        {
            complain(format!(
                "{name} has a grace period of less than {GRACE} s to drain in"
            ));
        }
        for problem in unknown_options(&words, text(files, EXAMPLE)) {
            complain(format!("{name}: {problem}"));
        }
        if words.contains(&"-js") {
            server(name, service, &words, &mut complain);
        }
    }
    for name in ["nats", "worker", "submit"] {
        if !exists(name) {
            complain(format!("there is no service {name}"));
        }
    }
    problems.extend(images.iter().filter_map(|image| image_problem(PATH, image)));
    problems
}

/// How the compose file starts the server.
pub(super) fn command(files: &Files) -> Result<Vec<String>, String> {
    let documents = parse(PATH, text(files, PATH))?;
    let server = documents.first().map(|all| at(all, "services/nats"));
    let words = server.map(|server| strings(server, "command"));
    Ok(words
        .unwrap_or_default()
        .into_iter()
        .map(str::to_owned)
        .collect())
}

/// What it is asked for, it listens to; what it stores is kept.
fn server(name: &str, service: &Yaml, words: &[&str], complain: &mut impl FnMut(String)) {
    let monitor = option(words, "-m").unwrap_or("");
    let test = strings(service, "healthcheck/test");
    if !test
        .last()
        .is_some_and(|url| url.contains(&format!(":{monitor}/healthz")))
    {
        complain(format!(
            "{name} has no health check of its port {monitor} to wait for"
        ));
    }
    for port in strings(service, "ports") {
        let inner = port.rsplit(':').next().unwrap_or("");
        if inner != monitor && inner != "4222" {
            complain(format!("{name} does not listen to the port of {port}"));
        }
    }
    let store = option(words, "-sd").unwrap_or("");
    if !strings(service, "volumes")
        .iter()
        .any(|volume| volume.ends_with(&format!(":{store}")))
    {
        complain(format!("{name} has no volume for its store in {store}"));
    }
}

fn seconds(duration: &str) -> u64 {
    let number = duration
        .strip_suffix('s')
        .and_then(|number| number.parse().ok());
    number.unwrap_or(0)
}
