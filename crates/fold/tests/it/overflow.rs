//! Sums that would leave the range of an i64 are rejects, decided before anything is changed.

use crate::oracle::recount;
use crate::rig::Rig;
use crate::traces::{book, event, heartbeat, log, shown};
use tally_domain::event::TOKENS_MAX;
use tally_domain::{Kind, Reason, Revision, Usage, UsageEvent};

fn tokens(input: i64) -> Usage {
    Usage { tokens: [input, 0, 0, 0, 0, 0], requests: 1, ..Usage::ZERO }
}

#[test]
fn one_report_whose_cost_does_not_fit_is_rejected() {
    let records = log(vec![book(1, "999999"), UsageEvent { usage: tokens(TOKENS_MAX), ..event("a") }.into()]);
    let mut rig = Rig::new();
    rig.run(&records);
    assert_eq!(rig.rejects.iter().map(|reject| reject.reason).collect::<Vec<_>>(), [Reason::Overflow]);
    assert!(shown(&rig).totals.is_empty() && shown(&rig).hours.is_empty());
    assert_eq!(rig.fold.counts().rejected, 1);
}

#[test]
fn a_sum_that_does_not_fit_is_rejected_whole_and_fits_once_there_is_room() {
    let dear = |id: &str, revision| UsageEvent {
        usage: tokens(TOKENS_MAX),
        revision: Revision(revision),
        ..event(id)
    };
    // Each costs 5 × 10^18 nano-USD; an i64 holds 9.2 × 10^18.
    let mut records = vec![book(1, "5000"), dear("a", 0).into(), dear("b", 0).into()];
    let mut rig = Rig::new();
    rig.run(&log(records.clone()));
    let first = recount(&log(records[..2].to_vec()), 2).totals;
    assert_eq!(shown(&rig).totals, first, "nothing of the rejected report is counted");
    assert_eq!(rig.rejects.len(), 1);

    let gone = UsageEvent { kind: Kind::Retraction, revision: Revision(1), ..event("a") };
    records.extend([gone.into(), dear("b", 0).into(), heartbeat()]);
    rig.run(&log(records));
    assert_eq!(shown(&rig).totals, first, "what was refused was not remembered, and now counts");
    assert_eq!((rig.fold.counts().fresh, rig.fold.counts().revised, rig.fold.counts().rejected), (2, 1, 1));
}

#[test]
fn sums_of_an_account_over_several_dims_are_checked_together() {
    // A session adds up what dims keep apart.
    let of = |id: &str, tool: &str| {
        let mut event = UsageEvent { usage: tokens(TOKENS_MAX), session: Some("one".into()), ..event(id) };
        event.dims.tool = tool.into();
        event
    };
    let mut rig = Rig::new();
    rig.run(&log(vec![book(1, "5000"), of("a", "t0").into(), of("b", "t1").into()]));
    assert_eq!(rig.rejects.iter().map(|reject| reject.reason).collect::<Vec<_>>(), [Reason::Overflow]);
}
