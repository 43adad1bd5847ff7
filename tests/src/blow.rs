//! What is done to a running installation, and while it does what: chosen by a seed.

use std::fmt;

use crate::seeded::Seeded;

/// What the installation is doing when it is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It has been started and is not ready.
    Starting,
    /// Usage is posted to it.
    Taking,
    /// What was taken is folded, published and archived, and somebody waits for it.
    Settling,
}

/// What hits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blow {
    /// SIGKILL to `tally up` alone: its engine must end by itself.
    KillTally,
    /// SIGKILL to `tally up` and its engine at once.
    KillBoth,
    /// SIGKILL to the engine alone: another must take its place.
    KillEngine,
    /// SIGSTOP to `tally up`, and SIGCONT after a while.
    FreezeTally,
    /// The same to the engine.
    FreezeEngine,
    /// No room on its disk, for a while.
    FillDisk,
}

impl Blow {
    /// True when a process dies of it.
    #[must_use]
    pub const fn kills(self) -> bool {
        matches!(self, Self::KillTally | Self::KillBoth | Self::KillEngine)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starting => "starting",
            Self::Taking => "taking",
            Self::Settling => "settling",
        })
    }
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::KillTally => "kill tally",
            Self::KillBoth => "kill both",
            Self::KillEngine => "kill engine",
            Self::FreezeTally => "freeze tally",
            Self::FreezeEngine => "freeze engine",
            Self::FillDisk => "fill disk",
        })
    }
}

/// The next blow and its phase. While it starts, only all of it can be hit: nobody knows its parts yet.
pub fn choose(chance: &mut Seeded) -> (Phase, Blow) {
    let blow = match chance.below(11) {
        0..=2 => Blow::KillTally,
        3..=5 => Blow::KillBoth,
        6..=7 => Blow::KillEngine,
        8 => Blow::FreezeTally,
        9 => Blow::FreezeEngine,
        _ => Blow::FillDisk,
    };
    let phase = match chance.below(5) {
        0 if blow == Blow::KillBoth => Phase::Starting,
        0..=2 => Phase::Taking,
        _ => Phase::Settling,
    };
    (phase, blow)
}
