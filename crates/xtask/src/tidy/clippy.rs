//! Every crate stands under the workspace's lints.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Violation;
use super::rings::is_pure;
use super::tree::{File, Tree};

/// The purity lists that every crate of ring 0 repeats.
const PURE: &str = "crates/fold/clippy.toml";

pub(crate) fn lints_are_inherited(tree: &Tree) -> Vec<Violation> {
    let manifests = tree.files().iter().filter(|file| is_manifest(file));
    manifests.filter_map(|file| not_inherited(file).map(|what| Violation::new(&file.path, what))).collect()
}

fn is_manifest(file: &File) -> bool {
    let parts: Vec<&str> = file.path.split('/').collect();
    matches!(parts.as_slice(), ["crates", _, "Cargo.toml"] | ["tests", "Cargo.toml"])
}

fn not_inherited(file: &File) -> Option<&'static str> {
    let Ok(manifest) = DeTable::parse(&file.text) else { return Some("is not TOML") };
    let lints = manifest.get_ref().get("lints").and_then(|lints| lints.get_ref().get("workspace"));
    let inherited = lints.and_then(|workspace| workspace.get_ref().as_bool()) == Some(true);
    (!inherited).then_some("lacks `[lints] workspace = true`")
}

/// A crate's own clippy.toml replaces the root's, it does not merge.
pub(crate) fn configurations_include_the_root(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree
        .files()
        .iter()
        .filter(|file| file.path.starts_with("crates/") && file.path.ends_with("/clippy.toml"))
    {
        found.extend(lacks(tree, file, "clippy.toml"));
    }
    for name in pure_crates(tree) {
        let path = format!("crates/{name}/clippy.toml");
        match tree.file(&path) {
            Some(file) => found.extend(lacks(tree, file, PURE)),
            None => found.push(Violation::new(path, format!("is missing: copy {PURE}"))),
        }
    }
    found
}

pub(crate) fn pure_crates(tree: &Tree) -> impl Iterator<Item = &str> {
    tree.files()
        .iter()
        .filter(|file| file.path.ends_with("/src/lib.rs"))
        .filter_map(File::crate_dir)
        .filter(|name| is_pure(name))
}

/// The keys and list entries of `whole` that `part` does not repeat, letter for letter.
fn lacks(tree: &Tree, part: &File, whole: &str) -> Vec<Violation> {
    let Some((Ok(wanted), text)) = tree.file(whole).map(|file| (DeTable::parse(&file.text), &file.text))
    else {
        return vec![Violation::new(whole, "is missing or no TOML")];
    };
    let Ok(has) = DeTable::parse(&part.text) else { return vec![Violation::new(&part.path, "is no TOML")] };
    let missing = wanted.get_ref().iter().flat_map(|(key, value)| {
        let has =
            has.get_ref().get(key.get_ref().as_ref()).map(|has| Written { value: has, text: &part.text });
        absent(key.get_ref(), Written { value, text }, has)
    });
    missing.map(|what| Violation::new(&part.path, format!("lacks {what} of {whole}"))).collect()
}

/// A value and the file that it stands in.
#[derive(Clone, Copy)]
struct Written<'a> {
    value: &'a Spanned<DeValue<'a>>,
    text: &'a str,
}

impl<'a> Written<'a> {
    fn as_str(self) -> &'a str {
        self.text.get(self.value.span()).unwrap_or_default()
    }

    /// Of a list.
    fn entries(self) -> Option<Vec<&'a str>> {
        let entries = self.value.get_ref().as_array()?.iter();
        Some(entries.map(|value| Written { value, ..self }.as_str()).collect())
    }
}

fn absent(key: &str, wanted: Written<'_>, has: Option<Written<'_>>) -> Vec<String> {
    match (wanted.entries(), has.and_then(Written::entries)) {
        (Some(wanted), Some(has)) => {
            let missing = wanted.into_iter().filter(|entry| !has.contains(entry));
            missing.map(|entry| format!("{key} {entry}")).collect()
        }
        _ if has.is_some_and(|has| has.as_str() == wanted.as_str()) => Vec::new(),
        _ => vec![key.to_owned()],
    }
}
