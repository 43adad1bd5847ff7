//! `docs/reference/tables.md` is what the server says of the tables; `UPDATE_EXPECT=1` writes it.

use crate::rig::{fresh, run};
use std::fmt::Write;
use std::path::Path;

const HEAD: &str = "# Tables and views in ClickHouse

Made from the migrations by `UPDATE_EXPECT=1 cargo test -p tally-clickhouse --test it reference`; a test compares.

Every table is keyed, and a row is written again whenever its value changes: before background merges several
versions of a key may stand side by side. Read the views, which are right without `FINAL`, or take
`argMax(column, version)` by key, or say `FINAL`. Sum tokens as `sum(toInt128(tokens))`: a sum of `Int64` wraps
silently. Hashes are shown by `lower(hex(account))`.
";

#[test]
fn the_reference_says_what_the_server_says() {
    run(async {
        let database = fresh().await;
        let tables: Vec<(String, String, String)> = database
            .query(
                "SELECT name, comment, sorting_key FROM system.tables
                 WHERE database = '${d}' AND engine LIKE '%ReplacingMergeTree' ORDER BY name",
            )
            .fetch_all()
            .await
            .unwrap();
        let mut text = HEAD.to_owned();
        for (table, comment, key) in tables {
            let name = table.trim_start_matches("t_");
            write!(text, "\n## {name}\n\n{comment}.\n\nSorted by `{key}`.\n\n| column | type | holds |\n|---|---|---|\n")
                .unwrap();
            let columns = format!(
                "SELECT name, type, comment FROM system.columns
                 WHERE database = '${{d}}' AND table = '{table}' ORDER BY position"
            );
            let columns: Vec<(String, String, String)> = database.query(&columns).fetch_all().await.unwrap();
            for (column, kind, holds) in columns {
                writeln!(text, "| {column} | `{kind}` | {holds} |").unwrap();
            }
        }
        text.push_str("\n# Views\n\n| view | shows |\n|---|---|\n");
        for (view, shows) in views() {
            writeln!(text, "| {view} | {shows} |").unwrap();
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/tables.md");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == text,
            "docs/reference/tables.md is not what the server says; run it with UPDATE_EXPECT=1"
        );
    });
}

/// Name of each view and the comment at the head of its file, in the order of the files.
fn views() -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("views");
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let described = files.iter().map(|file| {
        let text = std::fs::read_to_string(file).unwrap();
        let comment: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("-- ")).collect();
        let name = file.file_stem().unwrap().to_str().unwrap().split_once('_').unwrap().1.to_owned();
        (name, comment.join(" ").replace("${refresh}", "60"))
    });
    described.collect()
}
