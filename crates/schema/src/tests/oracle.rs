//! What the hand decoder accepts, and as which values, is what `apache-avro` accepts.

use proptest::prelude::*;
use tally_domain::{Entry, Reject};

use super::arbitrary::{record, usage_event};
use crate::registry::Record;
use crate::wire::unframe;
use crate::{DecodeError, Writer};

/// What our decoder reads, written again by our encoder.
pub(super) fn ours(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let (id, _) = unframe(bytes).ok_or(DecodeError::NoFrame { bytes: bytes.len() })?;
    Ok(match Record::from_id(id).ok_or(DecodeError::UnknownSchema(id))? {
        Record::Identity => crate::encode_identity(&crate::decode_identity(bytes)?),
        Record::AccountTotals | Record::Progress => match crate::decode_totals(bytes)? {
            crate::Totals::Progress(progress) => crate::encode_progress(&progress),
            crate::Totals::Total(row, version) => {
                let mut again = Vec::new();
                crate::encode_total(&row, version, &mut again);
                again
            }
        },
        Record::Reject => {
            let read = crate::decode_reject(bytes)?;
            let (partition, offset, reason) = (read.partition, read.offset, read.reason);
            let reject = Reject { partition, offset, reason, detail: read.detail.to_owned() };
            crate::encode_reject(&reject, read.original)
        }
        _ => match crate::decode(bytes)? {
            Entry::Heartbeat => crate::encode_heartbeat(),
            Entry::Barrier(barrier) => crate::encode_barrier(&barrier),
            Entry::Prices(book) => crate::encode_prices(book.number, book.body),
            Entry::Policy(policy) => crate::encode_policy(policy.number, policy.body),
            Entry::Usage(event) => {
                let mut again = Vec::new();
                crate::encode_usage(&event, &mut again);
                again
            }
        },
    })
}

/// What `apache-avro` reads, written again by `apache-avro`.
pub(super) fn theirs(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let id = crate::schema_id_of(bytes).ok_or("no frame")?;
    let record = Record::from_id(id).ok_or("unknown id")?;
    let mut again = Vec::new();
    let writer = Writer::parse(record.text()).expect("ours");
    writer.rewrite(bytes, &mut again).map_err(|error| error.to_string())?;
    Ok(again)
}

fn agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    match (ours(bytes), theirs(bytes)) {
        (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
        // Avro as it should be, with a value that the field cannot have.
        (Err(DecodeError::Value { .. }), Ok(_)) | (Err(_), Err(_)) => {}
        (ours, theirs) => prop_assert!(false, "ours {ours:?}, theirs {theirs:?}"),
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_we_write_apache_avro_reads_and_writes_alike(bytes in record()) {
        prop_assert_eq!(ours(&bytes), Ok(bytes.clone()));
        prop_assert_eq!(theirs(&bytes), Ok(bytes));
    }

    #[test]
    fn a_usage_event_comes_back_field_by_field(event in usage_event()) {
        let mut bytes = Vec::new();
        crate::encode_usage(&event.as_ref(), &mut bytes);
        prop_assert_eq!(crate::decode(&bytes), Ok(Entry::Usage(event.as_ref())));
    }

    #[test]
    fn damaged_bytes_are_refused_or_read_alike(
        bytes in record(), at in any::<prop::sample::Index>(), byte in any::<u8>(), flip in 0..8_u32,
    ) {
        let mut flipped = bytes.clone();
        let index = at.index(bytes.len() - 4) + 4;
        if let Some(byte) = flipped.get_mut(index) { *byte ^= 1 << flip; }
        agree(&flipped)?;
        let mut replaced = bytes.clone();
        if let Some(old) = replaced.get_mut(index) { *old = byte; }
        agree(&replaced)?;
        let mut grown = bytes.clone();
        grown.insert(index, byte);
        agree(&grown)?;
        let mut shrunk = bytes.clone();
        shrunk.remove(at.index(bytes.len()));
        agree(&shrunk)?;
        agree(&bytes[..at.index(bytes.len())])?;
    }

    #[test]
    fn random_bodies_are_refused_or_read_alike(
        record in prop::sample::select(Record::ALL.to_vec()), body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut bytes = vec![0];
        bytes.extend_from_slice(&record.id().0.to_be_bytes());
        bytes.extend_from_slice(&body);
        agree(&bytes)?;
    }
}

#[test]
fn every_prefix_of_a_record_is_refused() {
    let event = tally_domain::UsageEvent { event_id: "msg:1".into(), ..Default::default() };
    let mut bytes = Vec::new();
    crate::encode_usage(&event.as_ref(), &mut bytes);
    for length in 0..bytes.len() {
        let error = crate::decode(&bytes[..length]).unwrap_err();
        assert!(
            matches!(error, DecodeError::NoFrame { .. } | DecodeError::Ends { .. }),
            "{length} bytes: {error}"
        );
        assert!(theirs(&bytes[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn bytes_after_the_last_field_are_refused() {
    let mut bytes = crate::encode_heartbeat();
    bytes.push(0);
    assert_eq!(crate::decode(&bytes), Err(DecodeError::Trailing { bytes: 1 }));
}

#[test]
fn a_record_of_another_topic_is_refused() {
    let bytes = crate::encode_identity(&tally_domain::ClaimedIdentity::default());
    assert_eq!(crate::decode(&bytes), Err(DecodeError::Misplaced(Record::Identity)));
    assert_eq!(crate::decode_totals(&bytes), Err(DecodeError::Misplaced(Record::Identity)));
    assert!(crate::decode_identity(&crate::encode_heartbeat()).is_err());
}

#[test]
fn numbers_names_and_symbols_of_the_registry_are_those_of_the_schemas() {
    for record in Record::ALL {
        let schema = apache_avro::Schema::parse_str(record.text()).unwrap();
        assert_eq!(schema.name().map(ToString::to_string).as_deref(), Some(record.full_name()));
        assert_eq!(Record::from_id(record.id()), Some(record));
    }
    let symbols =
        |names: &[&str]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let usage = Record::UsageEvent.text();
    assert!(usage.contains(&symbols(&tally_domain::View::ALL.map(tally_domain::View::symbol))));
    assert!(usage.contains(&symbols(&tally_domain::Kind::ALL.map(tally_domain::Kind::symbol))));
    let reasons = tally_domain::Reason::ALL.map(|reason| reason.name().to_uppercase());
    assert!(Record::Reject.text().contains(&symbols(&reasons.each_ref().map(String::as_str))));
}
