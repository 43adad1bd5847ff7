//! A name says what a thing is; a thing that is declared is finished.

use super::tree::{File, Tree};
use super::{Violation, code};

/// Say nothing, wherever they stand in a name.
const EMPTY_WORDS: &[&str] = &["manager", "handler", "helper", "helpers", "v2"];
/// Say nothing as a whole name; as a part ("common prefix") they may be English.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common"];
/// What declares the word after it.
const DECLARES: &[&str] =
    &["fn", "struct", "enum", "union", "trait", "mod", "type", "const", "static", "let", "macro_rules"];

pub(crate) fn say_what_they_mean(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.rust() {
        let parts = file.path.split('/').map(|part| part.trim_end_matches(".rs"));
        found.extend(
            parts.filter(|part| is_empty(part)).map(|part| named(Violation::new(&file.path, ""), part)),
        );
        let code = code::only(&file.text);
        for (at, line) in code.lines().enumerate() {
            found.extend(
                declared(line)
                    .filter(|name| is_empty(name))
                    .map(|name| named(Violation::in_line(file, at, ""), name)),
            );
        }
    }
    found
}

fn named(at: Violation, name: &str) -> Violation {
    Violation { what: format!("the name `{name}` hides what it does: say what it is"), ..at }
}

/// The names that `line` declares.
fn declared(line: &str) -> impl Iterator<Item = &str> {
    let mut words = code::words(line).filter(|word| *word != "mut").peekable();
    std::iter::from_fn(move || {
        loop {
            let word = words.next()?;
            if DECLARES.contains(&word) {
                return words.peek().copied();
            }
        }
    })
}

fn is_empty(name: &str) -> bool {
    let name = name.trim_start_matches("r#");
    EMPTY_NAMES.contains(&name.to_lowercase().as_str())
        || parts(name).iter().any(|part| EMPTY_WORDS.contains(&part.as_str()))
}

/// `SomeHTTPHandlerV2`, `some_http_handler_v2` → some, http, handler, v2.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before_upper = true;
    let mut rest = name.chars().peekable();
    while let Some(found) = rest.next() {
        let before_lower = rest.peek().is_some_and(|next| next.is_lowercase());
        if matches!(found, '_' | '-') || (found.is_uppercase() && (!before_upper || before_lower)) {
            parts.push(String::new());
        }
        before_upper = found.is_uppercase();
        if let Some(part) = parts.last_mut().filter(|_| found.is_alphanumeric()) {
            part.extend(found.to_lowercase());
        }
    }
    parts
}

pub(crate) fn nothing_is_left_undone(tree: &Tree) -> Vec<Violation> {
    tree.rust().flat_map(undone).collect()
}

fn undone(file: &File) -> Vec<Violation> {
    let code = code::only(&file.text);
    let marks = ["todo!", "unimplemented!", "#[ignore"];
    let mut found = Vec::new();
    for (at, line) in code.lines().enumerate() {
        let hits = marks.iter().filter(|mark| line.contains(*mark));
        found.extend(
            hits.map(|mark| {
                Violation::in_line(file, at, format!("{mark} pretends: finish it or leave it out"))
            }),
        );
    }
    found
}
