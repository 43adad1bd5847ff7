//! The formats, byte by byte, out and in.

use std::path::Path;

use serde::Deserialize;

use crate::rig::{Db, shared_data};

/// One row of the types that matter, as the format's documentation lays them out.
#[test]
fn row_binary_is_as_documented() {
    let db = Db::new("row_binary");
    let sql = "SELECT toUInt8(255) AS a, toInt64(-2) AS b, 'hé' AS c, toDateTime64('1970-01-01 00:00:01.5', 3, 'UTC') AS d, \
               CAST(NULL, 'Nullable(UInt8)') AS e, [toUInt16(1), 2] AS f, toDecimal64('1.5', 9) AS g, toLowCardinality('x') AS h";
    let mut expected = vec![255];
    expected.extend((-2_i64).to_le_bytes());
    expected.extend(*b"\x03h\xc3\xa9");
    expected.extend(1500_i64.to_le_bytes());
    expected.push(1);
    expected.extend(*b"\x02\x01\x00\x02\x00");
    expected.extend(1_500_000_000_i64.to_le_bytes());
    expected.extend(*b"\x01x");
    assert_eq!(db.bytes(&format!("{sql} FORMAT RowBinary")), expected);
    db.ok(&format!("CREATE TABLE t ENGINE = MergeTree ORDER BY a AS {sql}"));
    db.ok("TRUNCATE TABLE t");
    db.insert("INSERT INTO t FORMAT RowBinary", expected.clone()).expect("its own bytes");
    assert_eq!(db.bytes("SELECT * FROM t FORMAT RowBinary"), expected);
}

#[derive(Deserialize)]
struct Manifest {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    file: String,
    format: String,
}

/// Formats whose bytes hold more than the rows: a random sync marker, the writer's version.
const NOT_REPRODUCIBLE: [&str; 2] = ["Avro", "Parquet"];

/// The vectors were written by a newer engine (26.9.2.1); whatever differs is listed by name.
#[test]
fn the_shared_vectors_agree_both_ways() {
    let Some(folder) = shared_data().map(|data| data.join("conformance/clickhouse")) else {
        eprintln!("no shared data on this machine: `row_binary_is_as_documented` stands alone");
        return;
    };
    let manifest = std::fs::read(folder.join("MANIFEST.json")).expect("the manifest");
    let manifest: Manifest = serde_json::from_slice(&manifest).expect("the manifest's shape");
    assert_eq!(manifest.vectors.len(), 20);
    let db = Db::new("vectors");
    let mut differing = Vec::new();
    for vector in &manifest.vectors {
        differing.extend(written(&db, &folder, vector));
        differing.extend(read_back(&db, &folder, vector));
    }
    // CSV writes a tuple as one column for each element, and no column of the table has those names.
    assert_eq!(differing, ["types.CSVWithNames.csv read: other rows"]);
}

fn statement(folder: &Path, vector: &Vector) -> String {
    let (family, _) = vector.file.split_once('.').expect("family.format");
    std::fs::read_to_string(folder.join(format!("{family}.sql"))).expect("its statement")
}

/// Engine → bytes.
fn written(db: &Db, folder: &Path, vector: &Vector) -> Option<String> {
    let expected = std::fs::read(folder.join(&vector.file)).expect("the vector");
    let response = db.post(&[("default_format", &vector.format)], statement(folder, vector));
    let found = response.bytes().expect("a body");
    let same = found == expected;
    let may_differ = NOT_REPRODUCIBLE.contains(&vector.format.as_str());
    (!same && !may_differ)
        .then(|| format!("{} written: {} bytes, expected {}", vector.file, found.len(), expected.len()))
}

/// Bytes → engine: inserted, the vector is the same rows.
fn read_back(db: &Db, folder: &Path, vector: &Vector) -> Option<String> {
    let sql = statement(folder, vector);
    db.ok("DROP TABLE IF EXISTS t");
    db.ok(&format!("CREATE TABLE t ENGINE = MergeTree ORDER BY tuple() AS {sql}"));
    let rows = db.bytes("SELECT * FROM t ORDER BY 1 FORMAT RowBinary");
    db.ok("TRUNCATE TABLE t");
    let data = std::fs::read(folder.join(&vector.file)).expect("the vector");
    match db.insert(&format!("INSERT INTO t FORMAT {}", vector.format), data) {
        Err(error) => Some(format!("{} read: {error}", vector.file)),
        Ok(()) => (db.bytes("SELECT * FROM t ORDER BY 1 FORMAT RowBinary") != rows)
            .then(|| format!("{} read: other rows", vector.file)),
    }
}
