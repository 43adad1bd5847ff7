use super::*;

fn read(text: &str) -> Statement {
    Statement::read(text.as_bytes())
}

/// `statement | format | data`, the three parts of an insert.
fn insert(text: &str) -> String {
    match read(text) {
        Statement::Insert { text: range, format, data } => {
            format!("{} | {} | {}", &text[range].trim_end(), format.unwrap_or_default(), &text[data..])
        }
        other => format!("{other:?}"),
    }
}

fn format_of(text: &str) -> Option<String> {
    match read(text) {
        Statement::Select { format, .. } | Statement::Other { format, .. } => format,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_insert_is_cut_from_its_data() {
    assert_eq!(insert("INSERT INTO t FORMAT CSV\n1,2\n\n3,4"), "INSERT INTO t | CSV | 1,2\n\n3,4");
    assert_eq!(
        insert("insert into t (a, b) values (1, 'FORMAT')"),
        "insert into t (a, b) | Values |  (1, 'FORMAT')"
    );
    assert_eq!(insert("INSERT INTO t FORMAT Values (1)"), "INSERT INTO t | Values |  (1)");
    assert_eq!(
        insert("INSERT INTO t SETTINGS async_insert=1 FORMAT RowBinary  \r\n\n\0"),
        "INSERT INTO t SETTINGS async_insert=1 | RowBinary | \n\0"
    );
    assert_eq!(insert("-- FORMAT x\nINSERT INTO t(a) FORMAT TSV"), "INSERT INTO t(a) | TSV | ");
    assert_eq!(insert("INSERT INTO t (a)"), "INSERT INTO t (a) |  | ");
}

#[test]
fn a_table_may_be_named_like_a_keyword() {
    assert_eq!(insert("INSERT INTO values FORMAT CSV\n1"), "INSERT INTO values | CSV | 1");
    assert_eq!(insert("INSERT INTO `format` VALUES (1)"), "INSERT INTO `format` | Values |  (1)");
    assert_eq!(
        insert("INSERT INTO TABLE FUNCTION null('a Int') VALUES (1)"),
        "INSERT INTO TABLE FUNCTION null('a Int') | Values |  (1)"
    );
    assert_eq!(insert("INSERT INTO d.t VALUES (1)"), "INSERT INTO d.t | Values |  (1)");
}

#[test]
fn an_insert_from_a_query_has_no_data() {
    assert_eq!(read("INSERT INTO t SELECT 1"), Statement::Other { format: None, verb: "INSERT".to_owned() });
    assert_eq!(
        read("INSERT INTO t (a) WITH 1 AS x SELECT x"),
        Statement::Other { format: None, verb: "INSERT".to_owned() }
    );
}

#[test]
fn the_output_format_is_the_outer_one() {
    assert_eq!(format_of("SELECT 1 FORMAT JSON").as_deref(), Some("JSON"));
    assert_eq!(format_of("SELECT 'a FORMAT b' -- FORMAT c\n"), None);
    assert_eq!(format_of("SELECT format FROM t"), None);
    assert_eq!(
        format_of("SELECT * FROM (SELECT 1 FORMAT x) FORMAT TSV SETTINGS a=1;").as_deref(),
        Some("TSV")
    );
    assert_eq!(format_of("SHOW TABLES /* x */ FORMAT `CSV`").as_deref(), Some("CSV"));
    assert_eq!(format_of("SELECT $x$ FORMAT CSV $x$ FORMAT TSV").as_deref(), Some("TSV"));
    assert_eq!(format_of(r"SELECT 'it''s \' FORMAT CSV' FORMAT TSV").as_deref(), Some("TSV"));
}

#[test]
fn totals_are_seen() {
    assert_eq!(
        read("SELECT a FROM t GROUP BY a WITH TOTALS"),
        Statement::Select { format: None, totals: true }
    );
    assert_eq!(read("SELECT 1 SETTINGS extremes=1"), Statement::Select { format: None, totals: true });
    assert_eq!(read("WITH 1 AS totals SELECT totals"), Statement::Select { format: None, totals: false });
}

#[test]
fn a_kill_that_waits_is_found() {
    let text = "KILL QUERY WHERE query_id = 'a' SYNC";
    let Statement::Kill { sync: Some(sync), query_id: Some(id) } = read(text) else {
        panic!("{:?}", read(text))
    };
    assert_eq!((&text[sync], &text[id]), ("SYNC", "query_id"));
    assert_eq!(read("KILL MUTATION WHERE 1"), Statement::Kill { sync: None, query_id: None });
}

#[test]
fn files_of_the_client_are_refused() {
    assert_eq!(read("SELECT 1 INTO OUTFILE '/x'"), Statement::ClientFile);
    assert_eq!(read("INSERT INTO t FROM INFILE '/x' FORMAT CSV"), Statement::ClientFile);
    assert_eq!(read(" -- nothing\n;"), Statement::Empty);
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_lexer(text in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
        drop(Statement::read(&text));
    }
}
