//! Python's `clickhouse-connect`, from the package index, in a virtual environment under the target directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::rig::Db;

const PACKAGE: &str = "clickhouse-connect==1.12.0";

fn run(command: &mut Command) -> String {
    let output =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; these tests need python3"));
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} failed:\n{text}");
    text
}

/// The interpreter of an environment with the client; made once, then moved into place whole.
fn python() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(PACKAGE.replace("==", "-"));
    let interpreter = folder.join("bin/python");
    if !folder.join("complete").is_file() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        run(Command::new(&interpreter).args(["-m", "pip", "install", "--quiet", PACKAGE]));
        std::fs::write(folder.join("complete"), PACKAGE).expect("written");
    }
    interpreter
}

#[test]
fn clickhouse_connect_works() {
    let db = Db::new("python");
    let address = db.url.trim_start_matches("http://");
    let (host, port) = address.split_once(':').expect("host and port");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clickhouse_connect_test.py");
    let text = run(Command::new(python()).arg(script).args([host, port, &db.name]));
    assert!(text.contains("all of it worked"), "{text}");
}
