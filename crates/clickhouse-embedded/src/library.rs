//! Where `libchdb.so` lies, and whether it is the pinned one.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::EngineError;

/// Version of the npm package `@chdb/lib-linux-x64-gnu` that holds the library.
pub const ENGINE_VERSION: &str = "26.7.3-stable.1";
/// Its `libchdb.so`, sha256 in hexadecimal.
pub const LIBRARY_SHA256: &str = "36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5";

/// Where a program keeps the library.
#[derive(Clone, Copy, Debug)]
pub struct LibraryPlaces<'a> {
    /// Environment variable that names the file itself and wins over every place.
    pub variable: &'a str,
    /// Folder of the program under the user's cache folder (`$XDG_CACHE_HOME`, else `~/.cache`).
    pub cache_folder: &'a str,
    /// The command that fetches the library, for the error.
    pub fetch: &'a str,
}

/// Finds the library: the file that the variable names, else
/// `<cache>/<cache_folder>/engine/<version>/libchdb.so`.
///
/// # Errors
/// [`EngineError::LibraryMissing`] with every path tried. A variable that names no file is an error too, not a
/// reason to look elsewhere.
pub fn find_library(places: LibraryPlaces<'_>) -> Result<PathBuf, EngineError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let named = set(places.variable);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    let folder = Path::new(places.cache_folder).join("engine").join(ENGINE_VERSION).join("libchdb.so");
    let candidate = named.or_else(|| cache.map(|cache| cache.join(folder)));
    match candidate {
        Some(path) if path.is_file() => Ok(path),
        other => {
            let looked = other.into_iter().collect();
            Err(EngineError::LibraryMissing { looked, fetch: places.fetch.to_owned() })
        }
    }
}

/// Checks that the file is the pinned library.
///
/// Hashing half a gigabyte takes a noticeable part of a start, so a sound file is remembered beside itself by its
/// identity: device, inode, size and times. A file that was touched since is hashed again.
pub(crate) fn verify(path: &Path) -> Result<(), EngineError> {
    let unreadable = |source| EngineError::LibraryUnreadable { path: path.to_owned(), source };
    let identity = identity(path).map_err(unreadable)?;
    let note = path.with_extension("so.verified");
    if fs::read_to_string(&note).is_ok_and(|known| known == identity) {
        return Ok(());
    }
    let found = hash(path).map_err(unreadable)?;
    if found != LIBRARY_SHA256 {
        return Err(EngineError::LibraryChecksum { path: path.to_owned(), found, expected: LIBRARY_SHA256 });
    }
    // Only a shortcut for the next start: a cache that cannot be written is hashed each time.
    drop(write_note(&note, &identity));
    Ok(())
}

fn identity(path: &Path) -> io::Result<String> {
    let meta = fs::metadata(path)?;
    Ok(format!(
        "{LIBRARY_SHA256} device {} inode {} size {} modified {}.{:09} changed {}.{:09}\n",
        meta.dev(),
        meta.ino(),
        meta.size(),
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec()
    ))
}

fn hash(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path)?;
    let mut buffer = vec![0_u8; 1024 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
    }
    Ok(hasher.finalize().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes every text");
        text
    }))
}

fn write_note(note: &Path, identity: &str) -> io::Result<()> {
    let fresh = note.with_extension(format!("verified.{}", std::process::id()));
    fs::write(&fresh, identity)?;
    fs::rename(&fresh, note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_the_library_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let error = verify(file.path()).expect_err("an empty file").to_string();
        assert!(error.contains("is not the pinned one") && error.contains("e3b0c44298fc1c14"), "{error}");
    }

    #[test]
    fn a_missing_library_says_how_to_fetch_it() {
        let places = LibraryPlaces {
            variable: "NO_SUCH_VARIABLE_X",
            cache_folder: "no-such-folder",
            fetch: "make it",
        };
        let error = find_library(places).expect_err("no such folder").to_string();
        assert!(error.contains("no-such-folder/engine/26.7.3-stable.1/libchdb.so"), "{error}");
        assert!(error.ends_with("fetch it with `make it`"), "{error}");
    }
}
