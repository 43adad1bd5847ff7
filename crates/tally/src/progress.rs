//! How far a command is: one line on a terminal, elsewhere a line now and then. Always on stderr.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

/// What a command shows while it works.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    told: Instant,
}

impl Progress {
    pub(crate) fn start() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, told: Instant::now() }
    }

    /// Shows what is being done now.
    pub(crate) fn say(&mut self, doing: impl FnOnce() -> String) {
        match &self.bar {
            Some(bar) => bar.set_message(doing()),
            None if self.told.elapsed() >= EVERY => {
                self.told = Instant::now();
                note(&doing());
            }
            None => {}
        }
    }

    /// Shows `done` of `total`, with what that is.
    pub(crate) fn reach(&mut self, done: u64, total: u64, doing: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar
            && bar.length() != Some(total)
        {
            bar.set_length(total);
            let style = ProgressStyle::with_template("{spinner} {bar:30} {percent:>3} % {msg}  {eta}");
            bar.set_style(style.expect("the template is well-formed"));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
        self.say(doing);
    }

    /// Back to a line without an end in sight.
    pub(crate) fn wait(&mut self, doing: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_style(ProgressStyle::default_spinner());
            bar.unset_length();
        }
        self.say(doing);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A line for people on stderr.
pub(crate) fn note(line: &str) {
    // Where stderr is closed there is nobody left to tell.
    drop(writeln!(io::stderr(), "{line}"));
}

/// A line for people on stderr about something they should know.
pub(crate) fn warn(line: &str) {
    note(&format!("warning: {line}"));
}
