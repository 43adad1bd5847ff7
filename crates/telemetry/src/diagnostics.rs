//! What `tracing` writes: on stderr, for people on a terminal, as JSON for machines.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry;

use crate::occurrence::Level;

#[cfg(test)]
mod tests;

/// How diagnostics look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// [`Format::Human`] when stderr is a terminal, else [`Format::Json`].
    Auto,
    /// A line for people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Why diagnostics could not begin.
#[derive(Debug, thiserror::Error)]
pub enum DiagnosticsError {
    /// The filter is none.
    #[error(
        "the diagnostics filter {filter:?} cannot be read: {why}; write for example `info` or `info,tally=debug`"
    )]
    Filter {
        /// As given.
        filter: String,
        /// What is wrong with it.
        why: String,
    },
    /// A subscriber stands already.
    #[error("diagnostics are already being written by another subscriber of this process")]
    Started,
}

/// Begins to write diagnostics to stderr. `filter` is a level or directives, such as `info,tally=debug`.
///
/// # Errors
/// When the filter cannot be read, or diagnostics were started before.
pub fn init_diagnostics(format: Format, filter: &str) -> Result<(), DiagnosticsError> {
    let human = match format {
        Format::Human => true,
        Format::Json => false,
        Format::Auto => io::stderr().is_terminal(),
    };
    let coloured =
        human && io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    let subscriber = subscriber(human, coloured, filter, io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| DiagnosticsError::Started)
}

fn subscriber<W>(
    human: bool,
    coloured: bool,
    filter: &str,
    to: W,
) -> Result<Box<dyn tracing::Subscriber + Send + Sync>, DiagnosticsError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let read = |why: ParseError| DiagnosticsError::Filter { filter: filter.to_owned(), why: why.to_string() };
    let wanted: Targets = filter.parse().map_err(read)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(to).with_ansi(coloured);
    if human {
        Ok(Box::new(registry().with(lines.compact().with_filter(wanted))))
    } else {
        Ok(Box::new(registry().with(lines.json().flatten_event(true).with_filter(wanted))))
    }
}

/// Writes the line of an occurrence; `tracing` asks for it only when somebody wants its level.
pub(crate) fn write(level: Level, line: impl FnOnce() -> String) {
    match level {
        Level::Debug => tracing::debug!(target: "tally", "{}", line()),
        Level::Info => tracing::info!(target: "tally", "{}", line()),
        Level::Warn => tracing::warn!(target: "tally", "{}", line()),
        Level::Error => tracing::error!(target: "tally", "{}", line()),
    }
}
