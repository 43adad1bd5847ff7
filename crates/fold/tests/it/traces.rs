//! One trace for each rule whose absence broke the model of the promise.
//!
//! The clock of these logs starts at 2026-02-10T12:00Z; a record's `minute` counts from there.

use crate::oracle::{Truth, recount};
use crate::rig::{Logged, LoggedEntry, Rig, account, time};
use tally_domain::event::TOKENS_MAX;
use tally_domain::{
    Dims, Epoch, EventTime, Kind, Minted, Minute, Reason, Revision, Sequence, SessionKey, Usage, UsageEvent,
};
use tally_fold::{Destination, Due, DueKey, Refusal};

const MINUTE: i64 = 60_000;
const DAY: i64 = 1_440;

fn start() -> i64 {
    time("2026-02-10T12:00:00Z")
}

/// One token of input at the start.
pub(crate) fn event(id: &str) -> UsageEvent {
    let usage = Usage { tokens: [1, 0, 0, 0, 0, 0], requests: 1, ..Usage::ZERO };
    let dims = Dims { model: "m0".into(), tool: "t0".into(), ..Dims::default() };
    let occurred_at = EventTime::from_ms(start()).unwrap();
    UsageEvent {
        account: account(0, false),
        event_id: id.into(),
        occurred_at,
        usage,
        dims,
        ..UsageEvent::default()
    }
}

fn occurred(minute: i64, event: UsageEvent) -> UsageEvent {
    UsageEvent { occurred_at: EventTime::from_ms(start() + minute * MINUTE).unwrap(), ..event }
}

fn tokens(input: i64, event: UsageEvent) -> UsageEvent {
    UsageEvent { usage: Usage { tokens: [input, 0, 0, 0, 0, 0], ..event.usage }, ..event }
}

fn retraction(event: UsageEvent) -> UsageEvent {
    UsageEvent { kind: Kind::Retraction, actor: Some("ann".into()), reason: Some("test".into()), ..event }
}

impl From<UsageEvent> for LoggedEntry {
    fn from(event: UsageEvent) -> Self {
        Self::Usage(event)
    }
}

pub(crate) fn heartbeat() -> LoggedEntry {
    LoggedEntry::Heartbeat
}

/// A book in which a million tokens of input of `m0` cost so many dollars.
pub(crate) fn book(number: u32, usd: &str) -> LoggedEntry {
    let body = format!(
        r#"{{"number":{number},"source":"test","models":[{{"model":"m0","prices":[
            {{"from":"2026-01-01","usd_per_million":{{"input":"{usd}"}}}}]}}]}}"#
    );
    LoggedEntry::Prices(number, body)
}

/// All appended at the start.
pub(crate) fn log(entries: Vec<LoggedEntry>) -> Vec<Logged> {
    at(entries.into_iter().map(|entry| (0, entry)).collect())
}

/// Each appended at its minute.
fn at(entries: Vec<(i64, LoggedEntry)>) -> Vec<Logged> {
    let logged = |(minute, entry)| Logged { appended_ms: start() + minute * MINUTE, entry };
    entries.into_iter().map(logged).collect()
}

pub(crate) fn shown(rig: &Rig) -> Truth {
    let mut shown = Truth::default();
    rig.all_rows().iter().for_each(|rows| shown.collect(rows));
    shown
}

/// Folds the log, record by record and whole, against the oracle.
fn folded(log: &[Logged]) -> Rig {
    let mut rig = Rig::new();
    rig.run(log);
    let truth = recount(log, log.len()).without_zeros();
    assert_eq!(shown(&rig).without_zeros(), truth);
    let mut single = Rig::new();
    while single.next() < log.len() {
        single.turn(log, 1).unwrap();
    }
    assert_eq!(single.save(), rig.save());
    assert_eq!(single.saved, rig.saved);
    rig
}

/// Input tokens of the one total there is: 24 h, 7 d, 30 d, lifetime.
fn windows(rig: &Rig) -> [i64; 4] {
    let totals = shown(rig).totals;
    assert_eq!(totals.len(), 1);
    totals.into_values().next().unwrap().map(|usage| usage.tokens[0])
}

fn pending_totals(rig: &mut Rig) -> (Due, Vec<DueKey>) {
    let due = rig.due(Destination::Totals, 100);
    let keys = due.keys.clone();
    (due, keys)
}

fn minted(sequence: i64, event: UsageEvent) -> UsageEvent {
    let sequence = Sequence(sequence);
    let minted = Minted { producer: event.producer, epoch: Epoch(1), sequence };
    UsageEvent { minted: Some(minted), epoch: Epoch(1), sequence, ..event }
}

fn of(nth: usize, model: &str, event: UsageEvent) -> UsageEvent {
    UsageEvent { account: account(nth, false), dims: Dims { model: model.into(), ..event.dims }, ..event }
}

/// A page of what is due is published and acknowledged.
fn publish_page(rig: &mut Rig, limit: usize, into: &mut Truth) {
    let due = rig.due(Destination::ClickHouse, limit);
    into.collect(&rig.rows(&due));
    rig.fold.acknowledge(&due);
}

// clock=tick
#[test]
fn the_clock_moves_by_records_alone_and_a_heartbeat_is_enough() {
    let mut records = at(vec![(0, event("a").into())]);
    let mut rig = folded(&records);
    assert_eq!(windows(&rig), [1; 4]);
    let (due, _) = pending_totals(&mut rig);
    rig.fold.acknowledge(&due);
    assert_eq!(pending_totals(&mut rig).1, []);

    for (minute, expected) in [(DAY - 1, [1; 4]), (DAY, [0, 1, 1, 1]), (30 * DAY, [0, 0, 0, 1])] {
        records.extend(at(vec![(minute, heartbeat())]));
        rig.run(&records);
        assert_eq!(windows(&rig), expected, "at minute {minute}");
        let (due, keys) = pending_totals(&mut rig);
        assert_eq!(keys.len(), usize::from(minute != DAY - 1), "a total that the clock moved is published");
        rig.fold.acknowledge(&due);
    }
}

// stamp=commitseq
#[test]
fn an_acknowledgement_does_not_take_a_change_that_came_after_what_it_published() {
    let records = log(vec![event("a").into(), event("b").into()]);
    let mut rig = Rig::new();
    rig.turn(&records, 1).unwrap();
    let before = rig.due(Destination::ClickHouse, 100);
    rig.turn(&records, 1).unwrap();
    rig.fold.acknowledge(&before);
    let after = rig.due(Destination::ClickHouse, 100);
    assert!(after.keys.iter().any(|key| matches!(key, DueKey::Total(..))), "{:?}", after.keys);
    let progress = rig.fold.progress(Destination::ClickHouse).unwrap();
    assert_eq!(progress.version, before.version, "what was acknowledged is claimed, and no more");
    rig.fold.acknowledge(&after);
    assert_eq!(rig.fold.progress(Destination::ClickHouse).unwrap().version, rig.fold.version());
    rig.fold.acknowledge(&before);
    assert_eq!(rig.fold.pending(Destination::ClickHouse), 0);
}

// entry=asdoc
#[test]
fn a_restart_in_the_middle_of_publishing_every_key_leaves_none_out() {
    // The first account's second row comes after the second account's first: a restart sorts them otherwise.
    let rows = [(0, "m0"), (1, "m0"), (0, "m1"), (1, "m1")];
    let events = rows.map(|(nth, model)| of(nth, model, event(&format!("{nth} {model}"))).into());
    let log = log(events.to_vec());
    for pages_before in 0..12 {
        let mut rig = Rig::new();
        rig.run(&log);
        while !rig.due(Destination::ClickHouse, 1).is_empty() {
            publish_page(&mut rig, 1, &mut Truth::default());
        }
        rig.fold.republish(&[Destination::ClickHouse]);
        let mut shown = Truth::default();
        for _ in 0..pages_before {
            publish_page(&mut rig, 1, &mut shown);
        }
        rig.checkpoint();
        while rig.fold.is_republishing(Destination::ClickHouse) {
            publish_page(&mut rig, 1, &mut shown);
        }
        assert_eq!(shown, recount(&log, log.len()), "a restart after {pages_before} pages");
    }
}

#[test]
fn a_revision_takes_back_all_that_the_report_before_it_did() {
    let first = UsageEvent { session: Some("one".into()), ..tokens(10, event("a")) };
    let mut moved = tokens(3, occurred(-90, first.clone()));
    (moved.revision, moved.dims.tool, moved.session) = (Revision(1), "t1".into(), Some("two".into()));
    let rig = folded(&log(vec![book(1, "2"), first.into(), book(2, "4"), moved.into()]));
    let shown = shown(&rig);
    let sums: Vec<_> = shown.totals.values().map(|windows| windows[2].tokens[0]).collect();
    assert_eq!(sums, [0, 3]);
    let costs: Vec<_> = shown.hours.values().map(|usage| usage.cost_nano_usd).collect();
    assert_eq!(costs, [12_000, 0]);
    let sessions: Vec<_> = shown.sessions.values().map(|(_, _, usage)| usage.tokens[0]).collect();
    assert_eq!(sessions.iter().sum::<i64>(), 3);
}

// skip=seq
#[test]
fn a_higher_number_of_its_sender_does_not_make_a_known_id_fresh() {
    let first = minted(1, event("p:1:1"));
    let again = UsageEvent { sequence: Sequence(7), ..first.clone() };
    let plain = UsageEvent { sequence: Sequence(8), ..event("plain") };
    let plain_again = UsageEvent { sequence: Sequence(9), ..plain.clone() };
    let entries = vec![first.into(), again.into(), plain.into(), plain_again.into()];
    let rig = folded(&log(entries));
    assert_eq!((rig.fold.counts().fresh, rig.fold.counts().duplicate), (2, 2));
}

#[test]
fn a_revision_that_comes_first_makes_its_original_be_looked_up() {
    let original = minted(5, event("p:1:5"));
    let revision =
        UsageEvent { revision: Revision(1), epoch: Epoch(2), sequence: Sequence(1), ..original.clone() };
    let rig = folded(&log(vec![revision.into(), original.into(), minted(6, event("p:1:6")).into()]));
    assert_eq!((rig.fold.counts().fresh, rig.fold.counts().duplicate), (2, 1));
}

#[test]
fn a_late_number_below_the_mark_is_looked_up_not_dropped() {
    let rig = folded(&log(vec![minted(9, event("p:1:9")).into(), minted(3, event("p:1:3")).into()]));
    assert_eq!(rig.fold.counts().fresh, 2);
    let producers: Vec<_> = shown(&rig).producers.into_values().map(|(mark, gaps, _)| (mark, gaps)).collect();
    assert_eq!(producers, [(9, 7)]);
}

// logtime=raw
#[test]
fn the_logs_time_does_not_go_back_with_its_clock() {
    // The log's clock was set back by an hour: what occurred now is not in the future.
    let rig = folded(&at(vec![(60, heartbeat()), (0, occurred(60, event("a")).into())]));
    assert_eq!(rig.fold.counts().fresh, 1);
    assert_eq!(rig.fold.clock(), EventTime::from_ms(start() + 60 * MINUTE).unwrap().minute());
    let old = occurred(-400 * DAY + 30, event("b"));
    let rig = folded(&at(vec![(60, heartbeat()), (0, old.into())]));
    assert_eq!(rig.rejects[0].reason, Reason::TooOld);
}

// recreate=none
#[test]
fn a_new_incarnation_outranks_every_version_before_it_and_publishes_every_key() {
    let records = log(vec![
        LoggedEntry::Barrier(1),
        event("a").into(),
        LoggedEntry::Barrier(2),
        LoggedEntry::Barrier(2),
    ]);
    let mut rig = Rig::new();
    rig.turn(&records, 9).unwrap();
    while rig.fold.is_republishing(Destination::Totals) {
        let due = rig.due(Destination::Totals, 9);
        rig.fold.acknowledge(&due);
    }
    rig.turn(&records, 9).unwrap();
    let (due, _) = pending_totals(&mut rig);
    rig.fold.acknowledge(&due);
    let old = rig.fold.version();
    rig.turn(&records, 9).unwrap();
    assert!(rig.fold.version() > old);
    assert_eq!(rig.fold.version().incarnation().0, 2);
    assert_eq!(rig.fold.progress(Destination::Totals), None, "nothing of the new incarnation is claimed yet");
    let (due, keys) = pending_totals(&mut rig);
    assert_eq!(keys.len(), 1);
    rig.fold.acknowledge(&due);
    assert_eq!(rig.fold.progress(Destination::Totals).map(|at| at.version), Some(rig.fold.version()));
    rig.turn(&records, 9).unwrap();
    assert!(!rig.fold.is_republishing(Destination::Totals), "a number not above the present one is ignored");
}

#[test]
fn a_barrier_of_another_log_is_refused_with_a_remedy_and_changes_nothing() {
    use crate::rig::barrier;
    use tally_domain::{FoldVersion, Hash128, LogTime, Offset, PartitionCount, TopicId};
    use tally_fold::{Control, RecordAt};
    let mut rig = Rig::new();
    rig.run(&log(vec![LoggedEntry::Barrier(1)]));
    let before = rig.save();
    let mut refused = |change: fn(&mut tally_domain::Barrier)| {
        let mut other = barrier(2);
        change(&mut other);
        let appended_at = LogTime::from_ms(start()).unwrap();
        let at = RecordAt { offset: Offset::ZERO.next(), appended_at, key: &[] };
        rig.fold.control(&at, 1, &Control::Barrier(other)).unwrap_err()
    };
    let topic = refused(|barrier| barrier.topic = TopicId(Hash128([1; 16])));
    let count = refused(|barrier| barrier.partitions = PartitionCount::new(3).unwrap());
    let secret = refused(|barrier| barrier.secret_check = Hash128([1; 16]));
    let logic = refused(|barrier| barrier.fold_version = FoldVersion(2));
    assert!(matches!(topic, Refusal::OtherTopic { .. }) && matches!(secret, Refusal::OtherSecret { .. }));
    assert!(matches!(logic, Refusal::OtherFoldVersion { .. }));
    assert_eq!(
        count.to_string(),
        "folding barrier 2: the topic has 3 partitions, this installation is set to 2; \
         the count is fixed for life: set it back to 3, or migrate to a new topic"
    );
    assert_eq!(rig.save(), before);
}

// zero=drop
#[test]
fn a_total_that_becomes_zero_is_published_as_zero() {
    let mut rig = Rig::new();
    let records =
        log(vec![event("a").into(), retraction(UsageEvent { revision: Revision(1), ..event("a") }).into()]);
    rig.turn(&records, 1).unwrap();
    let due = rig.due(Destination::ClickHouse, 100);
    rig.fold.acknowledge(&due);
    rig.turn(&records, 1).unwrap();
    let due = rig.due(Destination::ClickHouse, 100);
    let rows = rig.rows(&due);
    assert_eq!(rows.totals.iter().map(|row| row.windows).collect::<Vec<_>>(), [[Usage::ZERO; 4]]);
    assert_eq!(rows.hours.iter().map(|row| row.usage).collect::<Vec<_>>(), [Usage::ZERO]);
    folded(&records);
}

// enter=immediate
#[test]
fn an_early_event_enters_when_the_clock_reaches_it() {
    let mut records = at(vec![(0, occurred(3, event("a")).into())]);
    let mut rig = folded(&records);
    assert_eq!(windows(&rig), [0, 0, 0, 1], "lifetime at once");
    assert_eq!(shown(&rig).hours.len(), 1, "and its hour");
    for (minute, expected) in [(2, [0, 0, 0, 1]), (3, [1; 4]), (3 + DAY, [0, 1, 1, 1])] {
        records.extend(at(vec![(minute, heartbeat())]));
        rig.run(&records);
        assert_eq!(windows(&rig), expected, "at minute {minute}");
    }
}

#[test]
fn an_early_event_that_the_clock_leaps_over_was_never_in_the_windows_it_leapt() {
    let rig = folded(&at(vec![(0, occurred(3, event("a")).into()), (3 + 8 * DAY, heartbeat())]));
    assert_eq!(windows(&rig), [0, 0, 1, 1]);
}

// misroute=accept
#[test]
fn a_record_in_a_partition_that_is_not_its_accounts_is_rejected_loudly() {
    let rig = folded(&log(vec![UsageEvent { account: account(0, true), ..event("a") }.into()]));
    assert_eq!(rig.rejects[0].reason, Reason::Misrouted);
    assert!(rig.rejects[0].detail.contains("murmur2"), "{}", rig.rejects[0].detail);
    assert!(shown(&rig).producers.is_empty(), "its home partition writes its receipt");
}

// order=asdoc
#[test]
fn a_retraction_wins_the_tie_of_its_revision_in_either_order() {
    let report = tokens(1_000, event("a"));
    let gone = retraction(event("a"));
    for entries in [[report.clone(), gone.clone()], [gone, report]] {
        let rig = folded(&log(entries.into_iter().map(LoggedEntry::from).collect()));
        assert!(shown(&rig).totals.values().all(|windows| windows[3] == Usage::ZERO));
    }
}

// session=live
#[test]
fn a_session_spans_every_accepted_report_whatever_the_order() {
    let of = |minute, output| {
        let mut event = occurred(minute, event("a"));
        (event.session, event.usage.tokens[4]) = (Some("one".into()), output);
        event
    };
    let reports = [of(-5, 1), of(-9, 5), of(-1, 3)];
    let hull = (start() - 9 * MINUTE, start() - MINUTE);
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
        let rig = folded(&log(order.iter().map(|&nth| reports[nth].clone().into()).collect()));
        let sessions = shown(&rig).sessions;
        let (first, last, usage) = sessions[&(account(0, false), SessionKey::of("one"))];
        assert_eq!(((first, last), usage.tokens[4]), (hull, 5));
    }
}

// price=side
#[test]
fn a_report_is_priced_by_the_book_at_the_first_of_its_equal_copies() {
    let report = tokens(1_000_000, event("a"));
    let copies = vec![book(1, "2"), report.clone().into(), book(2, "3"), report.clone().into(), book(1, "9")];
    let rig = folded(&log(copies));
    assert_eq!(shown(&rig).totals.into_values().next().unwrap()[3].cost_nano_usd, 2_000_000_000);
    assert_eq!(rig.fold.price_book(), 2, "a lower number is ignored");
    // A later copy that wins is priced by the book in force at its own offset.
    let grown = tokens(2_000_000, report.clone());
    let rig = folded(&log(vec![book(1, "2"), report.into(), book(2, "3"), grown.into()]));
    assert_eq!(shown(&rig).totals.into_values().next().unwrap()[3].cost_nano_usd, 6_000_000_000);
}

#[test]
fn a_book_that_cannot_be_read_is_rejected_and_the_old_one_stays() {
    let rig = folded(&log(vec![book(1, "2"), book(2, "cheap"), tokens(1_000_000, event("a")).into()]));
    assert_eq!((rig.rejects[0].reason, rig.rejects[0].offset.get()), (Reason::BadControl, 1));
    assert_eq!(shown(&rig).totals.into_values().next().unwrap()[3].cost_nano_usd, 2_000_000_000);
}

// lookup=occ
#[test]
fn a_copy_with_another_time_is_found_in_the_generation_of_the_first() {
    // Restamped by its sender days later; and a revision that is dated before its first copy was logged.
    let later = occurred(9 * DAY, event("a"));
    let rig = folded(&at(vec![(0, event("a").into()), (9 * DAY, later.into())]));
    assert_eq!((rig.fold.counts().fresh, rig.fold.counts().duplicate), (1, 1));
    let timed = UsageEvent { minted_at_ms: Some(start() + 9 * DAY * MINUTE), ..event("b") };
    let revised = UsageEvent { revision: Revision(1), ..timed.clone() };
    let plain = UsageEvent { minted_at_ms: None, ..timed };
    let rig = folded(&at(vec![(0, plain.into()), (9 * DAY, revised.into())]));
    assert_eq!((rig.fold.counts().fresh, rig.fold.counts().revised), (1, 1));
}

#[test]
fn an_id_with_its_mint_time_may_have_been_logged_five_minutes_before_it() {
    // Minted at 00:02 by its producer's clock, logged at 23:58: the generation of the day before.
    let midnight = 12 * 60;
    let timed = UsageEvent { minted_at_ms: Some(start() + (midnight + 2) * MINUTE), ..event("a") };
    let entries = vec![(midnight - 2, timed.clone().into()), (midnight + 600, timed.into())];
    let rig = folded(&at(entries));
    assert_eq!((rig.fold.counts().fresh, rig.fold.counts().duplicate), (1, 1));
}

#[test]
fn an_empty_log_is_an_empty_state_at_no_version() {
    let mut rig = folded(&[]);
    assert_eq!(rig.fold.version().get(), 0);
    assert!(rig.due(Destination::ClickHouse, 9).is_empty());
    rig.checkpoint();
    assert_eq!(rig.fold.progress(Destination::ClickHouse).map(|at| at.version.get()), Some(0));
    assert!(rig.fold.clock() < Minute(0));
}

#[test]
fn the_greatest_report_there_may_be_is_counted() {
    let most =
        UsageEvent { usage: Usage { tokens: [TOKENS_MAX; 6], requests: 1, ..Usage::ZERO }, ..event("a") };
    let rig = folded(&log(vec![book(1, "75"), most.into()]));
    assert_eq!(windows(&rig), [TOKENS_MAX; 4]);
}

#[test]
fn damaged_or_foreign_checkpoints_are_refused_with_a_remedy() {
    use crate::rig::settings;
    use tally_domain::Hash128;
    use tally_fold::Restore;
    let mut rig = folded(&log(vec![book(1, "2"), event("a").into()]));
    let meta = rig.save();
    for length in 0..meta.len() {
        assert!(Restore::begin(settings(), &meta[..length]).is_err(), "cut at {length}");
    }
    let mut other = settings();
    other.secret_check = Hash128([1; 16]);
    let error = Restore::begin(other, &meta).unwrap_err().to_string();
    assert!(error.ends_with("restore the installation's own secret file"), "{error}");
}
