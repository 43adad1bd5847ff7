//! What was measured of the library and must never bite: one test a trap.

use std::time::Instant;

use crate::rig::{Db, header, until};

#[test]
fn a_blank_line_in_insert_data_cuts_nothing() {
    let db = Db::new("blank_line");
    db.ok("CREATE TABLE t (a UInt32, b String) ENGINE = MergeTree ORDER BY a");
    db.insert("INSERT INTO t FORMAT CSV", "1,\"x\n\ny\"\n2,z\n").expect("in the URL");
    db.ok("INSERT INTO t FORMAT CSV\n3,\"x\n\ny\"\n4,z\n");
    db.ok("INSERT INTO t VALUES (5, 'x\n\ny'),\n\n(6, 'z')");
    assert_eq!(
        db.ok("SELECT groupArray((a, length(b))) FROM (SELECT * FROM t ORDER BY a)"),
        "[(1,4),(2,1),(3,4),(4,1),(5,4),(6,1)]"
    );
}

#[test]
fn one_request_runs_one_statement() {
    let db = Db::new("one_statement");
    db.ok("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a");
    for text in [
        "SELECT 1; DROP TABLE t",
        "DROP TABLE t; syntax error",
        "INSERT INTO t VALUES (1); DROP TABLE t",
        "INSERT INTO t; DROP TABLE t",
        "SELECT 1 PARALLEL WITH DROP TABLE t",
    ] {
        let response = db.post(&[], text);
        assert_eq!(
            (response.status().as_u16(), header(&response, "X-ClickHouse-Exception-Code").as_str()),
            (400, "62"),
            "{text}"
        );
    }
    assert_eq!(db.ok("SELECT count() FROM t"), "0");
    assert_eq!(db.ok("SELECT 1;"), "1");
    assert_eq!(db.ok("SELECT ';' -- ; DROP TABLE t\n;"), ";");
}

#[test]
fn a_bare_expression_is_no_statement() {
    let db = Db::new("implicit_select");
    assert_eq!(db.post(&[], "1 + 1").status().as_u16(), 400);
}

#[test]
fn statements_that_cannot_stream_are_answered_too() {
    let db = Db::new("not_select");
    db.ok("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a");
    assert_eq!(db.ok("SHOW TABLES"), "t");
    assert_eq!(db.ok("EXISTS TABLE t"), "1");
    assert_eq!(db.ok("DESCRIBE TABLE t FORMAT CSV"), "\"a\",\"UInt32\",\"\",\"\",\"\",\"\",\"\"");
    assert!(db.ok("EXPLAIN SYNTAX SELECT 1").starts_with("SELECT 1"));
}

#[test]
fn a_streamed_result_has_one_header() {
    let db = Db::new("one_header");
    for (format, header_len) in
        [("RowBinaryWithNamesAndTypes", 1 + 2 + 7), ("RowBinaryWithNames", 1 + 2), ("RowBinary", 0)]
    {
        let bytes = db.bytes(&format!("SELECT number AS n FROM numbers(300000) FORMAT {format}"));
        assert_eq!(bytes.len(), header_len + 300_000 * 8, "{format}");
    }
    for (format, lines) in [
        ("CSVWithNames", 1),
        ("TSVWithNamesAndTypes", 2),
        ("JSONCompactEachRowWithNamesAndTypes", 2),
        ("CSV", 0),
    ] {
        let text = db.ok(&format!("SELECT number AS n FROM numbers(300000) FORMAT {format}"));
        assert_eq!(text.lines().count(), lines + 300_000, "{format}");
    }
    let empty = db.bytes("SELECT number AS n FROM numbers(9) WHERE n > 10 FORMAT RowBinaryWithNamesAndTypes");
    assert_eq!(empty, b"\x01\x01n\x06UInt64");
}

#[test]
fn totals_and_extremes_come_once_and_last() {
    let db = Db::new("totals");
    let sql = "SELECT number % 2 AS k, count() FROM numbers(4) GROUP BY k WITH TOTALS ORDER BY k FORMAT CSVWithNames";
    assert_eq!(db.ok(sql), "\"k\",\"count()\"\n0,2\n1,2\n\n0,4");
}

#[test]
fn statements_run_beside_each_other() {
    let db = Db::new("parallel");
    let slow = db.clone();
    let started = Instant::now();
    let sleeper = std::thread::spawn(move || slow.ok("SELECT sleep(3)"));
    until("the sleeping statement runs", || {
        db.ok("SELECT count() FROM system.processes WHERE query LIKE '%sleep(3)%' AND query NOT LIKE '%processes%'") == "1"
    });
    assert_eq!(db.ok("SELECT 1"), "1");
    assert!(started.elapsed().as_secs() < 3, "the second statement waited for the first");
    assert_eq!(sleeper.join().expect("no panic"), "0");
}

#[test]
fn a_kill_never_waits_and_finds_a_query_by_the_clients_id() {
    let db = Db::new("kill_query");
    let victim = db.clone();
    let endless = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(number)";
    let running = std::thread::spawn(move || {
        let response = victim.post(&[("query_id", "victim-1")], endless);
        (response.status().as_u16(), response.text().expect("text"))
    });
    until("the victim runs", || {
        db.ok("SELECT count() FROM system.processes WHERE Settings['log_comment'] = 'victim-1'") == "1"
    });
    assert!(db.ok("KILL QUERY WHERE query_id = 'victim-1' SYNC").contains("waiting"));
    let (status, text) = running.join().expect("no panic");
    assert!(status == 500 && text.contains("QUERY_WAS_CANCELLED"), "{status} {text}");
}

#[test]
fn an_insert_is_acknowledged_when_it_is_in_a_part() {
    let db = Db::new("no_async");
    db.ok("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a");
    let response = db.post(
        &[
            ("query", "INSERT INTO t SETTINGS async_insert=1, wait_for_async_insert=0 FORMAT CSV"),
            ("async_insert", "1"),
        ],
        "1\n",
    );
    assert!(response.status().is_success());
    assert_eq!(
        db.ok("SELECT sum(rows) FROM system.parts WHERE database = currentDatabase() AND active"),
        "1"
    );
}

fn rows(count: u32) -> Vec<u8> {
    (0..count).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn a_block_of_up_to_a_million_rows_is_one_part() {
    let db = Db::new("one_part");
    db.ok("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a");
    db.insert("INSERT INTO t FORMAT RowBinary", rows(1_000_000)).expect("a sound insert");
    assert_eq!(
        db.ok("SELECT count(), sum(rows) FROM system.parts WHERE database = currentDatabase() AND active"),
        "1\t1000000"
    );
}

#[test]
fn a_bad_row_within_a_million_keeps_all_of_them_out() {
    let db = Db::new("all_or_nothing");
    db.ok("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a");
    let mut data = rows(900_000);
    data.pop();
    let error = db.insert("INSERT INTO t FORMAT RowBinary", data).expect_err("the last row is cut");
    assert!(error.starts_with("Code: 33."), "{error}");
    assert_eq!(db.ok("SELECT count() FROM t"), "0");
}

/// Not a promise but a fact to know: above about a million rows an insert is several parts, and an error in a
/// later one leaves the earlier ones behind.
#[test]
fn an_insert_above_a_million_rows_is_not_atomic() {
    let db = Db::new("not_atomic");
    db.ok("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a SETTINGS old_parts_lifetime = 600");
    let mut data = rows(4_000_000);
    data.pop();
    db.insert("INSERT INTO t FORMAT RowBinary", data).expect_err("the last row is cut");
    let left: u64 = db.ok("SELECT count() FROM t").parse().expect("a number");
    assert!(
        left > 0 && left < 4_000_000,
        "{left} rows: if this is 0, inserts have become atomic and the limit can go"
    );
}
