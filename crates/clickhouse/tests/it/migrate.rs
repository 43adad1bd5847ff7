use crate::rig::{nothing, run, value};
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
fn a_migration_cut_anywhere_is_finished_by_the_next() {
    run(async {
        let whole = nothing();
        let started = std::time::Instant::now();
        migrate(&whole).await.unwrap();
        let (took, expected) = (started.elapsed(), shape(&whole).await);
        let mut cut = 0;
        for twentieth in 0..20 {
            let database = nothing();
            let moment = took.mul_f64(f64::from(twentieth) / 20.0);
            cut += u32::from(tokio::time::timeout(moment, migrate(&database)).await.is_err());
            migrate(&database).await.unwrap();
            assert_eq!(shape(&database).await, expected);
        }
        assert!(cut > 0, "no migration was cut; the test tested nothing");
    });
}

#[test]
fn several_processes_may_migrate_at_once() {
    let expected = run(async {
        let whole = nothing();
        migrate(&whole).await.unwrap();
        shape(&whole).await
    });
    for _round in 0..3 {
        let database = nothing();
        let migrating: Vec<_> = (0..4)
            .map(|_| {
                let database = database.clone().with_own_connections();
                std::thread::spawn(move || run(async { migrate(&database).await.map(|_| ()) }))
            })
            .collect();
        for outcome in migrating {
            outcome.join().unwrap().unwrap();
        }
        assert_eq!(run(shape(&database.with_own_connections())), expected);
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
