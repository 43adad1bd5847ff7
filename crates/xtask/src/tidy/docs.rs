//! Relative links of the Markdown files lead to files that exist.

use regex_lite::Regex;

use super::Violation;
use super::tree::{File, Tree};

pub(crate) fn links_lead_somewhere(tree: &Tree) -> Vec<Violation> {
    let link = Regex::new(r"\]\(([^)\s]+)[^)]*\)").expect("a constant pattern");
    tree.files()
        .iter()
        .filter(|file| file.has_extension("md"))
        .flat_map(|file| dead(tree, file, &link))
        .collect()
}

fn dead(tree: &Tree, file: &File, link: &Regex) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (at, line) in file.text.lines().enumerate() {
        in_code ^= line.trim_start().starts_with("```");
        if in_code {
            continue;
        }
        let targets = link.captures_iter(line).filter_map(|it| it.get(1)).map(|it| it.as_str());
        let relative = targets.filter(|target| {
            !target.contains("://") && !target.starts_with(['#', '<']) && !target.starts_with("mailto:")
        });
        let dead =
            relative.filter(|target| !resolve(&file.path, target).is_some_and(|path| tree.holds(&path)));
        found
            .extend(dead.map(|target| Violation::in_line(file, at, format!("the link to {target} is dead"))));
    }
    found
}

/// `target` as seen from the file at `from`; `None` when it leaves the tree.
fn resolve(from: &str, target: &str) -> Option<String> {
    let target = target.split('#').next().unwrap_or_default();
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { from.split('/').collect() };
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
