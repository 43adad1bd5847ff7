//! Where the shared samples lie, for the tests of every source.

use std::path::PathBuf;

/// A file of the samples beside the checkout; fixtures of our own carry the tests where they are absent.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let root = std::env::var_os("TALLY_SHARED_DATA").map_or(beside, PathBuf::from);
    Some(root.join(path)).filter(|path| path.exists())
}
