//! Every crate stands under the workspace's lints.

use toml::{Table, Value};

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
    let Ok(manifest) = file.text.parse::<Table>() else { return Some("is not TOML") };
    let inherited =
        manifest.get("lints").and_then(|lints| lints.get("workspace")) == Some(&Value::Boolean(true));
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

/// The keys and list entries of `whole` that `part` does not repeat.
fn lacks(tree: &Tree, part: &File, whole: &str) -> Vec<Violation> {
    let Some(Ok(wanted)) = tree.file(whole).map(|file| file.text.parse::<Table>()) else {
        return vec![Violation::new(whole, "is missing or no TOML")];
    };
    let Ok(has) = part.text.parse::<Table>() else { return vec![Violation::new(&part.path, "is no TOML")] };
    let missing = wanted.iter().flat_map(|(key, value)| absent(key, value, has.get(key)));
    missing.map(|what| Violation::new(&part.path, format!("lacks {what} of {whole}"))).collect()
}

fn absent(key: &str, wanted: &Value, has: Option<&Value>) -> Vec<String> {
    match (wanted, has) {
        (Value::Array(wanted), Some(Value::Array(has))) => {
            wanted.iter().filter(|entry| !has.contains(entry)).map(|entry| format!("{key} {entry}")).collect()
        }
        (wanted, Some(has)) if wanted == has => Vec::new(),
        _ => vec![key.to_owned()],
    }
}
