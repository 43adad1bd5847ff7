//! The pages. Each is three files: the SQL that selects its rows, the HTML that shows them, and the Rust between.

pub mod board;
pub mod notice;
pub mod person;

/// One of several links of which one is the present page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What it says.
    pub name: &'static str,
    /// Where it leads.
    pub href: String,
    /// True for the present one.
    pub here: bool,
}

/// A window in a heading: `30 days`.
#[must_use]
pub const fn window_name(window: tally_domain::Window) -> &'static str {
    use tally_domain::Window;
    match window {
        Window::Hours24 => "24 hours",
        Window::Days7 => "7 days",
        Window::Days30 => "30 days",
        Window::Lifetime => "Lifetime",
    }
}

/// A window in a sentence: `over the last 30 days`.
#[must_use]
pub const fn window_words(window: tally_domain::Window) -> &'static str {
    use tally_domain::Window;
    match window {
        Window::Hours24 => "over the last 24 hours",
        Window::Days7 => "over the last 7 days",
        Window::Days30 => "over the last 30 days",
        Window::Lifetime => "since the beginning",
    }
}
