//! The compose file: its services know each other, are seen from this machine alone, and may drain.

use yaml_rust2::Yaml;

use super::yaml::{at, host, option, parse, string, strings};
use super::{Files, image_problem, text};

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
        if words.contains(&"-js") && at(service, "healthcheck/test").is_badvalue() {
            complain(format!("{name} has no health check to wait for"));
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

fn seconds(duration: &str) -> u64 {
    let number = duration
        .strip_suffix('s')
        .and_then(|number| number.parse().ok());
    number.unwrap_or(0)
}
