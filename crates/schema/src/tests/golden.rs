//! Bytes of every released version, which must be read for ever, and the JSON that they stand for.

use std::path::PathBuf;
use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use expect_test::expect_file;
use tally_domain::event::Unsplit;
use tally_domain::published::{Progress, TotalRow};
use tally_domain::*;

use crate::registry::Record;
use crate::wire::unframe;

pub(super) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).expect("hex");
    digits.chunks(2).map(byte).collect()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for line in bytes.chunks(32) {
        for byte in line {
            write!(text, "{byte:02x}").expect("a String takes all");
        }
        text.push('\n');
    }
    text
}

fn hash(first: u8) -> Hash128 {
    Hash128(std::array::from_fn(|i| first.wrapping_add(u8::try_from(i).unwrap())))
}

fn dims() -> Dims {
    Dims {
        model: "claude-opus-4-6".into(),
        tool: "claude-code".into(),
        view: View::Transcript,
        service_tier: "standard".into(),
        region: String::new(),
        unsplit: Unsplit::REASONING_IN_OUTPUT,
    }
}

fn transcript() -> UsageEvent {
    UsageEvent {
        account: AccountKey(hash(0x10)),
        event_id: "msg:msg_01EEiRWuVvwAmenNJXZcerPY".into(),
        producer: ProducerId(hash(0x40)),
        epoch: Epoch(-7_046_029_254_386_353_131),
        sequence: Sequence(17),
        occurred_at: EventTime::parse("2026-02-11T20:36:47.925Z").unwrap(),
        session: Some("258c7280-ae70-4798-800f-63464d01a85d".into()),
        request_id: Some("req_011CY2vXjEarsCbh9bG1N7Yz".into()),
        dims: dims(),
        client_version: "2.1.39".into(),
        usage: Usage { tokens: [3, 17_842, 0, 8_037, 10, 0], requests: 1, ..Usage::ZERO },
        ..UsageEvent::default()
    }
}

fn correction() -> UsageEvent {
    UsageEvent {
        minted: Some(Minted { producer: ProducerId(hash(0x60)), epoch: Epoch(5), sequence: Sequence(900) }),
        minted_at_ms: Some(1_770_000_000_123),
        revision: Revision(u32::MAX),
        kind: Kind::Correction,
        session: None,
        request_id: None,
        agent: "reviewer-ü".into(),
        actor: Some("ann".into()),
        reason: Some("counted twice by a proxy".into()),
        usage: Usage { tokens: [1_000_000_000_000, 1, 2, 3, 4, 5], requests: 0, ..Usage::ZERO },
        ..transcript()
    }
}

fn usage(event: &UsageEvent) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::encode_usage(&event.as_ref(), &mut bytes);
    bytes
}

fn total() -> Vec<u8> {
    let usage = |n| Usage {
        tokens: [n, n + 1, n + 2, n + 3, n + 4, n + 5],
        requests: n,
        unpriced: -n,
        cost_nano_usd: 1 << n,
    };
    let row = TotalRow {
        partition: Partition(7),
        account: AccountKey(hash(0x10)),
        dims: Arc::new(dims()),
        windows: [1, 10, 20, 40].map(usage),
    };
    let mut bytes = Vec::new();
    crate::encode_total(&row, Version::new(Incarnation(u16::MAX), Offset::new(42).unwrap()), &mut bytes);
    bytes
}

fn golden() -> Vec<(&'static str, Vec<u8>)> {
    let barrier = Barrier {
        number: 1,
        topic: TopicId(hash(0x80)),
        partitions: PartitionCount::LOCAL,
        fold_version: FoldVersion(1),
        secret_check: hash(0xa0),
    };
    let identity = ClaimedIdentity {
        source: "claude-code".into(),
        subject: "Ann.Example".into(),
        email: Some("ann@example.org".into()),
        name: None,
        first_seen_ms: 1_770_000_000_000,
    };
    let progress = Progress {
        partition: Partition(7),
        version: Version::new(Incarnation(1), Offset::new(42).unwrap()),
        clock: Minute(29_500_000),
        log_time: LogTime::from_ms(1_770_000_000_000).unwrap(),
    };
    let reject = Reject {
        partition: Partition(7),
        offset: Offset::MAX,
        reason: Reason::BadControl,
        detail: "number is 0".into(),
    };
    vec![
        ("usage_event.v1.transcript", usage(&transcript())),
        ("usage_event.v1.correction", usage(&correction())),
        ("heartbeat.v1", crate::encode_heartbeat()),
        ("barrier.v1", crate::encode_barrier(&barrier)),
        ("prices.v1", crate::encode_prices(1, b"{\"number\":1}")),
        ("policy.v1", crate::encode_policy(u32::MAX, b"{}")),
        ("identity.v1", crate::encode_identity(&identity)),
        ("account_totals.v1", total()),
        ("progress.v1", crate::encode_progress(&progress)),
        ("reject.v1", crate::encode_reject(&reject, &[0xff, 0x00])),
    ]
}

fn json(bytes: &[u8]) -> String {
    let (id, body) = unframe(bytes).unwrap();
    let schema = Schema::parse_str(Record::from_id(id).unwrap().text()).unwrap();
    let value = GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut &*body).unwrap();
    serde_json::to_string_pretty(&serde_json::Value::try_from(value).unwrap()).unwrap() + "\n"
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas/golden")
}

#[test]
fn our_encoder_writes_the_golden_bytes_and_they_stand_for_the_golden_json() {
    for (name, bytes) in golden() {
        expect_file![directory().join(format!("{name}.hex"))].assert_eq(&hex(&bytes));
        expect_file![directory().join(format!("{name}.json"))].assert_eq(&json(&bytes));
    }
}

/// Also those of versions that no encoder writes any more.
#[test]
fn every_golden_file_is_read() {
    let mut read = 0;
    for entry in std::fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "hex") {
            let bytes = unhex(&std::fs::read_to_string(&path).unwrap());
            super::oracle::ours(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            read += 1;
        }
    }
    assert!(read >= golden().len());
}
