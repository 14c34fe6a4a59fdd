//! What `cargo metadata` knows about the workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::outcome::{Failure, Outcome};
use crate::step::Cmd;

/// The packages of the workspace and everything that they depend on, all features on.
#[derive(Debug)]
pub(crate) struct Metadata {
    packages: BTreeMap<String, Package>,
    members: Vec<String>,
    /// Per package id, the ids that it needs in normal use on the host.
    needs: BTreeMap<String, Vec<String>>,
    target_directory: PathBuf,
}

/// One package of the graph.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) rust_version: Option<String>,
    /// The folder of its `Cargo.toml`.
    pub(crate) folder: PathBuf,
    pub(crate) published: bool,
    /// Each feature with what it enables.
    pub(crate) features: BTreeMap<String, Vec<String>>,
    /// Kind and name of each target.
    pub(crate) targets: Vec<(String, String)>,
}

impl Package {
    /// A package that is made up, with these features.
    #[cfg(test)]
    pub(crate) fn with_features(name: &str, features: &[(&str, &[&str])]) -> Self {
        let owned = |(name, enables): &(&str, &[&str])| {
            (
                (*name).to_owned(),
                enables.iter().map(|name| (*name).to_owned()).collect(),
            )
        };
        Self {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            rust_version: None,
            folder: name.into(),
            published: true,
            features: features.iter().map(owned).collect(),
            targets: Vec::new(),
        }
    }

    /// The names of the targets of a kind: `test`, `bench`, `example`.
    pub(crate) fn targets<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        let of_kind = move |target: &&(String, String)| target.0 == kind;
        self.targets
            .iter()
            .filter(of_kind)
            .map(|target| target.1.as_str())
    }
}

impl Metadata {
    /// Asks cargo.
    pub(crate) fn load() -> Outcome<Self> {
        let command = Cmd::cargo("metadata").args(["--format-version=1", "--all-features"]);
        let unreadable = |what: &str| {
            Failure::new(format!("cannot read cargo's metadata: {what}"))
                .repeat_with(command.to_string())
        };
        let value: Value = serde_json::from_slice(&command.read()?)
            .map_err(|error| unreadable(&error.to_string()))?;
        Self::parse(&value).ok_or_else(|| unreadable("a field is missing"))
    }

    fn parse(value: &Value) -> Option<Self> {
        let mut packages = BTreeMap::new();
        for package in value["packages"].as_array()? {
            packages.insert(text(&package["id"])?, parse_package(package)?);
        }
        let mut needs = BTreeMap::new();
        for node in value["resolve"]["nodes"].as_array()? {
            let mut ids = Vec::new();
            for dependency in node["deps"].as_array()? {
                if dependency["dep_kinds"].as_array()?.iter().any(is_normal) {
                    ids.push(text(&dependency["pkg"])?);
                }
            }
            needs.insert(text(&node["id"])?, ids);
        }
        Some(Self {
            packages,
            members: texts(&value["workspace_members"])?,
            needs,
            target_directory: PathBuf::from(value["target_directory"].as_str()?),
        })
    }

    /// The packages of the workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.members.iter().filter_map(|id| self.packages.get(id))
    }

    /// A package of the workspace, by name.
    pub(crate) fn member(&self, name: &str) -> Outcome<&Package> {
        self.members()
            .find(|package| package.name == name)
            .ok_or_else(|| Failure::new(format!("the workspace has no package `{name}`")))
    }

    /// Every package that a user of our published crates compiles, theirs and ours.
    pub(crate) fn shipped(&self) -> Vec<&Package> {
        let published = |id: &&String| {
            self.packages
                .get(*id)
                .is_some_and(|package| package.published)
        };
        let mut open: Vec<&String> = self.members.iter().filter(published).collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                open.extend(self.needs.get(id).into_iter().flatten());
            }
        }
        seen.into_iter()
            .filter_map(|id| self.packages.get(id))
            .collect()
    }

    /// A folder beside the usual build, for builds with flags that would throw it away.
    pub(crate) fn target_for(&self, purpose: &str) -> PathBuf {
        self.target_directory.join(purpose)
    }
}

fn parse_package(package: &Value) -> Option<Package> {
    let mut features = BTreeMap::new();
    for (name, enables) in package["features"].as_object()? {
        features.insert(name.clone(), texts(enables)?);
    }
    let mut targets = Vec::new();
    for target in package["targets"].as_array()? {
        targets.push((text(target["kind"].get(0)?)?, text(&target["name"])?));
    }
    Some(Package {
        name: text(&package["name"])?,
        version: text(&package["version"])?,
        rust_version: package["rust_version"].as_str().map(str::to_owned),
        folder: Path::new(package["manifest_path"].as_str()?)
            .parent()?
            .to_path_buf(),
        // absent means every registry, and an empty list means `publish = false`
        published: package["publish"]
            .as_array()
            .is_none_or(|registries| !registries.is_empty()),
        features,
        targets,
    })
}

/// Whether users compile this dependency: it is neither for builds nor tests, nor for models.
fn is_normal(kind: &Value) -> bool {
    kind["kind"].is_null() && kind["target"].as_str() != Some("cfg(loom)")
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(text).collect()
}
