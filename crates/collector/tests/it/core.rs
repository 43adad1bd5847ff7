//! What `Ingest` brings to the log, turn by turn.

use tally_collector::{Format, Ingest, Limits, Settled, Verdict, accept};
use tally_disk::MemoryDisk;
use tally_disk::memory::Fault;
use tally_domain::{AccountKey, Entry, Reason, Topic, partition_of};
use tally_log::{Appender, LocalLog};
use tally_schema::{decode, decode_identity, decode_reject};

use super::rig::{all, count, ingest, log, now, run, secret};

fn event(subject: &str, id: &str, more: &str) -> String {
    format!(
        r#"{{"source":"codex","subject":"{subject}","id":"{id}","occurred_at":1771000000000,"model":"m","tool":"codex","output":5{more}}}"#
    )
}

fn verdict(lines: &[String]) -> Verdict {
    let body = lines.join("\n");
    accept(body.as_bytes(), Format::Lines, &secret(), Limits { events_max: 1_000 }).unwrap()
}

#[test]
fn events_go_to_their_accounts_partition_with_one_identity_and_dense_numbers() {
    let disk = MemoryDisk::new(1);
    let mut log = log(&disk);
    let mut ingest = ingest(&log, 1 << 20);
    let subjects = ["ann", "bob", "cem", "ann", "ann"];
    let lines: Vec<_> =
        subjects.iter().enumerate().map(|(i, who)| event(who, &format!("e{i}"), "")).collect();
    let id = ingest.submit(&verdict(&lines), now()).unwrap();
    let mut settled: Vec<Settled> = Vec::new();
    assert!(ingest.turn());
    ingest.settled(&mut settled);
    assert!(settled.is_empty(), "nothing is claimed before the log has acknowledged it");
    let _turn = log.turn(now());
    assert!(ingest.turn() && !ingest.turn());
    ingest.settled(&mut settled);
    let [(settled_id, Ok(receipt))] = &settled[..] else { panic!("{settled:?}") };
    assert_eq!(*settled_id, id);

    let usage = all(&mut log.reader(), Topic::Usage);
    let mut numbers = Vec::new();
    for (partition, key, value) in &usage {
        let Ok(Entry::Usage(event)) = decode(value) else { panic!("no usage") };
        assert_eq!((event.account.bytes().as_slice(), event.producer), (&key[..], run().producer));
        assert_eq!(partition_of(key, count()).0, *partition);
        numbers.push((event.account, event.sequence.0, event.event_id.to_owned()));
    }
    numbers.sort();
    let ann = AccountKey::of(&secret(), "codex", "ann");
    let of_ann: Vec<_> = numbers.iter().filter(|n| n.0 == ann).map(|n| (n.1, &*n.2)).collect();
    assert_eq!(of_ann, [(1, "e0"), (2, "e3"), (3, "e4")]);
    let ends: u64 = receipt.appended.values().map(|next| next.get()).sum();
    assert_eq!(ends, 5, "the receipt names the end of each partition: {receipt:?}");

    let mut names: Vec<_> = all(&mut log.reader(), Topic::Identities)
        .iter()
        .map(|(_, _, value)| decode_identity(value).unwrap())
        .map(|identity| (identity.subject, identity.first_seen_ms))
        .collect();
    names.sort();
    assert_eq!(names, ["ann", "bob", "cem"].map(|name| (name.to_owned(), now().ms())));
}

#[test]
fn an_identity_is_written_again_only_when_it_says_more_and_never_loses_its_name() {
    let disk = MemoryDisk::new(2);
    let mut log = log(&disk);
    let mut first = ingest(&log, 1 << 20);
    let settle = |log: &mut LocalLog<MemoryDisk>, ingest: &mut Ingest<Appender>, more: &str| {
        let _id = ingest.submit(&verdict(&[event("ann", "e", more)]), now().plus_ms(1)).unwrap();
        let _gave = ingest.turn();
        let _turn = log.turn(now());
        let _took = ingest.turn();
        let identities = all(&mut log.reader(), Topic::Identities);
        let last = decode_identity(&identities.last().unwrap().2).unwrap();
        (identities.len(), last.name, last.email)
    };
    let name = |name: &str| Some(name.to_owned());
    assert_eq!(settle(&mut log, &mut first, ""), (1, None, None));
    assert_eq!(settle(&mut log, &mut first, r#","name":"Ann""#), (2, name("Ann"), None));
    assert_eq!(settle(&mut log, &mut first, ""), (2, name("Ann"), None));
    assert_eq!(
        settle(&mut log, &mut first, r#","email":"a@example.com""#),
        (3, name("Ann"), name("a@example.com"))
    );
    // A collector that starts anew reads what is known.
    let mut again = ingest(&log, 1 << 20);
    assert_eq!(settle(&mut log, &mut again, r#","name":"Ann""#), (3, name("Ann"), name("a@example.com")));
}

#[test]
fn what_the_disk_refuses_is_told_and_identified_again() {
    let mut refusals = 0;
    for at in 0..24 {
        let disk = MemoryDisk::new(at);
        let mut log = log(&disk);
        let mut ingest = ingest(&log, 1 << 20);
        disk.plan(disk.operations() + at, Fault::Refuse(tally_disk::Kind::Full));
        let mut once = |log: &mut LocalLog<MemoryDisk>| {
            let _id = ingest.submit(&verdict(&[event("ann", "e", "")]), now()).unwrap();
            let _gave = ingest.turn();
            let _turn = log.turn(now());
            let _took = ingest.turn();
            let mut settled = Vec::new();
            ingest.settled(&mut settled);
            settled.pop().unwrap().1
        };
        // From some number on the first attempt has passed before the disk refuses.
        let Err(refused) = once(&mut log) else { continue };
        assert!(refused.to_string().contains("free space on this volume"), "{refused}");
        refusals += 1;
        assert!(once(&mut log).is_ok(), "it passes, at {at}");
        assert!(
            !all(&mut log.reader(), Topic::Identities).is_empty(),
            "refused at {at}, and never said again"
        );
        assert!(!all(&mut log.reader(), Topic::Usage).is_empty());
    }
    assert!(refusals > 10, "{refusals}");
}

#[test]
fn back_pressure_takes_nothing() {
    let disk = MemoryDisk::new(4);
    let mut log = log(&disk);
    let mut ingest = ingest(&log, 300);
    let one = verdict(&[event("ann", "e", "")]);
    assert!(ingest.submit(&one, now()).is_ok());
    assert!(ingest.submit(&one, now()).is_ok());
    let busy = (0..3).find_map(|_| ingest.submit(&one, now()).err()).unwrap();
    assert_eq!(busy.bytes_max, 300);
    let _gave = ingest.turn();
    let _turn = log.turn(now());
    let _took = ingest.turn();
    assert!(ingest.submit(&one, now()).is_ok());
}

#[test]
fn refusals_and_kept_rejects_are_in_the_log_with_their_bytes() {
    let disk = MemoryDisk::new(5);
    let mut log = log(&disk);
    let mut ingest = ingest(&log, 1 << 20);
    let mut given = verdict(&["{\"source\":1}".to_owned()]);
    let body = r#"{"rejects":[{"source":"a.jsonl","position":"line 7","reason":"unreadable","detail":"no JSON","bytes_base64":"/wA="}]}"#;
    given.kept = accept(body.as_bytes(), Format::Json, &secret(), Limits { events_max: 9 }).unwrap().kept;
    let _id = ingest.submit(&given, now()).unwrap();
    let _gave = ingest.turn();
    let _turn = log.turn(now());
    let mut seen: Vec<_> = all(&mut log.reader(), Topic::Rejects)
        .iter()
        .map(|(_, _, value)| {
            let reject = decode_reject(value).unwrap();
            (reject.reason, reject.detail.to_owned(), reject.original.to_vec())
        })
        .collect();
    seen.sort();
    let expected = [
        (Reason::Unreadable, "a.jsonl line 7: no JSON".to_owned(), vec![255, 0]),
        (Reason::Malformed, "source is 1; expected a string".to_owned(), b"{\"source\":1}".to_vec()),
    ];
    assert_eq!(seen, expected);
}
