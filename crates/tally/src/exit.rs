//! What the exit code of a command means.

use std::fmt;
use std::process::ExitCode;

use tally_importer::ImportError;
use tally_node::attach::AttachError;
use tally_node::config::ConfigError;
use tally_node::supervise::StartError;
use tally_telemetry::DiagnosticsError;

/// How a command ended; its help shows the same table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// Done as asked.
    Done,
    /// Done, and something was found that should not be: a difference, a reject.
    Found,
    /// The command, an option, a setting or a file it names is wrong; nothing was done.
    Usage,
    /// The answer cannot be given yet; ask again.
    NotYet,
    /// It was tried and failed: a full disk, a port in use, an engine that does not start.
    Failed,
}

impl ExitStatus {
    pub(crate) const HELP: &str = "Exit codes:\n  \
        0  done\n  \
        1  done, and something was found that should not be (verify: a difference)\n  \
        2  the command line or a setting is wrong; nothing was done\n  \
        3  not yet: ask again later\n  \
        4  it was tried and failed; the message says why and what to do";

    const fn code(self) -> u8 {
        match self {
            ExitStatus::Done => 0,
            ExitStatus::Found => 1,
            ExitStatus::Usage => 2,
            ExitStatus::NotYet => 3,
            ExitStatus::Failed => 4,
        }
    }

    /// What the caller can mend on the command line or in a setting is theirs; everything else is a failure.
    pub(crate) fn of(error: &anyhow::Error) -> ExitStatus {
        let attaching = error.downcast_ref::<AttachError>();
        let starting = error.downcast_ref::<StartError>().or(match attaching {
            Some(AttachError::Start(error)) => Some(error),
            _ => None,
        });
        let wrong_clock = matches!(attaching, Some(AttachError::OtherClock { .. }));
        let wrong_start = matches!(
            starting,
            Some(
                StartError::ClockBehind { .. }
                    | StartError::ClockOnKafka
                    | StartError::NeedsKafka { .. }
                    | StartError::NeedsClickHouse { .. }
                    | StartError::NoSecret { .. }
                    | StartError::OtherSecret { .. }
            )
        );
        let wrong_input = matches!(
            error.downcast_ref::<ImportError>(),
            Some(ImportError::Mapping { .. } | ImportError::NothingReadable { .. })
        );
        let wrong_setting =
            error.is::<ConfigError>() || error.is::<DiagnosticsError>() || error.is::<UsageError>();
        let is_usage = wrong_setting || wrong_clock || wrong_start || wrong_input;
        if is_usage { ExitStatus::Usage } else { ExitStatus::Failed }
    }
}

/// What a command was asked for cannot be done as asked; says what to ask instead.
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> ExitCode {
        ExitCode::from(status.code())
    }
}
