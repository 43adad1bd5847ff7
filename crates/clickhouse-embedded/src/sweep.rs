//! What a full disk leaves of a view's refresh, taken away before the engine starts.
//!
//! A refresh makes a table, fills it and puts it in the place of the one that stands. When the disk is full as it is
//! made, its definition can stay an empty file, which changes places with it; with either the engine refuses to start.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What the table that a refresh fills is called, as a file: `.tmp.inner_id.…`.
const FILLED: &str = "%2Etmp%2Einner_id%2E";
/// What the table of the view `…` that stands is called, as a file: `.inner_id.…`.
const STANDS: &str = "%2Einner_id%2E";
const DEFINITION: &str = ".sql";

/// Takes away empty definitions of tables that a refresh made. The next one fills its own; a view that lost the
/// table that stood is kept beside, under another name, and its owner makes it again.
///
/// # Errors
/// When a definition cannot be read, renamed or removed.
pub(crate) fn sweep(data_dir: &Path) -> io::Result<()> {
    let databases = within(&data_dir.join("store")).flat_map(|prefix| within(&prefix));
    for path in databases.flat_map(|database| within(&database)) {
        let Some(name) = table_of(&path) else { continue };
        // One that was put aside is a view, and so is what was made in its place when there was still no room.
        let is_swept = name.starts_with(FILLED) || name.starts_with(STANDS) || aside(&path).exists();
        // One that was put aside meanwhile is not there any more.
        if !is_swept || !fs::metadata(&path).is_ok_and(|file| file.len() == 0) {
            continue;
        }
        // The view goes first: a start that ends in between finds the empty file again.
        if let Some(view) = name.strip_prefix(STANDS) {
            put_aside(&path, &view.replace("%2D", "-"))?;
        }
        fs::remove_file(&path)?;
    }
    Ok(())
}

/// The view of this id, defined beside the table.
fn put_aside(table: &Path, id: &str) -> io::Result<()> {
    let id = format!("ATTACH MATERIALIZED VIEW _ UUID '{id}'");
    for path in table.parent().into_iter().flat_map(within) {
        if table_of(&path).is_some() && fs::read_to_string(&path)?.starts_with(&id) {
            let aside = aside(&path);
            fs::rename(&path, &aside)?;
            // A child has no other place for it, and nobody may be reading.
            drop(writeln!(
                io::stderr(),
                "a full disk took the rows of a view: its definition is now {}, and Tally makes its own views again",
                aside.display()
            ));
        }
    }
    Ok(())
}

/// Where a definition is kept that the engine is not to read.
fn aside(path: &Path) -> PathBuf {
    path.with_extension("sql.bak")
}

/// The name of the table that this file defines, as it is written in files.
fn table_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(DEFINITION)
}

fn within(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}
