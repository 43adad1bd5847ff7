//! ClickHouse's HTTP interface, as curl sees it.

use std::io::Write;

use crate::rig::{Db, header};

#[test]
fn health_checks_need_no_statement() {
    let db = Db::new("health");
    for path in ["/ping", "/", "/replicas_status"] {
        let response = reqwest::blocking::get(format!("{}{path}", db.url)).expect("an answer");
        assert_eq!(
            (response.status().as_u16(), response.text().expect("text").as_str()),
            (200, "Ok.\n"),
            "{path}"
        );
    }
    let response = reqwest::blocking::get(format!("{}/nothing", db.url)).expect("an answer");
    assert_eq!(response.status().as_u16(), 404);
}

#[test]
fn an_answer_says_what_it_is() {
    let db = Db::new("headers");
    let response = db.post(&[("query_id", "q-1"), ("default_format", "JSONEachRow")], "SELECT 1 AS a");
    let seen =
        ["Query-Id", "Format", "Timezone"].map(|name| header(&response, &format!("X-ClickHouse-{name}")));
    assert_eq!(seen, ["q-1", "JSONEachRow", &db.ok("SELECT timezone()")].map(str::to_owned));
    assert!(!header(&response, "X-ClickHouse-Server-Display-Name").is_empty());
    assert!(header(&response, "X-ClickHouse-Summary").contains("\"result_rows\":\"1\""));
    assert_eq!(response.text().expect("text"), "{\"a\":1}\n");
}

#[test]
fn errors_have_a_code_and_a_status() {
    let db = Db::new("errors");
    let seen = |params: &[(&str, &str)], sql: &'static str| {
        let response = db.post(params, sql);
        (response.status().as_u16(), header(&response, "X-ClickHouse-Exception-Code"))
    };
    assert_eq!(seen(&[], "SELECT * FROM nothing"), (404, "60".to_owned()));
    assert_eq!(seen(&[], "SELEC 1"), (400, "62".to_owned()));
    assert_eq!(seen(&[], ""), (400, "62".to_owned()));
    assert_eq!(seen(&[("no_such_setting", "1")], "SELECT 1"), (404, "115".to_owned()));
    assert_eq!(seen(&[("database", "no_such")], "SELECT 1"), (404, "81".to_owned()));
    assert_eq!(seen(&[], "SELECT 1 INTO OUTFILE '/tmp/never'"), (501, "48".to_owned()));
    assert_eq!(seen(&[], "SELECT throwIf(1)"), (500, "395".to_owned()));
    let text = db.post(&[], "SELECT * FROM nothing").text().expect("text");
    assert!(text.starts_with("Code: 60. DB::Exception: ") && text.ends_with("(official build))\n"), "{text}");
}

#[test]
fn get_reads_only() {
    let db = Db::new("get");
    assert_eq!(db.get(&[("query", "SELECT 1")]).text().expect("text"), "1\n");
    let refused = db.get(&[("query", "CREATE TABLE t (a UInt8) ENGINE = Memory")]);
    assert_eq!(header(&refused, "X-ClickHouse-Exception-Code"), "164");
}

#[test]
fn parameters_come_by_url_and_by_form() {
    let db = Db::new("parameters");
    let sql = "SELECT {n:UInt32} + 1, {s:String}";
    assert_eq!(db.post(&[("param_n", "41"), ("param_s", "a'b")], sql).text().expect("text"), "42\ta\\'b\n");
    let boundary = "xYzZY";
    let field = |name: &str, value: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let form = format!(
        "{}{}{}--{boundary}--\r\n",
        field("query", sql),
        field("param_n", "1"),
        field("param_s", "é")
    );
    let kind = format!("multipart/form-data; boundary={boundary}");
    let response = db.request(&[]).header("Content-Type", kind).body(form).send().expect("an answer");
    assert_eq!(response.text().expect("text"), "2\té\n");
}

#[test]
fn a_setting_holds_for_its_statement() {
    let db = Db::new("settings");
    let sql = "SELECT getSetting('max_threads'), getSetting('async_insert'), getSetting('implicit_select')";
    assert_eq!(db.post(&[("max_threads", "7")], sql).text().expect("text"), "7\tfalse\tfalse\n");
    assert!(!db.ok("SELECT getSetting('max_threads')").starts_with('7'));
    let session = [("session_id", "settings-1"), ("max_threads", "7")];
    assert_eq!(db.post(&session, "SELECT getSetting('max_threads')").text().expect("text"), "7\n");
    let after = db.post(&session[..1], "SELECT changed FROM system.settings WHERE name = 'max_threads'");
    assert_eq!(after.text().expect("text"), "0\n", "a parameter of the URL outlived its statement");
    db.post(&session[..1], "SET max_threads = 5");
    db.post(&session, "SELECT 1");
    assert_eq!(db.post(&session[..1], "SELECT getSetting('max_threads')").text().expect("text"), "5\n");
}

#[test]
fn a_session_keeps_its_temporary_tables_to_itself() {
    let db = Db::new("sessions");
    let session = [("session_id", "temporary-1")];
    db.post(&session, "CREATE TEMPORARY TABLE mine (a UInt8)");
    db.post(&session, "INSERT INTO mine VALUES (3)");
    assert_eq!(db.post(&session, "SELECT a FROM mine").text().expect("text"), "3\n");
    assert_eq!(db.post(&[], "SELECT a FROM mine").status().as_u16(), 404);
    db.post(&[("session_id", "temporary-1"), ("close_session", "1")], "SELECT 1");
    let gone = db.post(&[("session_id", "temporary-1"), ("session_check", "1")], "SELECT 1");
    assert_eq!(header(&gone, "X-ClickHouse-Exception-Code"), "372");
}

/// ClickHouse's blocks, written here a second time: without compression, so that only the frame is at test.
fn plain_blocks(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        let mut block = vec![0x02];
        let size = |bytes: usize| u32::try_from(bytes).expect("small").to_le_bytes();
        block.extend(size(part.len() + 9));
        block.extend(size(part.len()));
        block.extend_from_slice(part);
        out.extend(cityhash_rs::cityhash_102_128(&block).rotate_right(64).to_le_bytes());
        out.extend(block);
    }
    out
}

#[test]
fn a_body_of_several_blocks_loses_none() {
    let db = Db::new("blocks");
    db.ok("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a");
    let query = [("query", "INSERT INTO t FORMAT CSV"), ("decompress", "1")];
    let whole = plain_blocks(&[b"1\n2", b"3\n", b"4\n"]);
    assert!(db.post(&query, whole.clone()).status().is_success());
    assert_eq!(db.ok("SELECT groupArray(a) FROM (SELECT a FROM t ORDER BY a)"), "[1,4,23]");
    let cut = db.post(&query, whole[..whole.len() - 1].to_vec());
    assert!(!cut.status().is_success() && cut.text().expect("text").contains("compressed block 2 ends"));
    let mut flipped = whole;
    flipped[40] ^= 1;
    assert!(db.post(&query, flipped).text().expect("text").contains("checksum of compressed block"));
    assert_eq!(db.ok("SELECT count() FROM t"), "3");
}

#[test]
fn several_lz4_frames_lose_none() {
    let db = Db::new("lz4_frames");
    db.ok("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a");
    let frame = |data: &[u8]| {
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(data).expect("memory");
        encoder.finish().expect("memory")
    };
    let body = [frame(b"1\n2\n"), frame(b"3\n"), frame(b"4\n")].concat();
    let request =
        db.request(&[("query", "INSERT INTO t FORMAT CSV")]).header("Content-Encoding", "lz4").body(body);
    assert!(request.send().expect("an answer").status().is_success());
    assert_eq!(db.ok("SELECT count() FROM t"), "4");
}

#[test]
fn answers_are_compressed_as_asked() {
    let db = Db::new("compressed");
    let sql = "SELECT number FROM numbers(300000) FORMAT RowBinary";
    let plain = db.bytes(sql);
    let blocks = db.post(&[("compress", "1")], sql).bytes().expect("a body");
    assert!(blocks.len() < plain.len() && blocks[16] == 0x82);
    for encoding in ["gzip", "zstd", "lz4", "br", "deflate"] {
        let response = db
            .request(&[("enable_http_compression", "1")])
            .header("Accept-Encoding", encoding)
            .body(sql)
            .send();
        let response = response.expect("an answer");
        assert_eq!(header(&response, "Content-Encoding"), encoding);
        let body = response.bytes().expect("a body").to_vec();
        assert!(body.len() < plain.len(), "{encoding}");
        // Sent back as an insert, it is the same rows.
        let table = format!("t_{encoding}");
        db.ok(&format!("CREATE TABLE {table} (a UInt64) ENGINE = MergeTree ORDER BY a"));
        let insert = format!("INSERT INTO {table} FORMAT RowBinary");
        let sent = db.request(&[("query", &insert)]).header("Content-Encoding", encoding).body(body).send();
        assert!(sent.expect("an answer").status().is_success(), "{encoding}");
        assert_eq!(
            db.ok(&format!("SELECT count(), sum(a) FROM {table}")),
            "300000\t44999850000",
            "{encoding}"
        );
    }
}

#[test]
fn an_error_within_the_rows_is_marked_by_the_tag_of_the_head() {
    let db = Db::new("midstream");
    let sql = "SELECT throwIf(number = 3000000) FROM numbers(4000000) SETTINGS max_block_size = 10000 FORMAT RowBinary";
    let response = db.post(&[], sql);
    assert_eq!(response.status().as_u16(), 200);
    let tag = header(&response, "X-ClickHouse-Exception-Tag");
    let body = response.bytes().expect("a body");
    let text = String::from_utf8_lossy(&body);
    let (_, block) =
        text.split_once(&format!("\r\n__exception__\r\n{tag}\r\n")).expect("the block begins with the tag");
    assert!(block.starts_with("Code: 395."), "{block:?}");
    let end = format!(" {tag}\r\n__exception__\r\n");
    let (message, length) =
        block.strip_suffix(&end).and_then(|rest| rest.rsplit_once('\n')).expect("its end");
    assert_eq!(length.parse(), Ok(message.len() + 1), "{block:?}");
    let waited = db.post(&[("wait_end_of_query", "1")], sql);
    assert_eq!(
        (waited.status().as_u16(), header(&waited, "X-ClickHouse-Exception-Code").as_str()),
        (500, "395")
    );
}

#[test]
fn a_body_that_breaks_off_commits_nothing() {
    let db = Db::new("broken_body");
    db.ok("CREATE TABLE broken (a UInt32) ENGINE = MergeTree ORDER BY a");
    let address = db.url.trim_start_matches("http://").to_owned();
    let mut socket = std::net::TcpStream::connect(&address).expect("the engine listens");
    let path = "/?database=broken_body&query=INSERT+INTO+broken+FORMAT+CSV";
    write!(socket, "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 99000000\r\n\r\n")
        .expect("sent");
    // Enough that the engine has rows in hand when the body breaks off.
    socket.write_all("1234567\n".repeat(200_000).as_bytes()).expect("sent");
    let running =
        || db.ok("SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO broken%'") == "1";
    crate::rig::until("the insert has begun", running);
    drop(socket);
    crate::rig::until("the insert is gone", || !running());
    assert_eq!(db.ok("SELECT count() FROM broken"), "0");
}
