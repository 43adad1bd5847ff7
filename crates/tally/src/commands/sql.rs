//! `tally sql`.

use std::io::{self, IsTerminal, Read as _, Write as _};

use anyhow::{Context, Result, bail};
use clap::Args;
use tally_node::attach::Attached;
use tally_node::config::Config;

use crate::cli::Global;
use crate::exit::ExitStatus;
use crate::{render, report};

/// So much of the end of an answer is held back until it is known that no error follows in it.
const HELD_BYTES: usize = 64 << 10;
/// What stands before an error that comes after the first rows.
const EXCEPTION: &[u8] = b"\r\n__exception__\r\n";

/// Ask ClickHouse anything
///
/// Runs one statement and prints its answer. Without a statement, prints the address for any ClickHouse client, which
/// lives as long as `tally up` does.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tally sql \"SELECT * FROM leaderboard LIMIT 10\"\n  \
    tally sql \"SHOW TABLES\"\n  \
    tally sql --format CSVWithNames \"SELECT * FROM model_daily\" > models.csv\n  \
    tally sql - < question.sql                 a statement from standard input\n  \
    tally sql                                  the address for other clients")]
pub(crate) struct Sql {
    /// The statement; - reads it from standard input
    statement: Option<String>,
    /// ClickHouse's name of the format of the answer [default: PrettyCompact on a terminal, else TSVWithNames]
    #[arg(long, value_name = "FORMAT", conflicts_with = "json")]
    format: Option<String>,
}

impl Sql {
    pub(crate) fn run(&self, global: &Global) -> Result<ExitStatus> {
        let statement = self.statement()?;
        let (config, attached) = global.attach()?;
        let Some(statement) = statement else {
            let url = attached.clickhouse()?.to_owned();
            let report = report::ClickHouse { url, database: attached.owner().database.clone() };
            render::answer(global.json, &report, render::clickhouse)?;
            return Ok(ExitStatus::Done);
        };
        let format = if global.json { "JSON" } else { self.format() };
        attached.runtime().block_on(ask(&config, &attached, statement, format))?;
        Ok(ExitStatus::Done)
    }

    fn statement(&self) -> Result<Option<String>> {
        match self.statement.as_deref() {
            Some("-") => {
                let mut text = String::new();
                io::stdin().read_to_string(&mut text).context("reading the statement from standard input")?;
                Ok(Some(text))
            }
            other => Ok(other.map(str::to_owned)),
        }
    }

    fn format(&self) -> &str {
        let usual = if io::stdout().is_terminal() { "PrettyCompact" } else { "TSVWithNames" };
        self.format.as_deref().unwrap_or(usual)
    }
}

/// Sends the statement and writes the answer as it comes.
async fn ask(config: &Config, attached: &Attached, statement: String, format: &str) -> Result<()> {
    let (owner, clickhouse) = (attached.owner(), attached.clickhouse()?);
    let client = reqwest::Client::builder().no_proxy().build().context("making an HTTP client")?;
    let parameters = [("database", owner.database.as_str()), ("default_format", format)];
    let url = reqwest::Url::parse_with_params(clickhouse, parameters)
        .with_context(|| format!("reading the address of ClickHouse, {clickhouse}"))?;
    let mut request = client.post(url).body(statement);
    if !config.clickhouse.url.is_empty() {
        request = request
            .header("X-ClickHouse-User", &config.clickhouse.user)
            .header("X-ClickHouse-Key", config.clickhouse.password.expose());
    }
    let sending = || format!("asking ClickHouse at {clickhouse}");
    let mut answer = request.send().await.with_context(sending)?;
    if !answer.status().is_success() {
        bail!("{}", answer.text().await.with_context(sending)?.trim());
    }
    let mut tail = Tail::default();
    while let Some(bytes) = answer.chunk().await.with_context(sending)? {
        if !write(&tail.push(&bytes))? {
            return Ok(());
        }
    }
    let (rest, error) = tail.finish();
    write(&rest)?;
    match error {
        Some(error) => bail!("{error}"),
        None => Ok(()),
    }
}

/// False when the reader has seen enough (`| head`).
fn write(bytes: &[u8]) -> Result<bool> {
    match io::stdout().write_all(bytes) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        outcome => outcome.map(|()| true).context("writing to stdout"),
    }
}

/// The end of an answer so far.
#[derive(Debug, Default)]
struct Tail(Vec<u8>);

impl Tail {
    /// Takes what came, gives what may be shown.
    fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.0.extend_from_slice(bytes);
        let shown = self.0.len().saturating_sub(HELD_BYTES);
        self.0.drain(..shown).collect()
    }

    /// The rest of the answer, and the error that ended it.
    fn finish(self) -> (Vec<u8>, Option<String>) {
        let starts =
            (0..self.0.len()).find(|&at| self.0.get(at..).is_some_and(|it| it.starts_with(EXCEPTION)));
        let Some(start) = starts else { return (self.0, None) };
        let (rest, block) = self.0.split_at(start);
        // Tag, message, its length with the tag again, end.
        let text = String::from_utf8_lossy(block.get(EXCEPTION.len()..).unwrap_or_default()).into_owned();
        let message = text.lines().nth(1).unwrap_or("the answer broke off").trim().to_owned();
        (rest.to_vec(), Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_after_the_first_rows_is_an_error() {
        let mut tail = Tail::default();
        let answer =
            b"1\n2\n\r\n__exception__\r\nabc\r\nCode: 395. DB::Exception: no\r\n29 abc\r\n__exception__\r\n";
        assert_eq!(tail.push(answer), b"");
        let (rest, error) = tail.finish();
        assert_eq!(rest, b"1\n2\n");
        assert_eq!(error.as_deref(), Some("Code: 395. DB::Exception: no"));
    }

    #[test]
    fn a_long_answer_is_shown_as_it_comes() {
        let mut tail = Tail::default();
        assert_eq!(tail.push(&vec![b'x'; HELD_BYTES + 3]), b"xxx");
        assert_eq!(tail.finish(), (vec![b'x'; HELD_BYTES], None));
    }
}
