//! The manifests: what one names, another has.

use yaml_rust2::Yaml;

use super::yaml::{at, host, option, parse, string, strings};
use super::{EXAMPLE, Files, image_problem, text, unknown_options};

const FOLDER: &str = "deploy/kubernetes/";
const NATS: &str = "deploy/kubernetes/nats.yaml";

/// A worker gets at least as long as a lease to finish.
const GRACE: i64 = 30;

/// A document, and the file that it is in.
struct Object<'a> {
    path: &'a str,
    value: Yaml,
}

impl Object<'_> {
    fn is(&self, kind: &str) -> bool {
        string(&self.value, "kind") == kind
    }

    fn name(&self) -> &str {
        string(&self.value, "metadata/name")
    }
}

pub(super) fn problems(files: &Files) -> Vec<String> {
    let objects = match objects(files) {
        Ok(objects) => objects,
        Err(problem) => return vec![problem],
    };
    let mut problems = Vec::new();
    for object in &objects {
        for key in ["apiVersion", "kind", "metadata/name", "metadata/namespace"] {
            if string(&object.value, key).is_empty() {
                problems.push(format!("{}: an object without {key}", object.path));
            }
        }
        let path = object.path;
        let complain = |what: String| problems.push(format!("{path}: {what}"));
        match string(&object.value, "kind") {
            "StatefulSet" => server(object, &objects, complain),
            "Deployment" => worker(object, &objects, files, complain),
            "ScaledObject" => scaling(object, &objects, files, complain),
            _ => {}
        }
    }
    for kind in [
        "StatefulSet",
        "Service",
        "ConfigMap",
        "PodDisruptionBudget",
        "Deployment",
        "ScaledObject",
    ] {
        if !objects.iter().any(|object| object.is(kind)) {
            problems.push(format!("{FOLDER} has no {kind}"));
        }
    }
    problems
}

/// The files of the server's configuration, by name.
pub(super) fn configuration(files: &Files) -> Vec<(String, String)> {
    let objects = objects(files).unwrap_or_default();
    let map = objects.iter().find(|object| object.is("ConfigMap"));
    let data = map.and_then(|map| map.value["data"].as_hash());
    data.into_iter()
        .flatten()
        .filter_map(|(name, text)| Some((name.as_str()?.to_owned(), text.as_str()?.to_owned())))
        .collect()
}

fn objects(files: &Files) -> Result<Vec<Object<'_>>, String> {
    let mut objects = Vec::new();
    for (path, text) in files {
        if path.starts_with(FOLDER) {
            let values = parse(path, text)?;
            objects.extend(values.into_iter().map(|value| Object { path, value }));
        }
    }
    Ok(objects)
}

fn server(set: &Object<'_>, objects: &[Object<'_>], mut complain: impl FnMut(String)) {
    let value = &set.value;
    let replicas = at(value, "spec/replicas").as_i64().unwrap_or(0);
    if replicas < 3 || replicas % 2 == 0 {
        complain(format!(
            "{replicas} replicas have no majority once one is gone, or need as many as one less"
        ));
    }
    let service = string(value, "spec/serviceName");
    if !objects
        .iter()
        .any(|object| object.is("Service") && object.name() == service)
    {
        complain(format!("there is no service `{service}`"));
    }
    if at(value, "spec/selector/matchLabels") != at(value, "spec/template/metadata/labels") {
        complain("the selector does not select its own pods".to_owned());
    }
    let container = at(value, "spec/template/spec/containers/0");
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        if string(container, &format!("{probe}/httpGet/path")).is_empty() {
            complain(format!("there is no {probe}"));
        }
    }
    if string(value, "spec/volumeClaimTemplates/0/metadata/name").is_empty() {
        complain("there is no volume for the store".to_owned());
    }
    if let Some(problem) = image_problem(NATS, string(container, "image")) {
        complain(problem);
    }

    let map = objects.iter().find(|object| object.is("ConfigMap"));
    let config = map.map_or("", |map| string(&map.value, "data/nats.conf"));
    for number in 0..replicas {
        let pod = format!("//{}-{number}.{service}:", set.name());
        if !config.contains(&pod) {
            complain(format!("no route to {}-{number}", set.name()));
        }
    }
    listens(set, objects, config, &mut complain);
    mounts(set, objects, config, &mut complain);
    for line in [
        "sync_interval: always",
        "include rights.conf",
        "server_name: $POD_NAME",
    ] {
        if !config.contains(line) {
            complain(format!("the configuration has no `{line}`"));
        }
    }
}

/// Ports that the configuration has are those of the container, of the service, and of the probes.
fn listens(
    set: &Object<'_>,
    objects: &[Object<'_>],
    config: &str,
    complain: &mut impl FnMut(String),
) {
    let listed = |value: &Yaml, path: &str, key: &str| -> Vec<(String, i64)> {
        let ports = at(value, path).as_vec().into_iter().flatten();
        ports
            .map(|port| {
                let name = string(port, "name").to_owned();
                (name, port[key].as_i64().unwrap_or(0))
            })
            .collect()
    };
    let container = "spec/template/spec/containers/0";
    let ports = listed(&set.value, &format!("{container}/ports"), "containerPort");
    for (name, port) in &ports {
        if !config.contains(&format!(":{port}\"")) {
            complain(format!(
                "the server does not listen to the port {port}, {name}"
            ));
        }
    }
    let service = string(&set.value, "spec/serviceName");
    for object in objects {
        if object.is("Service")
            && object.name() == service
            && listed(&object.value, "spec/ports", "port") != ports
        {
            complain(format!("the ports of the service `{service}` are others"));
        }
    }
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let get = at(&set.value, &format!("{container}/{probe}/httpGet"));
        let port = string(get, "port");
        let listens = ports.iter().find(|(name, _)| name == port);
        let http =
            listens.is_some_and(|(_, port)| config.contains(&format!("http: \"0.0.0.0:{port}\"")));
        if !http || !string(get, "path").starts_with("/healthz") {
            complain(format!(
                "{probe} asks a port that does not say how the server is"
            ));
        }
    }
}

/// Every path of the configuration is in a volume that is mounted, and every variable is set.
fn mounts(
    set: &Object<'_>,
    objects: &[Object<'_>],
    config: &str,
    complain: &mut impl FnMut(String),
) {
    let pod = at(&set.value, "spec/template/spec");
    let container = at(pod, "containers/0");
    let named = |list: &Yaml, name: &str| {
        let mut all = list.as_vec().into_iter().flatten();
        all.any(|entry| string(entry, "name") == name || string(entry, "metadata/name") == name)
    };
    let mounted = |path: &str| {
        let mounts = at(container, "volumeMounts").as_vec();
        let mut mounts = mounts.into_iter().flatten();
        mounts.any(|mount| {
            let (name, root) = (string(mount, "name"), string(mount, "mountPath"));
            path.starts_with(root)
                && (named(at(pod, "volumes"), name)
                    || named(at(&set.value, "spec/volumeClaimTemplates"), name))
        })
    };
    let setting = |key: &str| {
        let (_, rest) = config.split_once(&format!("{key}: \""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let file = option(&strings(container, "args"), "--config").map(str::to_owned);
    let (store, pid) = (setting("store_dir"), setting("pid_file"));
    for (what, path) in [("configuration", &file), ("store", &store), ("pid", &pid)] {
        if !path.as_deref().is_some_and(&mounted) {
            complain(format!("no volume is mounted for the {what}, {path:?}"));
        }
    }
    let stop = strings(container, "lifecycle/preStop/exec/command");
    if !pid.is_some_and(|pid| stop.iter().any(|word| word.ends_with(&format!("={pid}")))) {
        complain("preStop does not name the file of the server's pid".to_owned());
    }
    let mut of_map = objects.iter().filter(|object| object.is("ConfigMap"));
    let map = string(pod, "volumes/0/configMap/name");
    if !of_map.any(|object| object.name() == map) {
        complain(format!("there is no configuration `{map}`"));
    }
    let claim = at(&set.value, "spec/volumeClaimTemplates/0/spec/resources");
    let (room, most) = (string(claim, "requests/storage"), "max_file_store: ");
    let most = config.split_once(most).map(|(_, rest)| number(rest));
    if most.is_none_or(|most| most == 0 || most >= number(room)) {
        complain(format!(
            "max_file_store is not less than the volume of {room}"
        ));
    }
    let slow = |key: &str| config.split_once(key).map_or(0, |(_, rest)| number(rest));
    let leaves = slow("lame_duck_duration: ") + slow("lame_duck_grace_period: ");
    let grace = at(pod, "terminationGracePeriodSeconds").as_i64();
    if grace.and_then(|grace| u64::try_from(grace).ok()) <= Some(leaves) {
        complain(format!(
            "a server that takes {leaves} s to leave gets {grace:?} s"
        ));
    }
}

/// The digits that a text begins with.
fn number(text: &str) -> u64 {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

fn worker(
    deployment: &Object<'_>,
    objects: &[Object<'_>],
    files: &Files,
    mut complain: impl FnMut(String),
) {
    let pod = at(&deployment.value, "spec/template/spec");
    let grace = at(pod, "terminationGracePeriodSeconds")
        .as_i64()
        .unwrap_or(0);
    if grace < GRACE {
        complain(format!(
            "a grace period of {grace} s is less than {GRACE} s, so that no worker can drain"
        ));
    }
    if !at(&deployment.value, "spec/replicas").is_badvalue() {
        complain("a number of replicas would undo what the autoscaler does".to_owned());
    }
    let labels = "spec/template/metadata/labels";
    if at(&deployment.value, "spec/selector/matchLabels") != at(&deployment.value, labels) {
        complain("the selector does not select its own pods".to_owned());
    }
    let container = at(pod, "containers/0");
    let words = strings(container, "args");
    let url = option(&words, "--nats").unwrap_or("");
    let known = |object: &Object<'_>| object.is("Service") && object.name() == host(url);
    if words.first() != Some(&"worker") || !objects.iter().any(known) {
        complain(format!(
            "the worker connects to {url}, which is no service here"
        ));
    }
    for problem in unknown_options(&words, text(files, EXAMPLE)) {
        complain(problem);
    }
    let image = string(container, "image").split(':').next().unwrap_or("");
    if image.is_empty()
        || !text(files, "deploy/docker-compose.yml").contains(&format!("image: {image}\n"))
    {
        complain(format!("nobody builds the image `{image}`"));
    }
    let rights = text(files, "deploy/nats/rights.conf");
    let consumer = format!("q_{}", option(&words, "--queue").unwrap_or(""));
    if !rights.contains(&format!("exec_TASKS.{consumer}\"")) {
        complain(format!("no user has the rights to {consumer}"));
    }
    let user = option(&words, "--user").unwrap_or("");
    let password = string(container, "env/0/valueFrom/secretKeyRef/key");
    let expected = format!("{}_PASSWORD", user.to_uppercase());
    if password != expected || !rights.contains(&format!("user: {user}, password: ${expected}")) {
        complain(format!("the user `{user}` has no {expected}"));
    }
}

fn scaling(
    scaled: &Object<'_>,
    objects: &[Object<'_>],
    files: &Files,
    mut complain: impl FnMut(String),
) {
    let spec = at(&scaled.value, "spec");
    let target = string(spec, "scaleTargetRef/name");
    let Some(deployment) = objects
        .iter()
        .find(|object| object.is("Deployment") && object.name() == target)
    else {
        return complain(format!("there is no deployment `{target}` to scale"));
    };
    let trigger = at(spec, "triggers/0/metadata");
    let words = strings(&deployment.value, "spec/template/spec/containers/0/args");
    let consumer = format!("q_{}", option(&words, "--queue").unwrap_or(""));
    if string(trigger, "consumer") != consumer {
        complain(format!("the workers are those of {consumer}"));
    }
    let stream = string(trigger, "stream");
    let right = format!("CONSUMER.MSG.NEXT.{stream}.{consumer}");
    if !text(files, "deploy/nats/rights.conf").contains(&right) {
        complain(format!("no worker takes tasks from the stream `{stream}`"));
    }
    if string(trigger, "lagThreshold").parse::<u32>().is_err() {
        complain("lagThreshold is no number".to_owned());
    }
    let endpoint = string(trigger, "natsServerMonitoringEndpoint");
    let names: Vec<&str> = endpoint.split(['.', ':']).collect();
    let namespace = string(&scaled.value, "metadata/namespace");
    let known = |object: &Object<'_>| object.is("Service") && Some(&object.name()) == names.first();
    if names.get(1) != Some(&namespace) || !objects.iter().any(known) {
        complain(format!("{endpoint} is no service here"));
    }
    let (least, most) = (
        at(spec, "minReplicaCount").as_i64(),
        at(spec, "maxReplicaCount").as_i64(),
    );
    if least.unwrap_or(0) > most.unwrap_or(0) {
        complain("minReplicaCount is more than maxReplicaCount".to_owned());
    }
}
