//! Bugs on purpose: each breaks one rule of the promise, so that a check can be seen to find it.
//!
//! They are compiled in by `--cfg tally_planted` alone (`tests/planted-rustc`), which no shipped build sets;
//! without it [`is`] is a constant, and nothing of them is left in the program.

/// Declares the bugs, each with its name and the rule that it breaks.
macro_rules! bugs {
    ($($bug:ident = $name:literal, $rule:literal;)*) => {
        /// A bug that can be built in.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Bug {
            $(#[doc = $rule] $bug,)*
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$bug),*];

            /// Its name on a command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$bug => $name),* }
            }

            /// The rule that it breaks.
            #[must_use]
            pub const fn breaks(self) -> &'static str {
                match self { $(Self::$bug => $rule),* }
            }
        }
    };
}

bugs! {
    DuplicateCounted = "duplicate-counted", "A report that was seen before changes nothing.";
    RevisionNotReversed = "revision-not-reversed", "A revision takes back what it replaces.";
    MinuteStays = "minute-stays", "A slice leaves a window W after the clock reached its start.";
}

impl Bug {
    /// The bug of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|bug| bug.name() == name)
    }
}

/// True in a build that can hold bugs, once this one was planted.
#[cfg(not(tally_planted))]
#[must_use]
pub const fn is(_bug: Bug) -> bool {
    false
}

#[cfg(tally_planted)]
pub use build::{is, plant};

#[cfg(tally_planted)]
mod build {
    use super::Bug;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// One more than the place of the planted bug in [`Bug::ALL`].
    static PLANTED: AtomicUsize = AtomicUsize::new(0);

    fn place(bug: Bug) -> usize {
        Bug::ALL.iter().position(|it| *it == bug).map_or(0, |place| place.saturating_add(1))
    }

    /// True once this one was planted.
    #[must_use]
    pub fn is(bug: Bug) -> bool {
        PLANTED.load(Ordering::Relaxed) == place(bug)
    }

    /// From now on this process has the bug, or none.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.store(bug.map_or(0, place), Ordering::Relaxed);
    }
}
