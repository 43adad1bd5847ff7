use super::*;

#[test]
fn names_follow_the_rule_of_their_kind() {
    let plain = |name: &str| is_plain(name.as_bytes());
    assert!(plain("tally_events_total") && plain("tally_usage_bytes"));
    for bad in [
        "tally",
        "tally_",
        "tallyevents",
        "events_total",
        "tally_Events",
        "tally__events",
        "tally_events_",
        "tally-events",
    ] {
        assert!(!plain(bad), "{bad}");
    }
    assert!(ends_well(b"tally_events_total", &[b"_total"]));
    assert!(!ends_well(b"tally_events", &[b"_total"]));
    assert!(!ends_well(b"tally_events_total", &[]));
    assert!(ends_well(b"tally_commit_seconds", &[b"_bytes", b"_seconds"]));
    assert!(!ends_well(b"total", &[b"_total"]));
}

#[test]
#[should_panic(expected = "a counter ends in `_total`")]
fn a_counter_without_total_is_refused() {
    let _counter = Counter::new("tally_events", "events");
}

#[test]
fn no_label_holds_an_account_or_a_person() {
    for name in Label::NAMES {
        for personal in [
            "account", "person", "people", "user", "subject", "mail", "name", "host", "session", "event",
            "producer", "path",
        ] {
            assert!(!name.contains(personal), "the label {name} names a {personal}");
        }
    }
    // A value is a constant of the program or a number of 16 bits: a `String` does not fit.
    assert_eq!(Label::Partition(7).value(), "7");
    assert_eq!(
        (Label::Verdict("fresh").name(), Label::Verdict("fresh").value()),
        ("verdict", "fresh".to_owned())
    );
}
