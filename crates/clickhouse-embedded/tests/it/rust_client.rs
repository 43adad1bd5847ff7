//! The official Rust client, with validation on and LZ4.

use clickhouse::{Client, Compression, Row};
use serde::{Deserialize, Serialize};

use crate::rig::Db;

#[derive(Clone, Debug, PartialEq, Row, Serialize, Deserialize)]
struct Usage {
    account: u128,
    hour: u32,
    model: String,
    tokens: i64,
    note: Option<String>,
    parts: Vec<u16>,
}

fn usage(n: u32) -> Usage {
    Usage {
        account: u128::from(n) << 64 | 7,
        hour: n % 720,
        model: format!("model-{}", n % 9),
        tokens: i64::from(n) - 5,
        note: n.is_multiple_of(3).then(|| format!("blank\n\nline {n}")),
        parts: vec![1, 2],
    }
}

const TABLE: &str = "CREATE TABLE t (account UInt128, hour UInt32, model LowCardinality(String), tokens Int64, \
                     note Nullable(String), parts Array(UInt16)) ENGINE = MergeTree ORDER BY (account, hour)";

async fn insert(client: &Client, count: u32) {
    let mut insert = client.insert::<Usage>("t").await.expect("the table's columns");
    for n in 0..count {
        insert.write(&usage(n)).await.expect("a row");
    }
    insert.end().await.expect("acknowledged");
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(future)
}

#[test]
fn typed_rows_go_in_and_come_out_the_same() {
    let db = Db::new("typed");
    db.ok(TABLE);
    block_on(async {
        for compression in [Compression::None, Compression::Lz4] {
            let client = db.client().with_compression(compression);
            client.query("TRUNCATE TABLE t").execute().await.expect("truncated");
            insert(&client, 200_000).await;
            let sums: (u64, i64) =
                client.query("SELECT count(), sum(tokens) FROM t").fetch_one().await.expect("sums");
            assert_eq!(sums, (200_000, (0..200_000_i64).map(|n| n - 5).sum()));
            let mut cursor =
                client.query("SELECT ?fields FROM t ORDER BY account").fetch::<Usage>().expect("a cursor");
            let mut n = 0;
            while let Some(row) = cursor.next().await.expect("a row") {
                assert_eq!(row, usage(n));
                n += 1;
            }
            assert_eq!(n, 200_000);
        }
    });
}

#[test]
fn a_wrong_type_is_refused_by_the_clients_validation() {
    #[derive(Debug, Row, Deserialize)]
    struct Wrong {
        #[expect(dead_code, reason = "only its type matters")]
        number: String,
    }
    let db = Db::new("validation");
    block_on(async {
        let sql = "SELECT number FROM system.numbers LIMIT 1";
        let error = db.client().query(sql).fetch_one::<Wrong>().await.expect_err("a UInt64 is no String");
        assert!(error.to_string().contains("UInt64"), "{error}");
    });
}

#[test]
fn parameters_settings_and_sessions_work() {
    let db = Db::new("options");
    block_on(async {
        let client = db.client();
        let bound: (String, u64) = client
            .query("SELECT {s:String}, {n:UInt32} + toUInt32(?)")
            .param("s", "a\tb\n\n'c'")
            .param("n", 40)
            .bind(2)
            .fetch_one()
            .await
            .expect("parameters");
        assert_eq!(bound, ("a\tb\n\n'c'".to_owned(), 42));
        let threads = client
            .clone()
            .with_setting("max_threads", "3")
            .query("SELECT toString(getSetting('max_threads'))");
        assert_eq!(threads.fetch_one::<String>().await.expect("a setting"), "3");
        let session = client.clone().with_setting("session_id", "rust-session");
        session.query("CREATE TEMPORARY TABLE mine (a UInt32)").execute().await.expect("created");
        session.query("INSERT INTO mine SELECT 9").execute().await.expect("inserted");
        assert_eq!(session.query("SELECT a FROM mine").fetch_one::<u32>().await.expect("its own table"), 9);
        let error = client.query("SELECT a FROM mine").fetch_one::<u32>().await.expect_err("not its table");
        assert!(error.to_string().contains("Code: 60."), "{error}");
    });
}

#[test]
fn an_error_within_the_rows_reaches_the_cursor() {
    let db = Db::new("cursor_error");
    block_on(async {
        for compression in [Compression::None, Compression::Lz4] {
            let client = db.client().with_compression(compression);
            let sql = "SELECT number, throwIf(number = 300000) FROM numbers(600000) SETTINGS max_block_size = 10000";
            let mut cursor = client.query(sql).fetch::<(u64, u8)>().expect("a cursor");
            let mut seen = 0_u64;
            let error = loop {
                match cursor.next().await {
                    Ok(Some(_)) => seen += 1,
                    Ok(None) => panic!("the end, after {seen} rows and no error"),
                    Err(error) => break error.to_string(),
                }
            };
            assert!(error.contains("Code: 395."), "{error}");
            assert!((1..=300_000).contains(&seen), "{seen} rows");
        }
    });
}
