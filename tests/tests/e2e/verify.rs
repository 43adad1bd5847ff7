//! Verify is green over the truth and red over each lie, by name.

use tally_audit::What;
use tally_domain::Window;
use tally_tests::installation::Installation;
use tally_tests::ledger::Event;
use tally_tests::owner::{Owner, post, settle, sql, verify};

/// 2026-02-13T00:00:00Z.
const CLOCK_MS: i64 = 1_770_940_800_000;
const MINUTE_MS: i64 = 60_000;

fn event(who: u64, id: &str, minutes_ago: i64) -> Event {
    let at_ms = CLOCK_MS - minutes_ago * MINUTE_MS;
    Event { who, id: id.to_owned(), revision: 0, at_ms, tokens: [3, 100, 0, 20, 7, 0] }
}

/// Which totals of whose rows differ.
fn red(owner: &Owner) -> Vec<(String, What)> {
    let found = verify(owner).expect("the archive can be read").differences;
    found.into_iter().map(|it| (it.dims.tool.clone(), it.what)).collect()
}

fn totals(tool: &str, windows: &[Window]) -> Vec<(String, What)> {
    windows.iter().map(|window| (tool.to_owned(), What::Total(*window))).collect()
}

/// Puts the rows of `from`, changed by `replace`, in the place of one person's published rows.
fn replace(owner: &Owner, from: &str, replace: &str) {
    remove(owner);
    sql(owner, &format!("INSERT INTO account_totals SELECT * {replace} FROM {from}"))
        .expect("rows can be inserted");
}

fn remove(owner: &Owner) {
    let text = "ALTER TABLE account_totals DELETE WHERE tool = 'tool-1' SETTINGS mutations_sync = 2";
    sql(owner, text).expect("rows can be deleted");
}

fn keep(owner: &Owner, name: &str) {
    let text = format!(
        "CREATE TABLE {name} ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM account_totals FINAL WHERE tool = 'tool-1'"
    );
    sql(owner, &text).expect("rows can be kept");
}

#[test]
fn verify_names_a_stale_a_missing_a_doubled_and_a_miscounted_row() {
    let installation = Installation::new().unwrap();
    let mut up = installation.spawn(CLOCK_MS).unwrap();
    let owner = up.ready().unwrap();
    // The last minute of a day ago has just left the shortest window.
    post(&owner, &[event(1, "new", 10), event(1, "left", 1_440), event(2, "other", 10)]).unwrap();
    settle(&owner).unwrap();
    keep(&owner, "older");
    post(&owner, &[event(1, "of ten days ago", 14_400)]).unwrap();
    settle(&owner).unwrap();
    settle(&owner).unwrap();
    keep(&owner, "newest");
    assert_eq!(red(&owner), []);

    replace(&owner, "older", "");
    assert_eq!(red(&owner), totals("tool-1", &[Window::Days30, Window::Lifetime]));
    replace(&owner, "newest", "");
    assert_eq!(red(&owner), []);

    remove(&owner);
    assert_eq!(red(&owner), totals("tool-1", &Window::ALL));
    replace(&owner, "newest", "");
    assert_eq!(red(&owner), []);

    let doubled = "INSERT INTO account_totals SELECT * REPLACE (output_7d * 2 AS output_7d, version + 1 AS version) FROM newest";
    sql(&owner, doubled).unwrap();
    assert_eq!(red(&owner), totals("tool-1", &[Window::Days7]));
    replace(&owner, "newest", "");
    assert_eq!(red(&owner), []);

    // What a fold would publish that counts cache reads twice, or lets a minute leave one minute late.
    let twice = ["24h", "7d", "30d", "lifetime"].map(|it| format!("cache_read_{it} * 2 AS cache_read_{it}"));
    replace(&owner, "newest", &format!("REPLACE ({})", twice.join(", ")));
    assert_eq!(red(&owner), totals("tool-1", &Window::ALL));
    let late = ["input", "cache_read", "cache_write_1h", "output", "requests", "cost"];
    let late = late.map(|lane| format!("{lane}_24h * 2 AS {lane}_24h"));
    replace(&owner, "newest", &format!("REPLACE ({})", late.join(", ")));
    assert_eq!(red(&owner), totals("tool-1", &[Window::Hours24]));
    replace(&owner, "newest", "");
    assert_eq!(red(&owner), []);
}
