//! Ring 0: no unsafe, no floats, arithmetic on purpose.

use super::clippy::pure_crates;
use super::rings::is_pure;
use super::tree::{File, Tree};
use super::{Violation, code};

const HEAD: &[&str] = &[
    "#![forbid(unsafe_code)]",
    "#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::indexing_slicing))]",
];

pub(crate) fn crates_forbid_unsafe(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for path in pure_crates(tree).map(|name| format!("crates/{name}/src/lib.rs")) {
        let text = tree.file(&path).map_or("", |file| file.text.as_str());
        let missing = HEAD.iter().filter(|line| !text.lines().any(|found| found == **line));
        found.extend(missing.map(|line| Violation::new(&path, format!("lacks the line `{line}`"))));
    }
    found
}

pub(crate) fn crates_use_no_floats(tree: &Tree) -> Vec<Violation> {
    let pure = tree.rust().filter(|file| file.crate_dir().is_some_and(is_pure));
    pure.flat_map(floats).collect()
}

fn floats(file: &File) -> Vec<Violation> {
    let code = code::only(&file.text);
    let lines = code
        .lines()
        .enumerate()
        .filter(|(_, line)| code::words(line).any(|word| matches!(word, "f32" | "f64")));
    lines
        .map(|(at, _)| {
            Violation::in_line(file, at, "a float in the pure ring: use checked integers with a unit")
        })
        .collect()
}
