//! How long it takes to rank 85,000 people on all eight boards.
//!
//! `cargo run --release -p tally-standings --example boards [people]`
#![expect(clippy::print_stdout, reason = "a measurement prints its figures")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use tally_domain::{Hash128, PersonId};
use tally_standings::snapshot::rank_all;
use tally_standings::{PersonTotals, Sum, earlier, snapshot};

const ROUNDS: usize = 21;

/// A stream of numbers that is the same on every run (splitmix64).
fn draws() -> impl FnMut() -> u64 {
    let mut state = 0_u64;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let a = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let b = (a ^ (a >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        b ^ (b >> 31)
    }
}

/// Totals over some ten octaves; two of three people are idle in the shortest window, one of ten in the longest.
fn everyone(count: usize) -> Vec<PersonTotals> {
    let mut draw = draws();
    let mut people: Vec<_> = (0..count)
        .map(|_| {
            let person = PersonId(Hash128(((u128::from(draw()) << 64) | u128::from(draw())).to_be_bytes()));
            let windows = [(28, 66), (31, 40), (33, 10), (36, 0)].map(|(bits, idle)| {
                let idle = draw() % 100 < idle;
                let tokens = if idle { 0 } else { i128::from((draw() % (1 << bits)) >> (draw() % 10)) + 1 };
                Sum([tokens / 20, tokens, 0, 0, tokens / 100, 0, 1, 0, tokens * 731])
            });
            PersonTotals { person, windows }
        })
        .collect();
    people.sort_unstable_by_key(|entry| entry.person);
    people
}

/// Time that this thread spent on a processor, where the system tells it: other programs do not count.
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

/// Median and least of the rounds.
fn measure(name: &str, mut round: impl FnMut() -> Duration) {
    let mut times: Vec<_> = (0..ROUNDS).map(|_| round()).collect();
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!("{name}: median {:.2} ms, least {:.2} ms", ms(times[ROUNDS / 2]), ms(times[0]));
}

fn main() {
    let count = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(85_000);
    let people = everyone(count);
    let before = earlier(&snapshot(people.clone(), BTreeMap::new(), std::iter::empty(), None));
    println!("{count} people, 8 boards, {ROUNDS} rounds, processor time");
    measure("ranks", || {
        let start = on_cpu();
        black_box(rank_all(black_box(&people)));
        on_cpu().saturating_sub(start)
    });
    measure("snapshot with movement", || {
        let people = people.clone();
        let start = on_cpu();
        black_box(snapshot(people, BTreeMap::new(), std::iter::empty(), Some(&before)));
        on_cpu().saturating_sub(start)
    });
}
