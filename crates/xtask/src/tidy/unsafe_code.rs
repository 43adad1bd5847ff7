//! `unsafe` stays in the few files that speak C or to the kernel.

use super::tree::{File, Tree};
use super::{Violation, code};

/// Files, and directories ending in `/`, that may say `unsafe`, and what for.
const MAY: &[(&str, &str)] = &[
    ("crates/clickhouse-embedded/src/ffi.rs", "libchdb's C interface"),
    ("crates/clickhouse-embedded/src/ffi/", "libchdb's C interface"),
    ("crates/log-kafka/src/batch.rs", "librdkafka's batch call"),
    ("crates/log-kafka/src/token.rs", "a token for librdkafka"),
    ("crates/log-kafka/src/topic_id.rs", "librdkafka's description of a topic"),
    ("crates/node/src/signals.rs", "the end of a child when its parent dies"),
];

pub(crate) fn stays_in_its_files(tree: &Tree) -> Vec<Violation> {
    tree.rust().filter(|file| !may(file)).flat_map(uses).collect()
}

fn may(file: &File) -> bool {
    MAY.iter()
        .any(|(path, _)| if path.ends_with('/') { file.path.starts_with(path) } else { file.path == *path })
}

fn uses(file: &File) -> Vec<Violation> {
    let code = code::only(&file.text);
    let lines = code.lines().enumerate().filter(|(_, line)| code::words(line).any(|word| word == "unsafe"));
    lines
        .map(|(at, _)| Violation::in_line(file, at, "unsafe outside the list in tidy/unsafe_code.rs"))
        .collect()
}
