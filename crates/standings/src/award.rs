//! What a place on a board earns. Recomputed from the board each time, never remembered.

use crate::rank::Standing;

/// The narrowest percentile band that holds a rank, among those who used anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Among the first hundredth; the first of a board always is.
    Top1,
    /// Among the first twentieth.
    Top5,
    /// Among the first quarter.
    Top25,
    /// Among the first half.
    Top50,
    /// In the second half.
    Active,
}

impl Tier {
    /// All tiers, narrowest first.
    pub const ALL: [Self; 5] = [Self::Top1, Self::Top5, Self::Top25, Self::Top50, Self::Active];

    /// Its name in tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Top1 => "top-1",
            Self::Top5 => "top-5",
            Self::Top25 => "top-25",
            Self::Top50 => "top-50",
            Self::Active => "active",
        }
    }

    /// Width of its band in per cent.
    #[must_use]
    pub const fn percent(self) -> u8 {
        match self {
            Self::Top1 => 1,
            Self::Top5 => 5,
            Self::Top25 => 25,
            Self::Top50 => 50,
            Self::Active => 100,
        }
    }
}

/// The tier of `rank` (from 1) when `used` people have more than nothing in the board's window; `None` for who is
/// ranked after them.
///
/// A rank is in the top p % when fewer than p % of them are before it: equal values share a tier.
#[must_use]
pub fn tier(rank: u32, used: u32) -> Option<Tier> {
    let before = u64::from(rank.checked_sub(1)?);
    let used = u64::from(used);
    let holds = |tier: &Tier| before.saturating_mul(100) < used.saturating_mul(u64::from(tier.percent()));
    Tier::ALL.into_iter().find(holds)
}

/// How many people of a board have more than nothing: those whose value, by index, is positive.
#[must_use]
pub fn used(board: &[Standing], value: impl Fn(usize) -> i128) -> u32 {
    let used = (0..board.len()).filter(|&index| value(index) > 0).count();
    u32::try_from(used).unwrap_or(u32::MAX)
}
