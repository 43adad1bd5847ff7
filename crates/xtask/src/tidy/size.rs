//! A file is short enough to be read in one go.

use super::Violation;
use super::tree::{File, Tree};

const REPORTED_ABOVE_LINES: usize = 400;
const REFUSED_ABOVE_LINES: usize = 700;
const COUNTED: &[&str] = &["rs", "sql", "html", "css", "js", "mjs", "ts", "py", "sh"];

pub(crate) fn files_are_short(tree: &Tree) -> Vec<Violation> {
    longer_than(tree, REFUSED_ABOVE_LINES)
}

/// Long, but still allowed.
pub(crate) fn long_files(tree: &Tree) -> Vec<Violation> {
    longer_than(tree, REPORTED_ABOVE_LINES)
}

fn longer_than(tree: &Tree, most: usize) -> Vec<Violation> {
    let counted =
        tree.files().iter().filter(|file| COUNTED.iter().any(|extension| file.has_extension(extension)));
    let lines = |file: &File| file.text.lines().count();
    let long = counted.map(|file| (file, lines(file))).filter(|(_, count)| *count > most);
    long.map(|(file, count)| {
        Violation::new(&file.path, format!("{count} lines, more than {most}: split it by subject"))
    })
    .collect()
}
