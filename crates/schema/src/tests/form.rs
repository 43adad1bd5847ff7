//! The rules of form, one line each.

use tally_domain::*;

fn event(change: impl FnOnce(&mut UsageEvent)) -> UsageEvent {
    let mut event = UsageEvent { event_id: "msg:1".into(), ..Default::default() };
    event.usage.requests = 1;
    change(&mut event);
    event
}

fn verdict(change: impl FnOnce(&mut UsageEvent)) -> String {
    match crate::check(&event(change).as_ref()) {
        Ok(()) => "ok".to_owned(),
        Err((reason, detail)) => format!("{}: {detail}", reason.name()),
    }
}

#[test]
fn event_ids_have_1_to_256_bytes() {
    assert_eq!(verdict(|_| ()), "ok");
    assert_eq!(verdict(|e| e.event_id.clear()), "malformed: event_id has 0 bytes; expected 1 to 256");
    assert_eq!(verdict(|e| e.event_id = "x".repeat(256)), "ok");
    assert_eq!(
        verdict(|e| e.event_id = "ü".repeat(129)),
        "malformed: event_id has 258 bytes; expected 1 to 256"
    );
}

#[test]
fn tokens_are_0_to_a_trillion_in_every_class() {
    let names = ["input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning"];
    for (class, name) in names.into_iter().enumerate() {
        assert_eq!(verdict(|e| e.usage.tokens[class] = 1_000_000_000_000), "ok");
        assert_eq!(
            verdict(|e| e.usage.tokens[class] = 1_000_000_000_001),
            format!("tokens_out_of_range: {name} is 1000000000001 tokens; expected 0 to 1000000000000")
        );
        assert_eq!(
            verdict(|e| e.usage.tokens[class] = -1),
            format!("tokens_out_of_range: {name} is -1 tokens; expected 0 to 1000000000000")
        );
    }
    assert_eq!(verdict(|e| e.usage.requests = -2), "malformed: requests is -2; expected 0 to 1000000000000");
}

#[test]
fn dims_are_short_and_unsplit_bits_defined() {
    assert_eq!(verdict(|e| e.dims.unsplit.0 = 7), "ok");
    assert_eq!(verdict(|e| e.dims.unsplit.0 = 8), "malformed: unsplit is 8; expected 0 to 7");
    assert_eq!(
        verdict(|e| e.dims.model = "m".repeat(257)),
        "malformed: model has 257 bytes; expected at most 256"
    );
}

#[test]
fn sequences_do_not_go_below_zero() {
    assert_eq!(verdict(|e| e.sequence = Sequence(-1)), "malformed: sequence is -1; expected 0 or more");
    let minted = Minted { producer: ProducerId::default(), epoch: Epoch(1), sequence: Sequence(0) };
    assert_eq!(verdict(|e| e.minted = Some(minted)), "malformed: minted.sequence is 0; expected 1 or more");
}

#[test]
fn whoever_changes_a_report_says_who_and_why() {
    let correction = |e: &mut UsageEvent| (e.kind, e.actor) = (Kind::Correction, Some("ann".into()));
    assert_eq!(verdict(|e| e.kind = Kind::Correction), "malformed: actor is missing; a CORRECTION needs one");
    assert_eq!(verdict(correction), "malformed: reason is missing; a CORRECTION needs one");
    assert_eq!(
        verdict(|e| {
            correction(e);
            e.reason = Some("twice".into());
        }),
        "ok"
    );
}

#[test]
fn a_retraction_leaves_nothing() {
    let retraction = |e: &mut UsageEvent| {
        (e.kind, e.actor, e.reason) = (Kind::Retraction, Some("ann".into()), Some("test run".into()));
    };
    assert_eq!(verdict(retraction), "malformed: a RETRACTION has 0 tokens and 1 requests; expected none");
    assert_eq!(
        verdict(|e| {
            retraction(e);
            e.usage.requests = 0;
        }),
        "ok"
    );
}
