//! Looking things up in YAML.

use yaml_rust2::{Yaml, YamlLoader};

/// The documents of a file.
pub(super) fn parse(path: &str, text: &str) -> Result<Vec<Yaml>, String> {
    YamlLoader::load_from_str(text).map_err(|error| format!("{path} is no YAML: {error}"))
}

/// The value below these keys; a number is an index of a list.
pub(super) fn at<'a>(value: &'a Yaml, path: &str) -> &'a Yaml {
    path.split('/')
        .fold(value, |value, key| match key.parse::<usize>() {
            Ok(index) => &value[index],
            Err(_) => &value[key],
        })
}

pub(super) fn string<'a>(value: &'a Yaml, path: &str) -> &'a str {
    at(value, path).as_str().unwrap_or("")
}

pub(super) fn strings<'a>(value: &'a Yaml, path: &str) -> Vec<&'a str> {
    let list = at(value, path).as_vec();
    list.into_iter()
        .flatten()
        .filter_map(Yaml::as_str)
        .collect()
}

/// The word behind an option of a command line.
pub(super) fn option<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    let place = words.iter().position(|word| *word == name)?;
    words.get(place + 1).copied()
}

/// The host of `nats://host:port`.
pub(super) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split([':', '/']).next().unwrap_or("")
}
