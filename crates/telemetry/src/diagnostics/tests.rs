use std::io::Write;
use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written(human: bool, filter: &str) -> String {
    let buffer = Buffer::default();
    let to = buffer.clone();
    let subscriber = subscriber(human, false, filter, move || to.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        write(Level::Debug, || "batch folded events=3".to_owned());
        write(Level::Warn, || "engine restarted".to_owned());
    });
    let bytes = buffer.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn people_read_lines_and_machines_json() {
    let human = written(true, "info");
    assert!(human.ends_with(" WARN tally: engine restarted\n") && human.lines().count() == 1, "{human}");
    let json = written(false, "debug");
    let lines: Vec<&str> = json.lines().collect();
    assert_eq!(lines.len(), 2, "{json}");
    assert!(
        lines[0].contains(r#""level":"DEBUG","message":"batch folded events=3","target":"tally""#),
        "{json}"
    );
}

#[test]
fn a_filter_that_is_none_says_so() {
    let said = init_diagnostics(Format::Json, "tally=loud").unwrap_err().to_string();
    assert!(said.starts_with("the diagnostics filter \"tally=loud\" cannot be read"), "{said}");
}
