//! Every default stands once, in `ops/tally.toml`, under a comment that explains it.

use super::Violation;
use super::tree::{File, Tree};

pub(crate) fn every_key_is_explained(tree: &Tree) -> Vec<Violation> {
    tree.file("ops/tally.toml").map(unexplained).unwrap_or_default()
}

fn unexplained(file: &File) -> Vec<Violation> {
    let mut before = "";
    let mut found = Vec::new();
    for (at, line) in file.text.lines().map(str::trim).enumerate() {
        let is_key = line.split_once('=').is_some() && !line.starts_with('#');
        if is_key && !before.starts_with('#') {
            let key = line.split('=').next().unwrap_or_default().trim();
            found.push(Violation::in_line(
                file,
                at,
                format!("the key {key} has no comment above it: say what it sets"),
            ));
        }
        before = line;
    }
    found
}
