//! Who may depend on whom: the table of the architecture, held against `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use super::Violation;

/// Crate directory, ring, and place inside the ring: a crate may depend on a lower ring,
/// or on a lower place of its own ring.
const RINGS: &[(&str, u8, u8)] = &[
    // 0: pure
    ("domain", 0, 0),
    ("schema", 0, 1),
    ("sources", 0, 1),
    ("fold", 0, 2),
    ("standings", 0, 2),
    // 1: needs files only
    ("disk", 1, 0),
    ("telemetry", 1, 0),
    ("log", 1, 1),
    ("store", 1, 1),
    // 2: one outside system each
    ("log-kafka", 2, 0),
    ("checkpoints", 2, 0),
    ("clickhouse", 2, 0),
    ("clickhouse-embedded", 2, 0),
    // 3: parts
    ("collector", 3, 0),
    ("importer", 3, 0),
    ("aggregator", 3, 0),
    ("audit", 3, 0),
    ("ranker", 3, 0),
    ("web", 3, 0),
    // 4: roots
    ("node", 4, 0),
    ("simulator", 4, 0),
    ("sdk", 4, 0),
    ("bench", 4, 1),
    ("tally", 4, 1),
    ("xtask", 4, 0),
    // above all: the tests of the whole
    ("tests", 5, 0),
];

/// Paths that must not exist, however long, and why.
const ABSENCES: &[(&str, &[&str], &str)] = &[
    ("audit", &["fold", "standings"], "the recount must not share the fold's bug"),
    ("web", &["log", "fold", "store"], "a page shows rows, it computes none"),
    ("clickhouse-embedded", &["domain"], "the engine knows no word of Tally"),
    ("sdk", &["log-kafka", "clickhouse"], "a tool author links the SDK, not the servers"),
];

/// Libraries that bring I/O, clocks or tasks: none of them may be named by ring 0.
const NOT_PURE: &[&str] =
    &["tokio", "axum", "reqwest", "tracing", "metrics", "rand", "libc", "crossbeam", "rayon"];

/// Crate directory → the workspace crates and the other libraries it depends on, for building it, not for testing it.
#[derive(Debug, Default)]
pub(crate) struct Graph(BTreeMap<String, Needs>);

#[derive(Debug, Default)]
struct Needs {
    ours: BTreeSet<String>,
    foreign: BTreeSet<String>,
}

impl Graph {
    pub(crate) fn of_workspace(root: &Path) -> Result<Graph> {
        let metadata = MetadataCommand::new()
            .current_dir(root)
            .no_deps()
            .other_options(vec!["--offline".to_owned()])
            .exec();
        Ok(Graph::of(&metadata.context("asking cargo for the workspace's packages")?))
    }

    fn of(metadata: &Metadata) -> Graph {
        let needs = |package: &Package| {
            let mut needs = Needs::default();
            for dependency in package.dependencies.iter().filter(|it| it.kind != DependencyKind::Development)
            {
                match &dependency.path {
                    Some(path) => needs.ours.insert(path.file_name().unwrap_or_default().to_owned()),
                    None => needs.foreign.insert(dependency.name.clone()),
                };
            }
            needs
        };
        let dir = |package: &Package| {
            package.manifest_path.parent().and_then(|dir| dir.file_name()).unwrap_or_default().to_owned()
        };
        Graph(metadata.packages.iter().map(|package| (dir(package), needs(package))).collect())
    }

    /// Everything of the workspace that `from` reaches, and by which way.
    fn reach(&self, from: &str) -> BTreeMap<&str, String> {
        let mut reached = BTreeMap::new();
        let mut open = vec![(from, from.to_owned())];
        while let Some((at, way)) = open.pop() {
            for next in self.0.get(at).into_iter().flat_map(|needs| &needs.ours) {
                let way = format!("{way} → {next}");
                if !reached.contains_key(next.as_str()) {
                    reached.insert(next.as_str(), way.clone());
                    open.push((next, way));
                }
            }
        }
        reached
    }
}

pub(crate) fn violations(graph: &Graph) -> Vec<Violation> {
    let mut found = upward(graph);
    found.extend(forbidden_ways(graph));
    found.extend(impure(graph));
    found
}

fn place(name: &str) -> Option<(u8, u8)> {
    RINGS.iter().find(|(known, ..)| *known == name).map(|(_, ring, place)| (*ring, *place))
}

pub(crate) fn is_pure(name: &str) -> bool {
    place(name).is_some_and(|(ring, _)| ring == 0)
}

fn upward(graph: &Graph) -> Vec<Violation> {
    let mut found = Vec::new();
    for (name, needs) in &graph.0 {
        let Some(own) = place(name) else {
            found.push(Violation::new(
                name,
                "stands in no ring: add it to the table in tidy/rings.rs and ARCHITECTURE.md",
            ));
            continue;
        };
        let wrong = needs.ours.iter().filter(|other| place(other).is_some_and(|other| other >= own));
        found.extend(wrong.map(|other| {
            Violation::new(name, format!("may not depend on {other}: not of a lower ring or place"))
        }));
        if name == "xtask" && !needs.ours.is_empty() {
            found.push(Violation::new(name, "depends on the workspace it must build and judge from outside"));
        }
    }
    found
}

fn forbidden_ways(graph: &Graph) -> Vec<Violation> {
    let mut found = Vec::new();
    for (from, absent, why) in ABSENCES {
        let reached = graph.reach(from);
        for way in absent.iter().filter_map(|to| reached.get(to)) {
            found.push(Violation::new(*from, format!("{way} must not exist: {why}")));
        }
    }
    found
}

fn impure(graph: &Graph) -> Vec<Violation> {
    let mut found = Vec::new();
    for (name, needs) in graph.0.iter().filter(|(name, _)| is_pure(name)) {
        let wrong = needs.foreign.iter().filter(|library| NOT_PURE.contains(&library.as_str()));
        found.extend(
            wrong.map(|library| Violation::new(name, format!("{library} has no place in the pure ring"))),
        );
    }
    found
}

#[cfg(test)]
mod tests;
