//! What the exit code of a command means.

use std::process::ExitCode;

use tally_node::config::ConfigError;

/// How a command ended; its help shows the same table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    dead_code,
    reason = "the table of codes is fixed for all commands; those that find differences and wait come with their parts"
)]
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

    /// A wrong setting is the caller's to mend; everything else is a failure.
    pub(crate) fn of(error: &anyhow::Error) -> ExitStatus {
        if error.is::<ConfigError>() { ExitStatus::Usage } else { ExitStatus::Failed }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> ExitCode {
        ExitCode::from(status.code())
    }
}
