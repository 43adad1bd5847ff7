//! Each check sees the violation planted for it, and the tree itself has none.

use super::*;

fn said(check: fn(&Tree) -> Vec<Violation>, files: &[(&str, &str)]) -> Vec<String> {
    check(&Tree::of(files)).iter().map(ToString::to_string).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn the_tree_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    run(root).unwrap();
}

#[test]
fn a_crate_without_the_lints() {
    let check = clippy::lints_are_inherited;
    assert_eq!(
        said(check, &[("crates/a/Cargo.toml", "[package]\nname = \"a\"\n[lints]\nworkspace = true\n")]),
        NOTHING
    );
    assert_eq!(
        said(check, &[("crates/a/Cargo.toml", "[package]\nname = \"a\"\n")]),
        ["crates/a/Cargo.toml: lacks `[lints] workspace = true`"]
    );
}

#[test]
fn a_clippy_file_that_forgets_the_root() {
    let check = clippy::configurations_include_the_root;
    let root = ("clippy.toml", "allow-unwrap-in-tests = true\ndoc-valid-idents = [\"A\", \"B\"]\n");
    let good = "allow-unwrap-in-tests = true\ndoc-valid-idents = [\"B\", \"A\", \"C\"]\n";
    assert_eq!(said(check, &[root, ("crates/log/clippy.toml", good)]), NOTHING);
    assert_eq!(
        said(check, &[root, ("crates/log/clippy.toml", "doc-valid-idents = [\"A\"]\n")]),
        [
            "crates/log/clippy.toml: lacks allow-unwrap-in-tests of clippy.toml",
            "crates/log/clippy.toml: lacks doc-valid-idents \"B\" of clippy.toml"
        ]
    );
}

#[test]
fn a_pure_crate_without_the_pure_list() {
    let pure =
        ("crates/fold/clippy.toml", "disallowed-types = [{ path = \"HashMap\", reason = \"order\" }]\n");
    let files = [("clippy.toml", ""), pure, ("crates/domain/src/lib.rs", "")];
    let said = said(clippy::configurations_include_the_root, &files);
    assert_eq!(said, ["crates/domain/clippy.toml: is missing: copy crates/fold/clippy.toml"]);
}

#[test]
fn a_pure_crate_that_does_not_forbid_unsafe() {
    let head = "#![forbid(unsafe_code)]\n#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::indexing_slicing))]\n";
    assert_eq!(said(pure::crates_forbid_unsafe, &[("crates/fold/src/lib.rs", head)]), NOTHING);
    assert_eq!(said(pure::crates_forbid_unsafe, &[("crates/fold/src/lib.rs", "//! Fold.\n")]).len(), 2);
    assert_eq!(said(pure::crates_forbid_unsafe, &[("crates/web/src/lib.rs", "")]), NOTHING);
}

#[test]
fn a_float_in_the_pure_ring() {
    let check = pure::crates_use_no_floats;
    assert_eq!(said(check, &[("crates/fold/src/a.rs", "// f64\nlet a = v.as_f64();\n")]), NOTHING);
    assert_eq!(said(check, &[("crates/web/src/a.rs", "let a: f64;")]), NOTHING);
    assert_eq!(
        said(check, &[("crates/fold/src/a.rs", "\nlet a: f64 = 1;")]),
        ["crates/fold/src/a.rs:2: a float in the pure ring: use checked integers with a unit"]
    );
}

#[test]
fn unsafe_where_it_may_not_be() {
    let block = "fn a() { unsafe { b() } }";
    let check = unsafe_code::stays_in_its_files;
    assert_eq!(said(check, &[("crates/clickhouse-embedded/src/ffi.rs", block)]), NOTHING);
    assert_eq!(said(check, &[("crates/log/src/a.rs", "#![forbid(unsafe_code)] // unsafe")]), NOTHING);
    assert_eq!(
        said(check, &[("crates/log/src/a.rs", block)]),
        ["crates/log/src/a.rs:1: unsafe outside the list in tidy/unsafe_code.rs"]
    );
}

#[test]
fn a_file_too_long() {
    let lines = |count| "x\n".repeat(count);
    assert_eq!(said(size::files_are_short, &[("a.rs", &lines(700)), ("a.json", &lines(701))]), NOTHING);
    assert_eq!(
        said(size::files_are_short, &[("a.rs", &lines(701))]),
        ["a.rs: 701 lines, more than 700: split it by subject"]
    );
    assert_eq!(said(size::long_files, &[("a.rs", &lines(401))]).len(), 1);
}

#[test]
fn a_name_that_says_nothing() {
    let check = names::say_what_they_mean;
    let good = "use axum::handler::Handler;\nfn common_prefix(handled: u8) {}\n// struct EventManager\nlet manage = 1;";
    assert_eq!(said(check, &[("crates/log/src/a.rs", good)]), NOTHING);
    for (bad, name) in [
        ("pub struct EventManager;", "EventManager"),
        ("fn import_handler() {}", "import_handler"),
        ("let mut helper = 1;", "helper"),
        ("mod utils;", "utils"),
        ("enum HTTPHandler {}", "HTTPHandler"),
        ("fn batch_v2() {}", "batch_v2"),
    ] {
        let found = said(check, &[("crates/log/src/a.rs", bad)]);
        assert!(found.len() == 1 && found[0].contains(&format!("`{name}`")), "{bad}: {found:?}");
    }
    assert_eq!(said(check, &[("crates/log/src/common.rs", "")]).len(), 1);
    assert_eq!(said(check, &[("crates/log/src/batch_v2.rs", "")]).len(), 1);
}

#[test]
fn a_thing_left_undone() {
    for bad in ["todo!()", "unimplemented!(\"later\")", "#[ignore = \"slow\"]"] {
        assert_eq!(said(names::nothing_is_left_undone, &[("crates/log/src/a.rs", bad)]).len(), 1, "{bad}");
    }
    assert_eq!(said(names::nothing_is_left_undone, &[("crates/log/src/a.rs", "// todo!()")]), NOTHING);
}

#[test]
fn a_machine_named() {
    let check = paths::no_machine_is_named;
    let home = format!("see /{}/notes", "work");
    let host = format!("https://registry.{}js.org/x", "npm");
    assert_eq!(said(check, &[("a.md", &home)]).len(), 1);
    assert_eq!(said(check, &[("tests/package-lock.json", &host)]).len(), 1);
    assert_eq!(
        said(check, &[("Cargo.lock", &host), ("a.md", "net/works/notes https://clickhouse.com/docs")]),
        NOTHING
    );
}

#[test]
fn a_setting_without_a_comment() {
    let check = settings::every_key_is_explained;
    assert_eq!(said(check, &[("ops/tally.toml", "[log]\n# Fixed for life.\npartitions = 8\n")]), NOTHING);
    assert_eq!(
        said(check, &[("ops/tally.toml", "# Sections.\n[log]\npartitions = 8\n")]),
        ["ops/tally.toml:3: the key partitions has no comment above it: say what it sets"]
    );
}

#[test]
fn a_dead_link() {
    let check = docs::links_lead_somewhere;
    let text = "[a](adr/0001.md#why) [up](../README.md) [dir](adr/) [web](https://x.y) [here](#a)\n```\n[no](no.md)\n```\n";
    let files = [("docs/a.md", text), ("docs/adr/0001.md", ""), ("README.md", "")];
    assert_eq!(said(check, &files), NOTHING);
    assert_eq!(said(check, &[("docs/a.md", "\n[b](b.md)")]), ["docs/a.md:2: the link to b.md is dead"]);
    assert_eq!(said(check, &[("a.md", "[out](../../x.md)")]).len(), 1);
}

#[test]
fn sql_that_ranks() {
    let sql = "SELECT\n  row_number() OVER (ORDER BY tokens)";
    let check = sql::ranking_is_not_sqls;
    assert_eq!(said(check, &[("crates/audit/queries/a.sql", sql)]), NOTHING);
    assert_eq!(
        said(check, &[("crates/clickhouse/a.sql", "SELECT rank COMMENT 'rank (shared)' -- rank()\n")]),
        NOTHING
    );
    assert_eq!(
        said(check, &[("crates/clickhouse/a.sql", sql)]),
        ["crates/clickhouse/a.sql:2: ranks are the ranker's: read the rank it wrote"]
    );
}

#[test]
fn sql_that_sums_what_is_inserted() {
    let check = sql::nothing_sums_inserted_rows;
    let refreshed = "CREATE TABLE a (x Int64) ENGINE = ReplacingMergeTree(x);\nCREATE MATERIALIZED VIEW b REFRESH EVERY 1 MINUTE AS SELECT sum(x) FROM a";
    assert_eq!(said(check, &[("a.sql", refreshed)]), NOTHING);
    let incremental = "SELECT 1;\nCREATE MATERIALIZED VIEW b TO c AS SELECT sum(x) FROM a";
    assert_eq!(said(check, &[("a.sql", incremental)]).len(), 1);
    assert_eq!(said(check, &[("a.sql", "CREATE TABLE a (x Int64) ENGINE = SummingMergeTree")]).len(), 1);
}
