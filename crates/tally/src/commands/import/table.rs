//! `tally import csv` and `tally import jsonl`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tally_domain::EventTime;
use tally_importer::Origin;
use tally_sources::table::{Field, Format, Mapping, Table};

use super::{Reading, check, run};
use crate::cli::Global;
use crate::exit::{ExitStatus, UsageError};

/// Read a table of calls: CSV, its first line naming the columns
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    Azure's trace of 2023, whose columns are TIMESTAMP,ContextTokens,GeneratedTokens:\n    \
    tally import csv azure2023_code.csv --person azure --dataset azure-code \\\n      \
    --clock 2023-11-17T00:00:00Z --data-dir /tmp/azure \\\n      \
    --map TIMESTAMP=occurred_at,ContextTokens=input,GeneratedTokens=output\n\n  \
    Calls with ids and models of their own:\n    \
    tally import csv calls.csv --map when=occurred_at,id=id,model=model,in=input,out=output")]
pub(crate) struct Csv {
    #[command(flatten)]
    table: TableArgs,
}

/// Read a table of calls: one JSON object a line
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    Mooncake's trace, whose times are milliseconds from its beginning:\n    \
    tally import jsonl mooncake_conversation_trace.jsonl --person mooncake --dataset mooncake \\\n      \
    --origin 2023-11-16T00:00:00Z --clock 2023-11-17T00:00:00Z --data-dir /tmp/mooncake \\\n      \
    --map timestamp=offset_ms,input_length=input,output_length=output\n\n  \
    One model for every row, named in quotes:\n    \
    tally import jsonl calls.jsonl --map \"ts=epoch_ms,call=id,'gpt-5'=model,in=input,out=output\"")]
pub(crate) struct Jsonl {
    #[command(flatten)]
    table: TableArgs,
}

#[derive(Debug, Args)]
struct TableArgs {
    /// Tables, or directories of them
    #[arg(value_name = "FILE", required = true)]
    paths: Vec<PathBuf>,
    /// Which column is which field; repeat it, or separate by commas
    #[arg(long, value_name = "COLUMN=FIELD", required = true, long_help = map_help())]
    map: Vec<String>,
    /// The instant that relative times (`offset_ms`, `offset_s`) count from
    #[arg(long, value_name = "TIME", value_parser = instant)]
    origin: Option<EventTime>,
    /// Names the table: its source, and rows without an id of their own [default: the file's name]
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    #[command(flatten)]
    reading: Reading,
}

fn map_help() -> String {
    let fields: Vec<_> = Field::ALL.iter().map(|field| field.name()).collect();
    format!(
        "Which column is which field; repeat it, or separate by commas.\n\n\
         One column says when, at least one counts tokens. A text in single quotes stands for every row: 'gpt-4'=model\n\n\
         Fields: {}",
        fields.join(", ")
    )
}

fn instant(text: &str) -> Result<EventTime, String> {
    let wrong = || format!("{text:?} is no instant: write it with its zone, such as 2026-01-01T00:00:00Z");
    EventTime::parse(text).ok_or_else(wrong)
}

impl Csv {
    pub(crate) fn run(&self, global: &Global) -> Result<ExitStatus> {
        self.table.run(global, Format::Csv)
    }
}

impl Jsonl {
    pub(crate) fn run(&self, global: &Global) -> Result<ExitStatus> {
        self.table.run(global, Format::Jsonl)
    }
}

impl TableArgs {
    fn run(&self, global: &Global, format: Format) -> Result<ExitStatus> {
        let mapping = Mapping::parse(&columns_first(&self.map))
            .map_err(|wrong| UsageError(format!("{wrong} (--map COLUMN=FIELD)")))?;
        let dataset = self.dataset()?;
        check(&self.paths)?;
        let table = Table { format, mapping, origin: self.origin, dataset };
        // What an earlier import read by another mapping may be other events: a table is always read whole.
        let files = run::Files { origin: Origin::Table(table), roots: self.paths.clone(), resume: false };
        run::run(global, &self.reading, files)
    }

    /// Rows of two tables must not meet under one name by accident.
    fn dataset(&self) -> Result<String, UsageError> {
        let of_file = match self.paths.as_slice() {
            [path] => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            _ => None,
        };
        self.dataset.clone().or(of_file).filter(|name| !name.is_empty()).ok_or_else(|| {
            UsageError("several tables are read; say with --dataset NAME what they are together".to_owned())
        })
    }
}

/// `--map input=ContextTokens` is understood too, where only that order makes sense.
fn columns_first(maps: &[String]) -> String {
    let is_field = |name: &str| Field::ALL.iter().any(|field| field.name() == name.trim());
    let turned = maps.iter().flat_map(|map| map.split(',')).map(|part| match part.split_once('=') {
        Some((field, column)) if is_field(field) && !is_field(column) => format!("{column}={field}"),
        _ => part.to_owned(),
    });
    turned.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_may_name_the_field_first() {
        let maps = ["TIMESTAMP=occurred_at,input=ContextTokens".to_owned(), "output=output".to_owned()];
        assert_eq!(columns_first(&maps), "TIMESTAMP=occurred_at,ContextTokens=input,output=output");
    }
}
