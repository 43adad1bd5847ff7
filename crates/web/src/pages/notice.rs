//! Pages that speak instead of showing numbers: nothing yet, not found, not reachable, not understood.

use crate::frame::Frame;
use askama::Template;

/// One thing the reader can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// In words.
    pub words: &'static str,
    /// To type; empty when there is nothing to type.
    pub command: String,
}

/// A link out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Back {
    /// Where it leads.
    pub href: &'static str,
    /// What it says.
    pub name: &'static str,
}

/// A page of words.
#[derive(Clone, Debug, Template)]
#[template(path = "notice.html")]
pub struct Notice {
    /// What surrounds it.
    pub frame: Frame,
    /// What happened, in a few words.
    pub title: &'static str,
    /// What it means.
    pub what: String,
    /// What to do.
    pub steps: Vec<Step>,
    /// The error as it was.
    pub detail: String,
    /// True to ask for a name.
    pub search_form: bool,
    /// The way on.
    pub back: Option<Back>,
}

const BOARD: Back = Back { href: "/", name: "To the leaderboard" };

fn notice(title: &'static str, what: impl Into<String>) -> Notice {
    Notice {
        frame: Frame::plain("board"),
        title,
        what: what.into(),
        steps: Vec::new(),
        detail: String::new(),
        search_form: false,
        back: None,
    }
}

/// No snapshot yet: how the first numbers come in.
#[must_use]
pub fn empty(collector: &str) -> Notice {
    let step = |words, command: &str| Step { words, command: command.to_owned() };
    let curl = format!(
        "curl {collector}/v1/usage -d '{{\"source\":\"curl\",\"subject\":\"ann\",\"id\":\"first\",\
         \"occurred_at\":\"'$(date -u +%FT%TZ)'\",\"model\":\"claude-sonnet-4-5\",\"tool\":\"curl\",\
         \"input\":1200,\"cache_read\":0,\"cache_write_5m\":0,\"cache_write_1h\":0,\"output\":300,\"reasoning\":0}}'"
    );
    let mut notice = notice(
        "No numbers yet",
        "Tally is running and waits for the first report. This page fills itself a few seconds after it.",
    );
    notice.frame.refresh = Some("5");
    notice.steps = vec![
        step("Import the sessions of Claude Code that lie on this machine:", "tally import claude-code"),
        step("Or send one report by hand:", &curl),
        step("Or look at a company of 2,000 people that does not exist:", "tally up --demo"),
    ];
    notice
}

/// The engine does not answer and nothing is known to show instead.
#[must_use]
pub fn unreachable(detail: String) -> Notice {
    let step = |words, command: &str| Step { words, command: command.to_owned() };
    let mut notice = notice(
        "The database does not answer",
        "No number is lost: what is reported meanwhile waits in the log. This page tries again by itself.",
    );
    notice.frame.refresh = Some("5");
    notice.steps = vec![
        step("See whether Tally runs, and which part does not:", "tally up"),
        step(
            "With a ClickHouse server of your own, check that it is up and that the address is right:",
            "tally config",
        ),
    ];
    notice.detail = detail;
    notice
}

/// Nothing is at this address.
#[must_use]
pub fn not_found() -> Notice {
    Notice { back: Some(BOARD), ..notice("Nothing is here", "The address may be mistyped, or an old link.") }
}

/// Nobody has this id.
#[must_use]
pub fn nobody() -> Notice {
    let what = "No usage was ever counted under this id, or the person was forgotten on request.";
    Notice { search_form: true, back: Some(BOARD), ..notice("Nobody is known by this id", what) }
}

/// The address cannot be read.
#[must_use]
pub fn not_understood(what: String) -> Notice {
    Notice { back: Some(BOARD), ..notice("This address cannot be read", what) }
}

/// Whose rank it is must be said once.
#[must_use]
pub fn who_are_you() -> Notice {
    let what = "Find yourself, open your page and choose “This is me”. This browser remembers it; nobody else is told.";
    Notice { frame: Frame::plain("me"), search_form: true, ..notice("Which one are you?", what) }
}
