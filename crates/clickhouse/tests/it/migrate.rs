use crate::proxy::{Cut, Proxy};
use crate::rig::{fresh, nothing, run, url, value};
use std::time::Duration;
use tally_clickhouse::{Database, migrate};

/// Every column of every table and view, as one text.
async fn shape(database: &Database) -> String {
    let columns = "SELECT arrayStringConcat(groupArray(concat(table, '.', name, ' ', type)), '\n') FROM
        (SELECT * FROM system.columns WHERE database = '${d}' AND table NOT LIKE '.%' ORDER BY table, position)";
    value(database, columns).await
}

#[test]
fn a_second_migration_finds_everything_done() {
    run(async {
        let database = nothing();
        let first = migrate(&database).await.unwrap();
        let second = migrate(&database).await.unwrap();
        assert_eq!((first.found, second.ran), (0, 0));
        assert_eq!(first.ran, second.found);
    });
}

#[test]
fn a_view_that_is_gone_is_made_again() {
    run(async {
        let database = nothing();
        migrate(&database).await.unwrap();
        let whole = shape(&database).await;
        for gone in ["model_daily", "live_totals"] {
            database.execute("dropping a view", &format!("DROP TABLE ${{t}}{gone} SYNC")).await.unwrap();
        }
        assert_eq!(migrate(&database).await.unwrap().ran, 2);
        assert_eq!(shape(&database).await, whole);
        assert_eq!(migrate(&database).await.unwrap().ran, 0);
    });
}

/// What a migration leaves: shape, statements that count as applied, and rows that must outlive it.
async fn left(database: &Database) -> (String, Vec<(String, u16, String)>, Vec<u64>) {
    let applied = "SELECT name, number, argMax(m.statement, m.version) AS statement FROM ${t}migrations AS m
        GROUP BY name, number ORDER BY name, number";
    let mut applied: Vec<(String, u16, String)> = database.query(applied).fetch_all().await.unwrap();
    // Views are kept with the names of their tables.
    for (_, _, statement) in &mut applied {
        *statement = statement.replace(database.layout().database(), "test");
    }
    let rows = "SELECT offset FROM ${t}rejects FINAL ORDER BY offset";
    (shape(database).await, applied, database.query(rows).fetch_all().await.unwrap())
}

/// How many statements count as applied; none before there is a table of them.
async fn applied(database: &Database) -> Option<u64> {
    let text = "SELECT uniqExact(name, number, m.statement) FROM ${t}migrations AS m";
    database.query(text).fetch_one().await.ok()
}

/// Cuts migrations one after another, before a request arrives, and after it is done and before its answer is heard:
/// for the server that is a client killed after every statement, and each next one goes on with what the others left.
/// How many were killed, until one found nothing left to do.
async fn killed_again_and_again(before: impl AsyncFn() -> Database) -> usize {
    let (whole, database) = (before().await, before().await);
    migrate(&whole).await.unwrap();
    let proxy = Proxy::default();
    let through = Database::new(&proxy.start(&url()), None, database.layout().clone());
    let (mut killed, mut request, mut reached) = (0, 0, applied(&database).await);
    'run: loop {
        for cut in [Cut::Before(request), Cut::After(request)] {
            proxy.arm(cut);
            let ended = migrate(&through).await;
            if !proxy.is_cut() {
                ended.unwrap();
                break 'run;
            }
            killed += 1;
        }
        // The first request that is let through is the one of the next statement again.
        let now = applied(&database).await;
        request = if now == reached { request + 1 } else { 0 };
        reached = now;
    }
    assert_eq!(left(&database).await, left(&whole).await);
    assert_eq!(migrate(&database).await.unwrap().ran, 0);
    killed
}

#[test]
fn a_migration_killed_at_any_statement_is_finished_by_the_next() {
    run(async {
        let statements = migrate(&nothing()).await.unwrap().ran;
        let killed = killed_again_and_again(async || nothing()).await;
        assert!(killed > 4 * statements, "{killed} were killed for {statements} statements");
    });
}

/// The tables as the build before the newest migration left them, with records in them, and views with other texts.
async fn previous() -> Database {
    let database = fresh().await;
    for statement in [
        "INSERT INTO ${t}events (partition, offset, reason) SELECT 0, number, if(number % 2 = 1, 'future', '') FROM numbers(6)",
        "INSERT INTO ${t}rejects (topic, offset, reason) SELECT 'usage', number, 'future' FROM numbers(6) WHERE number % 2 = 1",
        "INSERT INTO ${t}migrations SELECT name, number, 'older', version + 1 FROM ${t}migrations
            WHERE name IN ('view/leaderboard', 'view/model_daily')",
        "ALTER TABLE ${t}migrations DELETE WHERE name = '0005_life' SETTINGS mutations_sync = 2",
        "DROP TABLE ${t}life SYNC",
    ] {
        database.execute("going back", statement).await.unwrap();
    }
    database
}

#[test]
fn a_migration_from_the_previous_version_killed_at_any_statement_is_finished_by_the_next() {
    run(async {
        let killed = killed_again_and_again(previous).await;
        assert!(killed > 14, "{killed} were killed");
    });
}

/// The list of rejects is made anew from the archive, which may be cut too.
#[test]
fn the_list_of_rejects_survives_a_kill_while_it_is_made_anew() {
    run(async {
        let killed = killed_again_and_again(async || {
            let database = previous().await;
            let forget =
                "ALTER TABLE ${t}migrations DELETE WHERE name = '0004_rejects' SETTINGS mutations_sync = 2";
            database.execute("going back", forget).await.unwrap();
            database
        });
        assert!(killed.await > 30);
    });
}

/// Processes that start at once on one server.
#[test]
fn several_processes_may_migrate_at_once() {
    let expected = run(async { left(&fresh().await).await });
    let older = |database: &Database| {
        run(async {
            let views =
                "INSERT INTO ${t}migrations SELECT name, number, 'older', version + 1 FROM ${t}migrations
            WHERE name LIKE 'view/%'";
            database.execute("going back", views).await.unwrap();
        });
    };
    for round in 0..3 {
        let database = nothing();
        // First nothing is there, then all views are made anew.
        for again in [false, true] {
            if again {
                older(&database);
            }
            let at_once = std::thread::scope(|scope| {
                let migrating =
                    [(); 4].map(|()| scope.spawn(|| run(migrate(&database.clone().with_own_connections()))));
                migrating.map(|thread| thread.join().unwrap())
            });
            for migrated in at_once {
                migrated.unwrap_or_else(|error| panic!("round {round}, again {again}: {error}"));
            }
            assert_eq!(run(left(&database)), expected);
        }
    }
}

#[test]
fn statements_that_ran_without_being_recorded_run_again() {
    run(async {
        let database = nothing();
        let first = migrate(&database).await.unwrap();
        let before = shape(&database).await;
        database.execute("forgetting", "TRUNCATE TABLE ${t}migrations SYNC").await.unwrap();
        assert_eq!(migrate(&database).await.unwrap(), first);
        assert_eq!(shape(&database).await, before);
    });
}

#[test]
fn a_migration_that_was_edited_after_it_ran_is_refused() {
    run(async {
        let database = nothing();
        migrate(&database).await.unwrap();
        let edit = "INSERT INTO ${t}migrations SELECT name, number, concat(statement, ' '), version + 1
            FROM ${t}migrations WHERE name = '0002_archive' AND number = 2";
        database.execute("editing", edit).await.unwrap();
        let error = migrate(&database).await.unwrap_err().to_string();
        assert!(error.starts_with("comparing statement 2 of 0002_archive with what was applied"), "{error}");
    });
}

#[test]
fn a_view_whose_text_changed_is_made_anew() {
    run(async {
        let database = nothing();
        migrate(&database).await.unwrap();
        for view in ["leaderboard", "model_daily"] {
            let edit = format!(
                "INSERT INTO ${{t}}migrations SELECT name, number, 'older', version + 1
                 FROM ${{t}}migrations WHERE name = 'view/{view}'"
            );
            database.execute("editing", &edit).await.unwrap();
        }
        assert_eq!(migrate(&database).await.unwrap().ran, 2);
        assert_eq!(migrate(&database).await.unwrap().ran, 0);
    });
}

#[test]
fn every_column_says_what_it_holds() {
    run(async {
        let database = nothing();
        migrate(&database).await.unwrap();
        let silent: String = value(
            &database,
            "SELECT arrayStringConcat(groupArray(concat(c.table, '.', c.name)), ', ') FROM system.columns AS c
             WHERE c.database = '${d}' AND c.comment = '' AND c.table IN (
                 SELECT name FROM system.tables WHERE database = '${d}' AND engine LIKE '%ReplacingMergeTree')",
        )
        .await;
        assert_eq!(silent, "");
    });
}

/// A kill of the client must not leave a half-made table on the server either.
#[test]
fn a_cut_leaves_the_server_answering() {
    run(async {
        let database = nothing();
        let _cut = tokio::time::timeout(Duration::from_millis(20), migrate(&database)).await;
        assert_eq!(value::<u8>(&database, "SELECT toUInt8(1)").await, 1);
    });
}
