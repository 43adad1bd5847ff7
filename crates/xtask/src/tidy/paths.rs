//! No file knows the machine it was written on.

use regex_lite::Regex;

use super::Violation;
use super::tree::{File, Tree};

pub(crate) fn no_machine_is_named(tree: &Tree) -> Vec<Violation> {
    // Written in pieces, so that this file does not find itself.
    let roots = ["work", "root", "farm"].join("|");
    let registries = ["npm[a-z]*", "py[a-z]*", "maven", "crates", "debian"].join("|");
    let machine = Regex::new(&format!("(^|[^A-Za-z0-9_.])/({roots})/")).expect("a constant pattern");
    let registry =
        Regex::new(&format!("https?://[a-z0-9.-]*({registries})[a-z0-9.-]*/")).expect("a constant pattern");
    let checked = tree.files().iter().filter(|file| !file.has_extension("lock"));
    checked.flat_map(|file| named(file, &machine, &registry)).collect()
}

fn named(file: &File, machine: &Regex, registry: &Regex) -> Vec<Violation> {
    let mut found = Vec::new();
    for (at, line) in file.text.lines().enumerate() {
        if machine.is_match(line) {
            found.push(Violation::in_line(
                file,
                at,
                "an absolute path of one machine: make it relative or an option",
            ));
        }
        if registry.is_match(line) {
            found.push(Violation::in_line(
                file,
                at,
                "a registry's host: the package client knows where it fetches",
            ));
        }
    }
    found
}
