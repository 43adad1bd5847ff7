//! SQL computes no rank, and sums nothing that a retry could insert twice.

use regex_lite::Regex;

use super::Violation;
use super::tree::{File, Tree};

/// Ranks are the ranker's; the audit may recompute them to compare.
pub(crate) fn ranking_is_not_sqls(tree: &Tree) -> Vec<Violation> {
    let ranking = Regex::new(r"(?i)\b(dense_rank|rank|row_number)\s*\(\s*\)").expect("a constant pattern");
    let mut found = Vec::new();
    for file in
        tree.files().iter().filter(|file| file.has_extension("sql") && file.crate_dir() != Some("audit"))
    {
        let lines = statements(file)
            .lines()
            .enumerate()
            .filter(|(_, line)| ranking.is_match(line))
            .map(|(at, _)| at)
            .collect::<Vec<_>>();
        found.extend(
            lines
                .into_iter()
                .map(|at| Violation::in_line(file, at, "ranks are the ranker's: read the rank it wrote")),
        );
    }
    found
}

/// A materialized view must be refreshable, and no engine may sum or collapse: a retried insert would count twice.
pub(crate) fn nothing_sums_inserted_rows(tree: &Tree) -> Vec<Violation> {
    let engine = Regex::new(r"(?i)\b(summing|aggregating|collapsing|versionedcollapsing)mergetree\b")
        .expect("a constant pattern");
    let view = Regex::new(r"(?i)\bmaterialized\s+view\b").expect("a constant pattern");
    let refreshed = Regex::new(r"(?i)\brefresh\s+(every|after)\b").expect("a constant pattern");
    let mut found = Vec::new();
    for file in tree.files().iter().filter(|file| file.has_extension("sql")) {
        let text = statements(file);
        let mut line = 0;
        for statement in text.split(';') {
            let creates = statement.to_lowercase().contains("create");
            if creates && view.is_match(statement) && !refreshed.is_match(statement) {
                found.push(Violation::in_line(
                    file,
                    line,
                    "an incremental materialized view counts a retried insert twice: make it refreshable",
                ));
            }
            if engine.is_match(statement) {
                found.push(Violation::in_line(
                    file,
                    line,
                    "this engine sums what a retry inserts twice: use ReplacingMergeTree(version)",
                ));
            }
            line += statement.matches('\n').count();
        }
    }
    found
}

/// The text with its comments blanked.
fn statements(file: &File) -> String {
    let comment = |line: &str| line.split("--").next().unwrap_or_default().to_owned();
    file.text.lines().map(comment).collect::<Vec<_>>().join("\n")
}
