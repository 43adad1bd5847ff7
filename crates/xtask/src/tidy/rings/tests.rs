use std::fs;

use super::*;

fn graph(crates: &[(&str, &[&str])]) -> Graph {
    let needs =
        |ours: &[&str]| Needs { ours: ours.iter().map(|it| (*it).to_owned()).collect(), ..Needs::default() };
    Graph(crates.iter().map(|(name, ours)| ((*name).to_owned(), needs(ours))).collect())
}

fn found(crates: &[(&str, &[&str])]) -> Vec<String> {
    violations(&graph(crates)).iter().map(ToString::to_string).collect()
}

#[test]
fn lower_rings_and_places_may_be_used() {
    assert_eq!(
        found(&[
            ("domain", &[]),
            ("schema", &["domain"]),
            ("fold", &["domain", "schema"]),
            ("log", &["domain", "disk"]),
            ("node", &["aggregator", "log"]),
            ("tally", &["node", "simulator"]),
            ("xtask", &[]),
        ]),
        [""; 0]
    );
}

#[test]
fn a_way_up_or_across_is_named() {
    assert_eq!(
        found(&[("domain", &["schema"])]),
        ["domain: may not depend on schema: not of a lower ring or place"]
    );
    assert_eq!(found(&[("ranker", &["audit"])]).len(), 1);
    assert_eq!(found(&[("log", &["store"])]).len(), 1);
    assert_eq!(found(&[("store", &["tally"])]).len(), 1);
}

#[test]
fn an_absence_holds_through_others() {
    let said = found(&[("audit", &["log"]), ("log", &["fold"]), ("fold", &[])]);
    assert_eq!(said, ["audit: audit → log → fold must not exist: the recount must not share the fold's bug"]);
    assert_eq!(found(&[("web", &["clickhouse"]), ("clickhouse", &["store"])]).len(), 1);
    assert_eq!(found(&[("clickhouse-embedded", &["domain"])]).len(), 1);
    assert_eq!(found(&[("sdk", &["clickhouse"])]).len(), 1);
}

#[test]
fn xtask_and_strangers_are_seen() {
    assert_eq!(
        found(&[("xtask", &["domain"])]),
        ["xtask: depends on the workspace it must build and judge from outside"]
    );
    assert!(found(&[("novelty", &[])])[0].contains("stands in no ring"));
}

/// The same through cargo: a planted workspace on disk, one crate of which looks up and takes tokio.
#[test]
fn cargo_tells_what_a_manifest_says() {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n");
    write("crates/domain/src/lib.rs", "");
    write("crates/domain/Cargo.toml", "[package]\nname = \"tally-domain\"\n");
    write("crates/fold/src/lib.rs", "");
    write(
        "crates/fold/Cargo.toml",
        "[package]\nname = \"tally-fold\"\n[dependencies]\ntally-domain = { path = \"../domain\" }\ntally-node = { path = \"../node\" }\n\
         tokio = \"1\"\n[dev-dependencies]\nrand = \"1\"\n",
    );
    write("crates/node/src/lib.rs", "");
    write("crates/node/Cargo.toml", "[package]\nname = \"tally-node\"\n");
    let said: Vec<String> =
        violations(&Graph::of_workspace(dir.path()).unwrap()).iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "fold: may not depend on node: not of a lower ring or place",
            "fold: tokio has no place in the pure ring"
        ]
    );
}
