//! A life under a seed, from its first act to its end; and what is left of it when a promise is broken.

use crate::act::{Act, life};
use crate::world::World;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Lives the acts; says which promise was broken, if one was.
pub(crate) fn live(seed: u64, acts: &[Act]) -> Option<String> {
    lived(seed, acts, false).0
}

/// The same with a drawing of what happened.
pub(crate) fn lived(seed: u64, acts: &[Act], drawn: bool) -> (Option<String>, Vec<String>) {
    let mut world = World::new(seed);
    if drawn {
        world.draw();
    }
    let whole = catch_unwind(AssertUnwindSafe(|| {
        acts.iter().try_for_each(|act| world.live(act)).and_then(|()| world.end(seed))
    }));
    let broken = match whole {
        Ok(kept) => kept.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Some(format!("panicked: {}", text.unwrap_or_default()))
        }
    };
    (broken, world.drawing())
}

/// Lives a seed with nobody but `verify` to look at what is published, once the troubles are over.
#[cfg(all(test, tally_planted))]
pub(crate) fn recounted(seed: u64) -> Option<String> {
    let mut world = World::new(seed);
    world.trust();
    let acts = life(seed, None);
    acts.iter().try_for_each(|act| world.live(act)).and_then(|()| world.end(seed)).err()
}

/// A short list of acts that is still as bad.
pub(crate) fn shrink(acts: &[Act], bad: impl Fn(&[Act]) -> bool) -> Vec<Act> {
    let mut left = acts.to_vec();
    let mut step = left.len().div_ceil(2);
    while step > 0 {
        let mut shorter = false;
        let mut at = 0;
        while at < left.len() {
            let without: Vec<Act> =
                left.iter().take(at).chain(left.iter().skip(at + step)).copied().collect();
            if bad(&without) {
                left = without;
                shorter = true;
            } else {
                at += step;
            }
        }
        if !shorter {
            step /= 2;
        }
    }
    left
}

/// Lives one seed; says which promise was broken, if one was.
pub(crate) fn seed(seed: u64) -> Option<String> {
    live(seed, &life(seed, None))
}
