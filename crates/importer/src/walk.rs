//! Which files there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Files in the order in which they are read, and what could not be looked into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// Sorted, each once.
    pub files: Vec<PathBuf>,
    /// Directories and files that could not be read, and why.
    pub unreadable: Vec<(PathBuf, String)>,
}

/// Where Claude Code keeps its transcripts on this machine: those that exist. `env` reads a variable.
#[must_use]
pub fn default_roots(env: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let named = env("CLAUDE_CONFIG_DIR").filter(|text| !text.is_empty());
    let configured: Vec<PathBuf> = match (named, env("HOME")) {
        (Some(text), _) => text.split(',').map(|directory| PathBuf::from(directory.trim())).collect(),
        (None, Some(home)) => vec![Path::new(&home).join(".claude"), Path::new(&home).join(".config/claude")],
        (None, None) => Vec::new(),
    };
    configured.into_iter().map(|directory| directory.join("projects")).filter(|path| path.is_dir()).collect()
}

/// Every file below `roots` whose name ends in one of `suffixes`; a root that is a file counts whatever its name.
#[must_use]
pub fn walk(roots: &[PathBuf], suffixes: &[&str]) -> Walk {
    let mut found = Walk::default();
    let mut files = BTreeSet::new();
    for root in roots {
        match fs::metadata(root) {
            Ok(kind) if kind.is_dir() => below(root, suffixes, &mut files, &mut found.unreadable),
            Ok(_) => {
                files.insert(root.clone());
            }
            Err(error) => found.unreadable.push((root.clone(), error.to_string())),
        }
    }
    let mut seen = BTreeSet::new();
    found.files = files.into_iter().filter(|path| seen.insert(real(path))).collect();
    found
}

fn below(
    directory: &Path,
    suffixes: &[&str],
    files: &mut BTreeSet<PathBuf>,
    unreadable: &mut Vec<(PathBuf, String)>,
) {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => return unreadable.push((directory.to_owned(), error.to_string())),
    };
    for entry in entries {
        match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
            Ok((path, kind)) if kind.is_dir() => below(&path, suffixes, files, unreadable),
            // A link to a directory is not followed: it may lead back here.
            Ok((path, kind)) => {
                let file = kind.is_file() || fs::metadata(&path).is_ok_and(|kind| kind.is_file());
                if file && has_suffix(&path, suffixes) {
                    files.insert(path);
                }
            }
            Err(error) => unreadable.push((directory.to_owned(), error.to_string())),
        }
    }
}

fn has_suffix(path: &Path, suffixes: &[&str]) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    suffixes.iter().any(|suffix| name.ends_with(suffix))
}

/// The file behind links, so that two names of one file are one.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "{}\n").unwrap();
        }
        root
    }

    #[test]
    fn files_are_sorted_and_each_is_there_once() {
        let root = tree(&["b/2.jsonl", "a/1.jsonl.gz", "a/notes.txt", "c.jsonl"]);
        std::os::unix::fs::symlink(root.path(), root.path().join("a/loop")).unwrap();
        std::os::unix::fs::symlink(root.path().join("c.jsonl"), root.path().join("d.jsonl")).unwrap();
        let found = walk(&[root.path().to_owned(), root.path().join("b/2.jsonl")], &[".jsonl", ".jsonl.gz"]);
        let names = found.files.iter().map(|path| path.strip_prefix(root.path()).unwrap().to_str().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), ["a/1.jsonl.gz", "b/2.jsonl", "c.jsonl"]);
        assert_eq!(found.unreadable, []);
    }

    #[test]
    fn what_is_not_there_is_said_and_the_rest_goes_on() {
        let root = tree(&["a.jsonl"]);
        let found = walk(&[root.path().join("gone"), root.path().to_owned()], &[".jsonl"]);
        assert_eq!(found.files.len(), 1);
        assert_eq!(found.unreadable[0].0, root.path().join("gone"));
    }

    #[test]
    fn transcripts_lie_where_the_tool_is_told_to_keep_them() {
        let root = tree(&[
            "home/.claude/projects/x.jsonl",
            "home/.config/claude/projects/x.jsonl",
            "other/projects/x.jsonl",
        ]);
        let at = |path: &str| root.path().join(path);
        let home = at("home").to_str().unwrap().to_owned();
        let other = format!("{},{}", at("other").display(), at("gone").display());
        let roots = |configured: Option<String>| {
            default_roots(|name| if name == "HOME" { Some(home.clone()) } else { configured.clone() })
        };
        assert_eq!(roots(None), [at("home/.claude/projects"), at("home/.config/claude/projects")]);
        assert_eq!(roots(Some(other)), [at("other/projects")]);
    }
}
