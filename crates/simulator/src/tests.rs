//! Lives of many seeds, and no broken promise.

use crate::act::{Act, life};
use crate::life::{lived, seed, shrink};

/// So many lives take some 20 seconds of a processor in a debug build.
const LIVES: u64 = 2_000;

/// Seeds from `first` on, every second one.
fn keeps_every_promise(first: u64) {
    for nth in (first..LIVES).step_by(2) {
        if let Some(why) = seed(nth) {
            panic!("{why}; seed {nth}");
        }
    }
}

#[test]
fn no_even_seed_breaks_a_promise() {
    keeps_every_promise(0);
}

#[test]
fn no_odd_seed_breaks_a_promise() {
    keeps_every_promise(1);
}

#[test]
fn a_seed_is_lived_again_step_for_step() {
    for seed in 0..10 {
        assert_eq!(lived(seed, &life(seed, None), true), lived(seed, &life(seed, None), true));
    }
}

#[test]
fn a_list_of_acts_shrinks_to_those_that_matter() {
    // No promise is broken here, so there is nothing that matters.
    let acts: Vec<Act> = life(1, Some(40));
    assert_eq!(shrink(&acts, |left| left.contains(&acts[7]) && left.contains(&acts[31])).len(), 2);
}
