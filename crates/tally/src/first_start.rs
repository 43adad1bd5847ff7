//! What an installation without data shows at once: transcripts of this machine, or the demo.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// What was asked for, and what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "five independent facts, of which every combination occurs"
)]
pub(crate) struct Situation {
    /// `--demo`.
    pub(crate) demo: bool,
    /// `--import-found`.
    pub(crate) import_found: bool,
    /// Nobody ever started this installation.
    pub(crate) is_new: bool,
    /// There are transcripts on this machine.
    pub(crate) found: bool,
    /// Somebody is there to be asked.
    pub(crate) terminal: bool,
}

/// What to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// With what is there.
    Nothing,
    /// The demo was asked for.
    Demo,
    /// There is nothing else to show.
    DemoInstead,
    /// Read the transcripts.
    Import,
    /// Read them if the person says so.
    Ask,
    /// They were to be read, and there are none.
    NothingFound,
}

impl Situation {
    pub(crate) const fn step(self) -> Step {
        match self {
            Self { demo: true, .. } => Step::Demo,
            Self { import_found: true, found: true, .. } => Step::Import,
            Self { import_found: true, .. } => Step::NothingFound,
            Self { is_new: true, terminal: true, found: true, .. } => Step::Ask,
            Self { is_new: true, terminal: true, .. } => Step::DemoInstead,
            Self { .. } => Step::Nothing,
        }
    }
}

/// Transcripts of Claude Code on this machine.
pub(crate) fn transcripts() -> Vec<PathBuf> {
    tally_importer::default_roots(|name| std::env::var(name).ok())
}

/// True when somebody reads stderr and can answer.
pub(crate) fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks once; no answer is a yes, as the question shows.
pub(crate) fn ask(roots: &[PathBuf]) -> Result<bool> {
    let mut stderr = io::stderr();
    writeln!(stderr, "There is no usage here yet. This machine has transcripts of Claude Code:")
        .and_then(|()| roots.iter().try_for_each(|root| writeln!(stderr, "  {}", root.display())))
        .and_then(|()| write!(stderr, "Import them? They stay on this machine. [Y/n] "))
        .and_then(|()| stderr.flush())
        .context("writing to stderr")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("reading the answer from the terminal")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "" | "y" | "yes"))
}

/// How to fill an installation that is empty and that nobody could be asked about.
pub(crate) fn how(roots: &[PathBuf]) -> String {
    let own = if roots.is_empty() {
        "  no transcripts of Claude Code were found on this machine".to_owned()
    } else {
        "  tally up --import-found    imports the transcripts of Claude Code on this machine".to_owned()
    };
    format!(
        "There is no usage here yet.\n{own}\n  tally up --demo            shows a simulated company instead\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_start_shows_something_real_or_says_how() {
        let quiet =
            Situation { demo: false, import_found: false, is_new: true, found: true, terminal: false };
        let at_terminal = Situation { terminal: true, ..quiet };
        let cases = [
            (quiet, Step::Nothing),
            (at_terminal, Step::Ask),
            (Situation { found: false, ..at_terminal }, Step::DemoInstead),
            (Situation { found: false, ..quiet }, Step::Nothing),
            (Situation { is_new: false, ..at_terminal }, Step::Nothing),
            (Situation { import_found: true, ..quiet }, Step::Import),
            (Situation { import_found: true, is_new: false, ..at_terminal }, Step::Import),
            (Situation { import_found: true, found: false, ..at_terminal }, Step::NothingFound),
            (Situation { demo: true, ..at_terminal }, Step::Demo),
        ];
        for (situation, step) in cases {
            assert_eq!(situation.step(), step, "{situation:?}");
        }
    }
}
