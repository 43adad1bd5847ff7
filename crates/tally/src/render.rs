//! What people read: tables and lines on stdout, errors on stderr, colours only on a terminal.

mod import;
pub(crate) mod number;
mod standing;
mod verify;

use std::io::{self, ErrorKind, IsTerminal, Write};

use anyhow::{Context, Result};
use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, CellAlignment, Table};
use serde::Serialize;

pub(crate) use import::import;
pub(crate) use standing::{me, top};
pub(crate) use verify::{clickhouse, rejects, republish, verify};

use crate::report;

/// The report as one JSON object, or as `human` puts it.
pub(crate) fn answer<R: Serialize>(json: bool, report: &R, human: impl FnOnce(&R) -> String) -> Result<()> {
    if !json {
        return text(&human(report));
    }
    let mut object = serde_json::to_string(report).context("writing the report as JSON")?;
    object.push('\n');
    text(&object)
}

/// Text as it stands. A reader that has seen enough (`| head`) is no error.
pub(crate) fn text(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.context("writing to stdout"),
    }
}

/// The whole chain of an error in one line, each cause once: some errors show theirs themselves.
pub(crate) fn error(error: &anyhow::Error) {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            let between = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{between}{cause}");
        }
    }
    // Where stderr is closed there is nobody left to tell.
    let _told = writeln!(io::stderr(), "error: {text}");
}

/// Key, value, origin.
pub(crate) fn settings(report: &report::Config) -> String {
    let mut table = table(&["setting", "value", "from"]);
    for setting in &report.settings {
        table.add_row([setting.key.clone(), setting.value.to_string(), setting.origin.clone()]);
    }
    table.trim_fmt() + "\n"
}

/// A table without lines, its head bold on a terminal that wants it.
fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    if !coloured() {
        table.force_no_tty();
    }
    table.set_header(head.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    table
}

/// Aligns columns of numbers.
fn right(table: &mut Table, columns: impl IntoIterator<Item = usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// Colours belong on a terminal whose user did not ask for none (`NO_COLOR`, <https://no-color.org>).
fn coloured() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
