//! One ranking: what is compared, over which window.

use crate::window::Window;

/// What people are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// All tokens.
    Tokens,
    /// List cost.
    Cost,
}

impl Metric {
    /// All metrics.
    pub const ALL: [Self; 2] = [Self::Tokens, Self::Cost];

    /// Its name in commands, tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Cost => "cost",
        }
    }

    /// The metric of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }
}

/// A metric over a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Board {
    /// What is compared.
    pub metric: Metric,
    /// Over which span.
    pub window: Window,
}

impl Board {
    /// All boards, by metric and then window.
    pub fn all() -> impl Iterator<Item = Self> {
        Metric::ALL
            .into_iter()
            .flat_map(|metric| Window::ALL.into_iter().map(move |window| Self { metric, window }))
    }
}
