//! The boards, against an oracle that compares everyone with everyone.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tally_domain::{
    AccountKey, Board, Hash128, Incarnation, Metric, Minute, Offset, Partition, PersonId, Usage, Version,
    Window,
};

use crate::rank::{Digest, Scratch, Standing, digest, rank};
use crate::*;

fn person(number: u8) -> PersonId {
    PersonId(Hash128([number; 16]))
}

fn used_tokens(tokens: i64) -> [Usage; 4] {
    [Usage { tokens: [tokens, 0, 0, 0, 0, 0], cost_nano_usd: tokens, ..Usage::ZERO }; 4]
}

/// A person with these tokens in the four windows, and minus as much cost.
fn entry(number: u8, tokens: [i128; 4]) -> PersonTotals {
    PersonTotals { person: person(number), windows: tokens.map(|n| Sum([n, 0, 0, 0, 0, 0, 1, 0, -n])) }
}

fn vector(versions: &[(u16, u64)]) -> BTreeMap<Partition, Version> {
    let version = |&(incarnation, next): &(u16, u64)| {
        Version::new(Incarnation(incarnation), Offset::new(next).unwrap())
    };
    (0..).map(Partition).zip(versions.iter().map(version)).collect()
}

fn ranked(people: Vec<PersonTotals>, earlier: Option<&Earlier>) -> Snapshot {
    snapshot(people, BTreeMap::new(), std::iter::empty(), earlier)
}

/// The rank is one more than how many have more; the place counts those of equal value and smaller id as well.
fn oracle(people: &[PersonTotals], board: Board, earlier: Option<&BTreeMap<PersonId, u32>>) -> Vec<Standing> {
    let value = |p: &PersonTotals| {
        let lanes = p.windows[board.window.index()].0;
        if board.metric == Metric::Tokens { lanes[..6].iter().sum::<i128>() } else { lanes[8] }
    };
    let standing = |me: &PersonTotals| {
        let more = people.iter().filter(|p| value(p) > value(me)).count();
        let equal_before = people.iter().filter(|p| value(p) == value(me) && p.person < me.person).count();
        let rank = u32::try_from(more + 1).unwrap();
        let was = earlier.and_then(|ranks| ranks.get(&me.person));
        let climbed = was.map(|&was| i32::try_from(was).unwrap() - i32::try_from(rank).unwrap());
        Standing { rank, place: u32::try_from(more + equal_before + 1).unwrap(), climbed }
    };
    people.iter().map(standing).collect()
}

/// Values that tie, that share a digest without being equal, that are zero, negative or near the ends.
fn values() -> impl Strategy<Value = i128> {
    prop_oneof![
        3 => -2_i128..=2,
        2 => (0..60_u32, -2_i128..=2, any::<bool>()).prop_map(|(bits, near, minus)| {
            let value = (1_i128 << bits) + near;
            if minus { -value } else { value }
        }),
        1 => any::<i64>().prop_map(i128::from),
        1 => Just(i128::from(i64::MAX) << 50),
    ]
}

fn everyone() -> impl Strategy<Value = Vec<PersonTotals>> {
    let totals = prop::array::uniform4((values(), values(), values()));
    let totals = totals.prop_map(|windows| {
        windows.map(|(input, output, cost)| Sum([input, 0, 0, 0, output, 0, 0, 0, cost]))
    });
    prop::collection::btree_map(any::<u8>(), totals, 0..24).prop_map(|people| {
        people.into_iter().map(|(number, windows)| PersonTotals { person: person(number), windows }).collect()
    })
}

proptest! {
    #[test]
    fn boards_and_movement_are_the_oracles(before in everyone(), mut now in everyone()) {
        let before = earlier(&ranked(before, None));
        now.reverse();
        let snapshot = ranked(now, Some(&before));
        prop_assert!(snapshot.people.is_sorted_by_key(|p| p.person));
        prop_assert_eq!(snapshot.boards.len(), 8);
        for (index, board) in Board::all().enumerate() {
            let expected = oracle(&snapshot.people, board, before.get(index));
            prop_assert_eq!(&snapshot.boards[index], &expected, "{:?}", board);
            prop_assert_eq!(snapshot.board(board), &expected[..]);
        }
    }

    #[test]
    fn people_are_the_sums_of_their_accounts(rows in prop::collection::vec((any::<u8>(), any::<i64>(), any::<i64>()), 0..40)) {
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(account, input, cost)| {
                let usage = Usage { tokens: [input, 0, 0, 0, 0, 1], requests: 1, unpriced: 0, cost_nano_usd: cost };
                (AccountKey(Hash128([account; 16])), [usage; 4])
            })
            .collect();
        let owner = |account: &AccountKey| person(account.bytes()[0] % 5);
        let summed = people(rows.iter().map(|(account, windows)| (*account, windows)), owner);
        prop_assert!(summed.is_sorted_by(|a, b| a.person < b.person));
        for number in 0..5 {
            let theirs = rows.iter().filter(|(account, _)| owner(account) == person(number));
            let mut lanes = [0_i128; 9];
            for (_, windows) in theirs {
                for (sum, lane) in lanes.iter_mut().zip(windows[0].lanes()) { *sum += i128::from(lane); }
            }
            let found = summed.iter().find(|p| p.person == person(number));
            prop_assert_eq!(found.map_or([Sum::default(); 4], |p| p.windows), [Sum(lanes); 4]);
        }
    }

    #[test]
    fn a_newer_vector_of_one_incarnation_has_a_greater_number(
        old in prop::collection::vec(0..1_000_u64, 1..6), add in prop::collection::vec(0..3_u64, 6),
    ) {
        let new: Vec<_> = old.iter().zip(&add).map(|(&next, &more)| (1, next + more)).collect();
        let old: Vec<_> = old.iter().map(|&next| (1, next)).collect();
        let (old, new) = (vector(&old), vector(&new));
        match compare(&new, &old) {
            Age::Same => prop_assert_eq!(number(&new), number(&old)),
            Age::Newer => prop_assert!(number(&new) > number(&old)),
            Age::Older | Age::Neither => prop_assert!(false, "only added"),
        }
    }
}

#[test]
fn equal_values_share_a_rank_and_keep_places_of_their_own() {
    let mut scratch = Scratch::default();
    let mut drawn = |values: &[i128]| -> Vec<(u32, u32)> {
        let digests: Vec<Digest> = values.iter().map(|&value| digest(value)).collect();
        let standings = rank(&digests, |i| values[usize::try_from(i).unwrap()], &mut scratch);
        standings.iter().map(|s| (s.rank, s.place)).collect()
    };
    assert_eq!(drawn(&[5, 9, 5, -1, 0, 9]), [(3, 3), (1, 1), (3, 4), (6, 6), (5, 5), (1, 2)]);
    assert_eq!(drawn(&[7]), [(1, 1)]);
    assert_eq!(drawn(&[]), []);
    // One token apart at 2^60: one digest, two values.
    assert_eq!(drawn(&[1 << 60, (1 << 60) + 1, 1 << 60]), [(2, 2), (1, 1), (2, 3)]);
    assert_eq!(drawn(&[i128::MIN, i128::MAX, i128::MIN + 1]), [(3, 3), (1, 1), (2, 2)]);
}

#[test]
fn on_the_boards_is_who_has_lifetime_usage() {
    let idle = entry(1, [0, 0, 0, 8]);
    let retracted = PersonTotals { person: person(2), windows: [Sum::default(); 4] };
    let busy = entry(3, [4, 4, 4, 4]);
    let snapshot = ranked(vec![busy, retracted, idle], None);
    assert_eq!(snapshot.people, [idle, busy]);
    let day = snapshot.board(Board { metric: Metric::Tokens, window: Window::Hours24 });
    assert_eq!(day.iter().map(|s| s.rank).collect::<Vec<_>>(), [2, 1]);
    let life = snapshot.board(Board { metric: Metric::Tokens, window: Window::Lifetime });
    assert_eq!(life.iter().map(|s| s.rank).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn movement_counts_ranks_and_knows_who_is_new() {
    let before = earlier(&ranked(vec![entry(1, [9; 4]), entry(2, [8; 4]), entry(4, [7; 4])], None));
    let now = ranked(vec![entry(1, [9; 4]), entry(3, [10; 4]), entry(4, [11; 4])], Some(&before));
    let climbed: Vec<_> = now.boards[2].iter().map(|s| (s.rank, s.climbed)).collect();
    assert_eq!(climbed, [(3, Some(-2)), (2, None), (1, Some(2))]);
}

#[test]
fn an_empty_installation_has_an_empty_snapshot() {
    let none = people(std::iter::empty(), |_| person(0));
    let snapshot = ranked(none, None);
    assert_eq!(snapshot, Snapshot { boards: vec![Vec::new(); 8], ..Snapshot::default() });
}

#[test]
fn a_person_whose_usage_was_retracted_is_summed_to_zero_and_not_forgotten() {
    let key = AccountKey(Hash128([1; 16]));
    let (plus, minus) = (used_tokens(5), used_tokens(-5));
    let summed = people([(key, &plus), (key, &minus)].into_iter(), |_| person(7));
    assert_eq!(summed, [PersonTotals { person: person(7), windows: [Sum::default(); 4] }]);
}

#[test]
fn a_snapshot_is_as_old_as_its_slowest_partition() {
    let clocks = [Minute(30), Minute(10), Minute(20)].into_iter();
    let made = snapshot(Vec::new(), vector(&[(1, 5), (2, 7)]), clocks, None);
    assert_eq!(made.as_of, Minute(10));
    assert_eq!(Version::from_u64(made.number).to_string(), "1:12");
}

#[test]
fn vectors_are_older_newer_or_neither() {
    let base = vector(&[(1, 5), (1, 5)]);
    let cases = [
        (vec![(1, 5), (1, 5)], Age::Same),
        (vec![(1, 5), (1, 6)], Age::Newer),
        (vec![(1, 4), (1, 5)], Age::Older),
        (vec![(1, 4), (1, 6)], Age::Neither),
        (vec![(1, 5)], Age::Older),
        (vec![(1, 5), (1, 5), (1, 1)], Age::Newer),
        // A raised incarnation outranks every offset before it.
        (vec![(2, 0), (1, 5)], Age::Newer),
    ];
    for (versions, expected) in cases {
        assert_eq!(compare(&vector(&versions), &base), expected, "{versions:?}");
    }
}

#[test]
fn where_offsets_begin_again_only_the_vector_orders_until_all_have_begun() {
    let (before, half, whole) =
        (vector(&[(1, 90), (1, 100)]), vector(&[(2, 5), (1, 100)]), vector(&[(2, 5), (2, 3)]));
    assert_eq!([compare(&half, &before), compare(&whole, &half)], [Age::Newer; 2]);
    assert!(number(&half) < number(&before));
    assert!(number(&whole) > number(&before));
}

#[test]
fn a_tier_is_the_narrowest_band_that_holds_the_rank() {
    let edges = [1, 10, 11, 50, 51, 250, 251, 500, 501, 1_000].map(|rank| award::tier(rank, 1_000).unwrap());
    assert_eq!(
        edges.map(Tier::name),
        ["top-1", "top-1", "top-5", "top-5", "top-25", "top-25", "top-50", "top-50", "active", "active"]
    );
    assert_eq!(award::tier(1, 3), Some(Tier::Top1));
    assert_eq!([award::tier(4, 3), award::tier(1, 0), award::tier(0, 3)], [None; 3]);
    assert_eq!(award::used(&[Standing::default(); 3], |i| [4, 0, -1][i]), 1);
}
