//! What a member has, and when it gives back what was asked back. Pure: the group speaks elsewhere.

use std::collections::BTreeSet;
use std::time::Instant;

use tally_domain::Partition;

use super::Change;

/// What the group says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// These are this member's.
    Gained(Vec<Partition>),
    /// Others are to have these.
    AskedBack(Vec<Partition>),
    /// Others have these.
    Lost(Vec<Partition>),
}

/// What a member has.
#[derive(Debug, Default)]
pub(super) struct Held {
    all: BTreeSet<Partition>,
    asked_back: Option<AskedBack>,
}

/// The group takes nothing of it before it is answered, and all of it then.
#[derive(Debug)]
struct AskedBack {
    whole: Vec<Partition>,
    until: Instant,
}

/// What is to be given back now.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) struct Answer {
    pub(super) give: Vec<Partition>,
    /// Those that were not released in time.
    pub(super) overdue: Vec<Partition>,
}

impl Held {
    pub(super) fn all(&self) -> impl Iterator<Item = Partition> {
        self.all.iter().copied()
    }

    /// What it means for the owner; what is asked back may be kept until `until`.
    pub(super) fn hear(&mut self, said: Said, until: Instant) -> Option<Change> {
        let (partitions, change): (_, fn(_) -> _) = match said {
            Said::Gained(gained) => {
                self.all.extend(&gained);
                (gained, Change::Gained)
            }
            Said::AskedBack(mut whole) => {
                let losing = self.kept(&whole);
                whole.extend(self.asked_back.take().map_or_else(Vec::new, |earlier| earlier.whole));
                self.asked_back = Some(AskedBack { whole, until });
                (losing, Change::Losing)
            }
            Said::Lost(mut lost) => {
                lost.retain(|partition| self.all.remove(partition));
                (lost, Change::Lost)
            }
        };
        (!partitions.is_empty()).then(|| change(partitions))
    }

    /// The owner works on these no more. What nobody asked back is kept.
    pub(super) fn released(&mut self, partitions: &[Partition]) {
        if let Some(asked_back) = &self.asked_back {
            self.all.retain(|held| !(partitions.contains(held) && asked_back.whole.contains(held)));
        }
    }

    /// What is due to the group: everything that it asked back, once all of it was released or the time is over.
    pub(super) fn answer(&mut self, now: Instant) -> Option<Answer> {
        let overdue = self.kept(&self.asked_back.as_ref()?.whole);
        let asked_back = self.asked_back.take_if(|asked| overdue.is_empty() || now >= asked.until)?;
        self.all.retain(|held| !overdue.contains(held));
        Some(Answer { give: asked_back.whole, overdue })
    }

    /// The group knows this member no more.
    pub(super) fn all_lost(&mut self) -> Option<Change> {
        let lost: Vec<Partition> = std::mem::take(&mut self.all).into_iter().collect();
        (!lost.is_empty()).then_some(Change::Lost(lost))
    }

    fn kept(&self, of: &[Partition]) -> Vec<Partition> {
        of.iter().copied().filter(|partition| self.all.contains(partition)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn these(numbers: &[u16]) -> Vec<Partition> {
        numbers.iter().copied().map(Partition).collect()
    }

    fn holding(numbers: &[u16], until: Instant) -> Held {
        let mut held = Held::default();
        assert_eq!(held.hear(Said::Gained(these(numbers)), until), Some(Change::Gained(these(numbers))));
        held
    }

    #[test]
    fn what_is_asked_back_is_given_when_all_of_it_was_released() {
        let now = Instant::now();
        let until = now + Duration::from_secs(1);
        let mut held = holding(&[0, 1, 2, 3], until);
        assert_eq!(held.hear(Said::AskedBack(these(&[1, 3])), until), Some(Change::Losing(these(&[1, 3]))));
        assert_eq!(held.answer(now), None);
        held.released(&these(&[0, 3]));
        assert_eq!(held.answer(now), None, "1 is still worked on, and 0 was not asked back");
        held.released(&these(&[1]));
        assert_eq!(held.answer(now), Some(Answer { give: these(&[1, 3]), overdue: vec![] }));
        assert_eq!(held.answer(now), None, "once");
        assert_eq!(held.all().collect::<Vec<_>>(), these(&[0, 2]));
    }

    #[test]
    fn what_was_not_released_in_time_is_given_up() {
        let now = Instant::now();
        let until = now + Duration::from_secs(1);
        let mut held = holding(&[0, 1, 2], until);
        assert_eq!(held.hear(Said::AskedBack(these(&[1, 2])), until), Some(Change::Losing(these(&[1, 2]))));
        held.released(&these(&[2]));
        assert_eq!(held.answer(now), None);
        assert_eq!(held.answer(until), Some(Answer { give: these(&[1, 2]), overdue: these(&[1]) }));
        assert_eq!(held.all().collect::<Vec<_>>(), these(&[0]));
    }

    #[test]
    fn what_is_lost_needs_no_release() {
        let now = Instant::now();
        let mut held = holding(&[0, 1, 2], now);
        assert_eq!(held.hear(Said::Lost(these(&[1, 7])), now), Some(Change::Lost(these(&[1]))));
        assert_eq!(held.hear(Said::Lost(these(&[1])), now), None);
        assert_eq!(held.hear(Said::Gained(vec![]), now), None);
        assert_eq!(held.all_lost(), Some(Change::Lost(these(&[0, 2]))));
        assert_eq!(held.all_lost(), None);
        // An answer is owed all the same: the client waits for it.
        assert_eq!(held.hear(Said::AskedBack(these(&[0])), now), None);
        assert_eq!(held.answer(now), Some(Answer { give: these(&[0]), overdue: vec![] }));
    }
}
