//! Sessions: the hull of every accepted report, losers included, and the usage of what counts.
//!
//! Were first and last those of what counts, they would depend on the order in which reports arrived: a
//! report that stood for a while leaves no other trace.

use crate::changes::SessionChange;
use crate::report::{AccountIx, Report};
use tally_domain::{SessionKey, Usage};

/// What a report says of its session, apart from what is counted.
pub(crate) fn hull(account: AccountIx, report: &Report) -> Option<SessionChange> {
    counted(account, report, Usage::ZERO)
}

/// What a report adds to its session.
pub(crate) fn counted(account: AccountIx, report: &Report, usage: Usage) -> Option<SessionChange> {
    let (session, occurred) = (report.session, report.occurred);
    let named = session != SessionKey::NONE;
    named.then_some(SessionChange { account, session, first: occurred, last: occurred, usage })
}

/// Sorts by session and joins what belongs to one. `order` is room to work in.
pub(crate) fn merge(raw: &[SessionChange], order: &mut Vec<u128>, into: &mut Vec<SessionChange>) {
    order.clear();
    order.extend((0_u32..).zip(raw).map(|(place, change)| {
        (u128::from(change.account.0) << 96) | (u128::from(change.session.0) << 32) | u128::from(place)
    }));
    order.sort_unstable();
    for key in order {
        let place = usize::try_from(*key & 0xffff_ffff).expect("masked to 32 bits");
        let change = raw.get(place).expect("places were counted over this slice");
        match into.last_mut() {
            Some(last) if (last.account, last.session) == (change.account, change.session) => {
                join(last, change);
            }
            _ => into.push(*change),
        }
    }
}

fn join(to: &mut SessionChange, change: &SessionChange) {
    to.first = to.first.min(change.first);
    to.last = to.last.max(change.last);
    to.usage = to
        .usage
        .checked_add(&change.usage)
        .expect("a session's sum stays within its account's lifetime sum, which was checked");
}
