//! Confluent's own serializer: frames that it wrote, and frames that must be refused.

use std::path::PathBuf;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use serde_json::Value as Json;

use crate::wire::unframe;
use crate::{DecodeError, SchemaId};

/// The conformance data beside the checkout; the fixtures of this crate carry the tests where it is absent.
fn shared(path: &str) -> Option<Json> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let root = std::env::var_os("TALLY_SHARED_DATA").map_or(beside, PathBuf::from);
    let text = std::fs::read(root.join(path)).ok()?;
    Some(serde_json::from_slice(&text).expect("conformance files are JSON"))
}

fn bytes_of(vector: &Json) -> Vec<u8> {
    super::golden::unhex(vector["bytes_hex"].as_str().expect("hex"))
}

#[test]
fn frames_of_confluents_serializer_are_read() {
    let Some(vectors) = shared("conformance/schema_registry/confluent_wire_vectors.json") else { return };
    let schemas = shared("conformance/avro/resolution_matrix.json").expect("beside the vectors");
    for vector in vectors["vectors"].as_array().expect("a list") {
        let bytes = bytes_of(vector);
        let (id, body) = unframe(&bytes).expect("a frame");
        assert_eq!(u64::from(id.0), vector["schema_id"].as_u64().unwrap());
        assert_eq!(
            crate::decode(&bytes),
            Err(DecodeError::UnknownSchema(id)),
            "a registry's number is not ours"
        );
        let name = vector["schema"].as_str().unwrap();
        let schema = Schema::parse(&schemas["schemas"][name]).expect(name);
        let value = GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut &*body).unwrap();
        assert_eq!(Json::try_from(value).unwrap(), vector["value"], "{name}");
    }
}

#[test]
fn broken_frames_are_refused() {
    let refused = [
        (&b""[..], DecodeError::NoFrame { bytes: 0 }),
        (b"\0\0\0\0", DecodeError::NoFrame { bytes: 4 }),
        (b"\x01\0\0\0\x01\x06e-1", DecodeError::NoFrame { bytes: 9 }),
        (b"\0\x7f\xff\xff\xff\x06e-1", DecodeError::UnknownSchema(SchemaId(0x7fff_ffff))),
    ];
    for (bytes, error) in refused {
        assert_eq!(crate::decode(bytes), Err(error));
    }
    let Some(vectors) = shared("conformance/schema_registry/confluent_wire_vectors.json") else { return };
    for vector in vectors["negative"].as_array().expect("a list") {
        assert!(crate::decode(&bytes_of(vector)).is_err(), "{}", vector["name"]);
    }
}
