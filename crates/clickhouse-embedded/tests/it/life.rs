//! How an engine begins and ends, and what it says when it cannot.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use clickhouse_embedded::{Engine, EngineError, EngineOptions};

use crate::rig::{Db, EXE, NO_ARGS, PATIENCE, library, options, spawn, until};

fn refused(options: &EngineOptions) -> String {
    let spawned = Engine::spawn(Path::new(EXE), NO_ARGS, options);
    spawned.map(|engine| engine.url().to_owned()).expect_err("this cannot start").to_string()
}

#[test]
fn an_engine_ends_well_with_sessions_open_and_statements_running() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = spawn(&options(dir.path()));
    let db = Db::at(engine.url(), "default");
    db.post(&[("session_id", "open")], "CREATE TEMPORARY TABLE x (a UInt8)");
    db.ok("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a");
    let busy = db.clone();
    let running = std::thread::spawn(move || busy.ok("SELECT sleep(1)"));
    until("it runs", || {
        db.ok("SELECT count() FROM system.processes WHERE query LIKE 'SELECT sleep%'") == "1"
    });
    let status = engine.stop().expect("it ended");
    assert_eq!(running.join().expect("the running statement was answered"), "0");
    assert!(status.success(), "{status}");
}

#[test]
fn a_table_outlives_its_engine() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let first = spawn(&options(dir.path()));
    let db = Db::at(first.url(), "default");
    db.ok("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a");
    db.ok("INSERT INTO t VALUES (7)");
    first.stop();
    let second = spawn(&options(dir.path()));
    assert_eq!(Db::at(second.url(), "default").ok("SELECT a FROM t"), "7");
}

#[test]
fn the_child_of_a_killed_parent_ends_by_itself() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    // Stands for the parent: it holds the engine's standard input and is killed without a chance to close it.
    let mut parent = Command::new("sleep").arg("600").stdout(Stdio::piped()).spawn().expect("sleep runs");
    let pipe = parent.stdout.take().expect("a pipe");
    let mut options = options(dir.path());
    options.stop_with_stdin = true;
    let mut child = Command::new(EXE)
        .args(options.to_args())
        .stdin(pipe)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut ready = String::new();
    out.read_line(&mut ready).expect("a line");
    assert!(ready.starts_with("{\"url\":\"http://127.0.0.1:"), "{ready}");
    parent.kill().expect("SIGKILL");
    parent.wait().expect("it is gone");
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(child.wait()));
    let status = receiver.recv_timeout(PATIENCE).expect("the child ends by itself").expect("a status");
    assert!(status.success(), "{status}");
}

#[test]
fn a_second_engine_names_the_holder_of_the_directory() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = spawn(&options(dir.path()));
    let mut second = options(dir.path());
    second.lock_wait_secs = 0;
    let error = refused(&second);
    let holder = format!("process {}", engine.pid());
    assert!(error.contains(&holder) && error.contains(&dir.path().display().to_string()), "{error}");
}

#[test]
fn a_start_waits_for_a_predecessor_that_ends() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let first = spawn(&options(dir.path()));
    let path = dir.path().to_owned();
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(spawn(&options(&path))));
    assert!(receiver.try_recv().is_err());
    first.stop();
    let second = receiver.recv_timeout(PATIENCE).expect("the second starts");
    assert_eq!(Db::at(second.url(), "default").ok("SELECT 1"), "1");
}

/// The kernel closes the files of a killed process one after another.
#[test]
fn a_start_waits_for_what_a_killed_predecessor_still_holds() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let status = File::create(dir.path().join("status")).expect("the engine's own lock");
    status.lock().expect("nobody else holds it");
    let path = dir.path().to_owned();
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(spawn(&options(&path))));
    assert!(receiver.recv_timeout(Duration::from_secs(1)).is_err());
    drop(status);
    let second = receiver.recv_timeout(PATIENCE).expect("it starts");
    assert_eq!(Db::at(second.url(), "default").ok("SELECT 1"), "1");
}

/// What a full disk leaves of a table that a view's refresh was making.
#[test]
fn an_empty_definition_of_a_refresh_does_not_keep_an_engine_from_starting() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let first = spawn(&options(dir.path()));
    let db = Db::at(first.url(), "default");
    db.ok("CREATE DATABASE a");
    db.ok("CREATE TABLE a.t (x UInt8) ENGINE = MergeTree ORDER BY x");
    for view in ["lost", "kept"] {
        db.ok(&format!(
            "CREATE MATERIALIZED VIEW a.{view} REFRESH EVERY 1 DAY ENGINE = MergeTree ORDER BY n
             AS SELECT count() AS n FROM a.t"
        ));
        db.ok(&format!("SYSTEM WAIT VIEW a.{view}"));
    }
    let metadata = db.ok("SELECT metadata_path FROM system.databases WHERE name = 'a'");
    let lost = db.ok("SELECT uuid FROM system.tables WHERE database = 'a' AND name = 'lost'");
    first.stop();
    let metadata = dir.path().join(metadata.trim());
    let lost = lost.trim().replace('-', "%2D");
    let stood = metadata.join(format!("%2Einner_id%2E{lost}.sql"));
    assert!(stood.exists(), "that the engine calls it so");
    for empty in
        [&stood, &metadata.join("%2Etmp%2Einner_id%2E4d4618c1%2D9402%2D44cd%2D809f%2Dd2c59c3ac5f8.sql")]
    {
        File::create(empty).expect("an empty file");
    }
    let second = spawn(&options(dir.path()));
    let db = Db::at(second.url(), "default");
    assert_eq!(
        db.ok("SELECT name FROM system.tables WHERE database = 'a' AND name NOT LIKE '.%'"),
        "kept\nt"
    );
    assert_eq!(db.ok("SELECT n FROM a.kept"), "0");
    assert!(!stood.exists());
    assert!(metadata.join("lost.sql.bak").exists());

    // Made again while the disk is still full.
    second.stop();
    let again = metadata.join("lost.sql");
    File::create(&again).expect("an empty file");
    let third = spawn(&options(dir.path()));
    assert_eq!(Db::at(third.url(), "default").ok("SELECT n FROM a.kept"), "0");
    assert!(!again.exists());
}

#[test]
fn a_start_that_cannot_be_says_why() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut port = options(&dir.path().join("a"));
    port.listen = taken.local_addr().expect("bound");
    assert!(refused(&port).contains(&format!("cannot listen on {}", port.listen)));

    let wrong = dir.path().join("wrong.so");
    std::fs::write(&wrong, "not a library").expect("written");
    let error = refused(&EngineOptions { library: wrong, ..options(&dir.path().join("b")) });
    assert!(error.contains("is not the pinned one: sha256"), "{error}");

    let missing =
        refused(&EngineOptions { library: "/no/such/libchdb.so".into(), ..options(&dir.path().join("c")) });
    assert!(missing.contains("cannot read the engine library /no/such/libchdb.so"), "{missing}");

    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("written");
    assert!(refused(&options(&file.join("d"))).contains("cannot use the data directory"));

    let mut setting = options(&dir.path().join("e"));
    setting.settings = vec!["max_threads=many".to_owned()];
    assert!(refused(&setting).contains("did not start"));
    assert!(library().is_file());
}

#[test]
fn a_program_that_is_no_engine_is_told_apart() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let error = Engine::spawn(Path::new("/bin/false"), NO_ARGS, &options(dir.path())).expect_err("no engine");
    assert!(matches!(error, EngineError::Ended { .. }), "{error}");
}

#[test]
fn only_the_one_user_is_served() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut guarded = options(dir.path());
    guarded.user = Some("reader".to_owned());
    guarded.password = Some("se cret".to_owned());
    let engine = spawn(&guarded);
    let db = Db::at(engine.url(), "default");
    assert_eq!(db.post(&[], "SELECT 1").status().as_u16(), 403);
    let by_header =
        db.request(&[]).header("X-ClickHouse-User", "reader").header("X-ClickHouse-Key", "se cret");
    assert_eq!(by_header.body("SELECT 1").send().expect("an answer").status().as_u16(), 200);
    let basic =
        db.request(&[]).basic_auth("reader", Some("se cret")).body("SELECT 1").send().expect("an answer");
    assert_eq!(basic.status().as_u16(), 200);
    let wrong =
        db.request(&[]).basic_auth("reader", Some("secret")).body("SELECT 1").send().expect("an answer");
    assert_eq!(wrong.status().as_u16(), 403);
    let line = std::fs::read(format!("/proc/{}/cmdline", engine.pid())).expect("its command line");
    assert!(!String::from_utf8_lossy(&line).contains("se cret"), "the password is on the command line");
}

/// An engine whose files cannot grow beyond a mebibyte or two, as the shell counts: the disk refuses the rest.
fn narrow(data_dir: &Path) -> Engine {
    let limited = r#"trap '' XFSZ; ulimit -f 2000; exec "$0" "$@""#;
    Engine::spawn(Path::new("sh"), ["-c", limited, EXE], &options(data_dir)).expect("it starts")
}

/// The disk refuses a part of what this statement writes.
fn is_refused(mut engine: Engine, statement: &str) {
    let db = Db::at(engine.url(), "default");
    let answer = db.request(&[]).body(statement.to_owned()).send();
    assert!(!answer.is_ok_and(|answer| answer.status().is_success()), "{statement} is acknowledged");
    let mut ended = None;
    until("it ends", || {
        ended = engine.ended();
        ended.is_some()
    });
    assert_eq!(ended.and_then(|status| status.code()), Some(74));
}

#[test]
fn what_the_disk_refused_is_not_acknowledged_and_the_rest_is_whole() {
    const ROWS: u32 = 3_000;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = narrow(dir.path());
    let db = Db::at(engine.url(), "default");
    db.ok("CREATE TABLE t (k UInt64, s String) ENGINE = MergeTree ORDER BY k");
    // Each fits, and all of them together do not.
    for part in 0..3 {
        let from = part * ROWS;
        db.ok(&format!("INSERT INTO t SELECT {from} + number, randomString(300) FROM numbers({ROWS})"));
    }
    let sums = "SELECT count(), sum(k), sum(length(s)) FROM t";
    let acknowledged = db.ok(sums);
    is_refused(engine, "INSERT INTO t SELECT number, randomString(300) FROM numbers(20000)");
    let engine = narrow(dir.path());
    assert_eq!(Db::at(engine.url(), "default").ok(sums), acknowledged);
    // Nor when it begins as a reading one does.
    is_refused(
        engine,
        "WITH 20000 AS k INSERT INTO t SELECT number + k, randomString(300) FROM numbers(20000)",
    );
    let engine = narrow(dir.path());
    assert_eq!(Db::at(engine.url(), "default").ok(sums), acknowledged);
    // What is merged stays until what it became is whole.
    is_refused(engine, "OPTIMIZE TABLE t FINAL");
    let engine = spawn(&options(dir.path()));
    assert_eq!(Db::at(engine.url(), "default").ok(sums), acknowledged);
}
