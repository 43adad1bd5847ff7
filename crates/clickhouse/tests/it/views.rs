//! Each view against a naive recount of what was inserted.

use crate::rig::{Dice, fresh, run, value};
use std::collections::BTreeMap;
use tally_clickhouse::Database;
use tally_clickhouse::query::Page;
use tally_clickhouse::rows::*;
use tally_domain::{Board, Hash128, Metric, PersonId, Window};

const HOUR: u32 = 3_600;
/// 2026-02-10T00:00:00Z.
const START: u32 = 1_770_681_600;

fn hash(n: u64) -> Hash {
    let mut bytes = [0x50; 16];
    bytes[15] = u8::try_from(n).unwrap();
    bytes
}

/// Accounts 0 to 9: 0 to 7 belong to people 100 to 103, two each; 8 and 9 to nobody.
/// Account 0 passes from person 100 to person 101 after the tenth hour.
async fn with_people(database: &Database) {
    let person = |account: u64, owner: u64, valid_from: u32, valid_to: u32, version| PersonRecord {
        account: hash(account),
        valid_from,
        valid_to,
        person: hash(owner),
        source: "codex".to_owned(),
        subject: format!("s{account}"),
        name: format!("Person {owner}"),
        email: String::new(),
        team: format!("team {}", owner % 2),
        erased: 0,
        version,
    };
    let mut rows: Vec<_> = (1..8).map(|n| person(n, 100 + n / 2, 0, OPEN_END, 2)).collect();
    rows.push(person(5, 250, 0, OPEN_END, 1));
    rows.push(person(0, 100, 0, START + 10 * HOUR, 3));
    rows.push(person(0, 101, START + 10 * HOUR, OPEN_END, 3));
    database.insert(rows.into_iter().map(Ok)).await.unwrap();
}

fn owner(account: u64, hour: u32) -> u64 {
    match account {
        0 if hour >= START + 10 * HOUR => 101,
        0..8 => 100 + account / 2,
        other => other,
    }
}

fn record(
    dice: &mut Dice,
    account: u64,
    hour: u32,
    model: &str,
    tool: &str,
    version: u64,
) -> UsageHourlyRecord {
    let mut roll = || i64::try_from(dice.below(1 << 40)).unwrap();
    UsageHourlyRecord {
        partition: 0,
        account: hash(account),
        hour,
        model: model.to_owned(),
        tool: tool.to_owned(),
        view: ViewCode::Sdk,
        service_tier: String::new(),
        region: String::new(),
        unsplit: 0,
        input: roll(),
        cache_read: roll(),
        cache_write_5m: roll(),
        cache_write_1h: roll(),
        output: roll(),
        reasoning: roll(),
        requests: roll(),
        unpriced: roll(),
        cost: roll(),
        version,
    }
}

/// (tokens, requests, cost) of a row.
fn sums(row: &UsageHourlyRecord) -> [i128; 3] {
    let tokens =
        [row.input, row.cache_read, row.cache_write_5m, row.cache_write_1h, row.output, row.reasoning];
    [tokens.into_iter().map(i128::from).sum(), i128::from(row.requests), i128::from(row.cost)]
}

/// Rows that stand, by key, after inserting several versions of each in any order and some of them twice.
async fn with_hours(database: &Database) -> Vec<UsageHourlyRecord> {
    let (mut dice, mut newest) = (Dice(7), BTreeMap::new());
    let mut inserts = vec![Vec::new(); 3];
    for _ in 0..600 {
        let (account, hour) = (dice.below(10), START + HOUR * u32::try_from(dice.below(48)).unwrap());
        let model = ["opus", "gpt", "gemini"][usize::try_from(dice.below(3)).unwrap()];
        let tool = ["codex", "claude-code"][usize::try_from(dice.below(2)).unwrap()];
        let version = dice.below(1 << 20) + 1;
        let row = record(&mut dice, account, hour, model, tool, version);
        for insert in &mut inserts {
            if dice.below(2) == 0 {
                insert.push(row.clone());
            }
        }
        inserts[0].push(row.clone());
        let key = (account, hour, model, tool);
        if newest.get(&key).is_none_or(|old: &UsageHourlyRecord| old.version < row.version) {
            newest.insert(key, row);
        }
    }
    for insert in inserts {
        database.insert(insert.into_iter().map(Ok)).await.unwrap();
    }
    newest.into_values().collect()
}

fn recount<K: Ord>(
    rows: &[UsageHourlyRecord],
    key: impl Fn(&UsageHourlyRecord) -> K,
) -> BTreeMap<K, [i128; 3]> {
    let mut counted = BTreeMap::new();
    for row in rows {
        let sum = counted.entry(key(row)).or_insert([0; 3]);
        let added = sums(row);
        for (lane, value) in sum.iter_mut().zip(added) {
            *lane += value;
        }
    }
    counted
}

/// What a view says, by its key column as text.
async fn said(database: &Database, text: &str) -> BTreeMap<String, [i128; 3]> {
    let rows: Vec<(String, i128, i128, i128)> = database.query(text).fetch_all().await.unwrap();
    let count = rows.len();
    let said: BTreeMap<_, _> =
        rows.into_iter().map(|(key, tokens, requests, cost)| (key, [tokens, requests, cost])).collect();
    assert_eq!(said.len(), count, "one row a key: {text}");
    said
}

fn owner_of(row: &UsageHourlyRecord) -> u64 {
    owner(u64::from(row.account[15]), row.hour)
}

fn person_text(n: u64) -> String {
    Hash128(hash(n)).to_string()
}

#[test]
fn usage_views_say_what_a_recount_says() {
    run(async {
        let database = fresh().await;
        with_people(&database).await;
        let rows = with_hours(&database).await;
        let progress = [(0, 7_200), (0, 3_600), (1, 10_800)].map(|(partition, clock)| ProgressRecord {
            partition,
            version: u64::from(clock),
            clock,
            log_time: 0,
        });
        database.insert(progress.map(Ok)).await.unwrap();
        let day = |row: &UsageHourlyRecord| (row.hour - START) / 86_400;

        let hourly = said(
            &database,
            "SELECT concat(lower(hex(person)), ' ', toString(toUnixTimestamp(hour)), ' ', model, ' ', tool),
             sum(tokens), sum(toInt128(requests)), sum(cost) FROM ${t}user_hourly GROUP BY 1 ORDER BY 1",
        );
        let expected = recount(&rows, |row| {
            format!("{} {} {} {}", person_text(owner_of(row)), row.hour, row.model, row.tool)
        });
        assert_eq!(hourly.await, expected);

        let daily = said(
            &database,
            "SELECT concat(lower(hex(person)), ' ', toString(dateDiff('day', toDate32('2026-02-10'), day)), ' ', model, ' ', tool),
             tokens, requests, cost FROM ${t}user_daily",
        );
        let expected = recount(&rows, |row| {
            format!("{} {} {} {}", person_text(owner_of(row)), day(row), row.model, row.tool)
        });
        assert_eq!(daily.await, expected);

        for view in ["model", "tool", "team"] {
            database.execute("refreshing", &format!("SYSTEM REFRESH VIEW ${{t}}{view}_daily")).await.unwrap();
            database.execute("waiting", &format!("SYSTEM WAIT VIEW ${{t}}{view}_daily")).await.unwrap();
            let text = format!(
                "SELECT concat(toString(dateDiff('day', toDate32('2026-02-10'), day)), ' ', {view}), tokens, requests, cost
                 FROM ${{t}}{view}_daily"
            );
            let expected = recount(&rows, |row| {
                let team = match owner_of(row) {
                    n @ 100.. => format!("team {}", n % 2),
                    _ => String::new(),
                };
                let key = match view {
                    "model" => &row.model,
                    "tool" => &row.tool,
                    _ => &team,
                };
                format!("{} {key}", day(row))
            });
            assert_eq!(said(&database, &text).await, expected, "{view}");
        }
        for view in ["user_hourly", "user_daily", "model_daily"] {
            let as_of = format!("SELECT toUnixTimestamp(any(as_of)) FROM ${{t}}{view}");
            assert_eq!(
                value::<u32>(&database, &as_of).await,
                7_200,
                "the least clock of the newest progress"
            );
        }
        person_pages(&database, &rows).await;
    });
}

/// Person 101 owns accounts 2 and 3, and account 0 from the tenth hour on.
async fn person_pages(database: &Database, rows: &[UsageHourlyRecord]) {
    let person = PersonId(Hash128(hash(101)));
    let since = START + 5 * HOUR;
    let theirs: Vec<_> =
        rows.iter().filter(|row| owner_of(row) == 101 && row.hour >= since).cloned().collect();
    let days = database.person_days(person, since).await.unwrap();
    let days: BTreeMap<_, _> =
        days.iter().map(|line| (line.day, [line.tokens, line.requests, line.cost])).collect();
    assert_eq!(days, recount(&theirs, |row| i32::try_from(row.hour / 86_400).unwrap()));
    let models = database.person_models(person, since).await.unwrap();
    assert!(models.is_sorted_by(|a, b| a.tokens >= b.tokens));
    let models: BTreeMap<_, _> =
        models.into_iter().map(|line| (line.model, [line.tokens, line.requests, line.cost])).collect();
    assert_eq!(models, recount(&theirs, |row| row.model.clone()));
    let tools = database.person_tools(person, since).await.unwrap();
    assert_eq!(
        tools.iter().map(|line| line.tokens).sum::<i128>(),
        theirs.iter().map(|row| sums(row)[0]).sum()
    );
    let sparks = database.sparks(&[person, PersonId(Hash128(hash(8)))], since).await.unwrap();
    let sparks: BTreeMap<_, _> =
        sparks.iter().map(|point| ((point.person, point.day), point.tokens)).collect();
    let both = recount(rows, |row| {
        (hash(owner_of(row)), i32::try_from(row.hour / 86_400).unwrap(), row.hour >= since)
    });
    let both: BTreeMap<_, _> = both
        .into_iter()
        .filter(|((owner, _, inside), _)| *inside && [hash(101), hash(8)].contains(owner))
        .map(|((owner, day, _), sums)| ((owner, day), sums[0]))
        .collect();
    assert_eq!(sparks, both);
    let accounts = database.person_accounts(person).await.unwrap();
    assert_eq!(accounts.iter().map(|line| line.account).collect::<Vec<_>>(), [hash(0), hash(2), hash(3)]);
}

#[test]
fn live_totals_are_the_newest_of_each_account_summed_by_person() {
    run(async {
        let database = fresh().await;
        with_people(&database).await;
        let (mut dice, mut newest) = (Dice(3), BTreeMap::new());
        let mut rows = Vec::new();
        for _ in 0..300 {
            let (account, version) = (dice.below(10), dice.below(1 << 30));
            let model = ["opus", "gpt"][usize::try_from(dice.below(2)).unwrap()];
            let windows: [UsageColumns; 4] = std::array::from_fn(|_| {
                let lanes = std::array::from_fn(|_| i64::try_from(dice.below(1 << 40)).unwrap());
                tally_domain::Usage::from_lanes(lanes).into()
            });
            let [h24, d7, d30, lifetime] = windows;
            rows.push(AccountTotalRecord {
                partition: 0,
                account: hash(account),
                model: model.to_owned(),
                tool: String::new(),
                view: ViewCode::Sdk,
                service_tier: String::new(),
                region: String::new(),
                unsplit: 0,
                h24,
                d7,
                d30,
                lifetime,
                version,
            });
            let old = newest.entry((account, model)).or_insert((version, windows));
            if old.0 < version {
                *old = (version, windows);
            }
        }
        for part in rows.chunks(70) {
            database.insert(part.iter().cloned().map(Ok)).await.unwrap();
        }
        let mut expected = BTreeMap::new();
        for ((account, _), (_, windows)) in newest {
            for (window, usage) in Window::ALL.into_iter().zip(windows) {
                let key = format!("{} {}", person_text(owner(account, u32::MAX)), window.name());
                let usage = tally_domain::Usage::from(usage);
                let sum = expected.entry(key).or_insert([0_i128; 3]);
                let added = [usage.total(), i128::from(usage.requests), i128::from(usage.cost_nano_usd)];
                sum.iter_mut().zip(added).for_each(|(lane, value)| *lane += value);
            }
        }
        let text =
            "SELECT concat(lower(hex(person)), ' ', window), tokens, requests, cost FROM ${t}live_totals";
        assert_eq!(said(&database, text).await, expected);
    });
}

fn ranking(snapshot: u64, people_version: u64, person: u64, place: u32) -> RankingRecord {
    let standing = StandingColumns {
        tokens: i128::from(1_000 - place),
        cache_read: 100,
        rank_tokens: place,
        place_tokens: place,
        rank_cost: 10 - place,
        place_cost: 10 - place,
        climbed_tokens: (place > 1).then_some(-1),
        ..StandingColumns::default()
    };
    RankingRecord {
        snapshot,
        people_version,
        keep: KeepCode::All,
        as_of: 60,
        person: hash(person),
        h24: StandingColumns::default(),
        d7: StandingColumns::default(),
        d30: standing,
        lifetime: standing,
        tier: String::new(),
        titles: Vec::new(),
    }
}

fn marker(snapshot: u64, people_version: u64, as_of: u32) -> SnapshotRecord {
    SnapshotRecord {
        snapshot,
        people_version,
        policy_version: 0,
        keep: KeepCode::All,
        as_of,
        people: 9,
        earlier: 0,
        vector: vec![(0, snapshot)],
    }
}

#[test]
fn the_leaderboard_is_the_newest_complete_snapshot_each_person_once() {
    run(async {
        let database = fresh().await;
        with_people(&database).await;
        assert_eq!(database.newest_snapshot().await.unwrap(), None);
        let snapshot = |number, people_version| {
            (0..9).map(move |n| ranking(number, people_version, 100 + n, 9 - u32::try_from(n).unwrap()))
        };
        database.insert(snapshot(5, 1).map(Ok)).await.unwrap();
        database.insert([Ok(marker(5, 1, 120))]).await.unwrap();
        // The same snapshot with a newer mapping of people, written twice; then one whose marker is missing.
        database
            .insert((0..9).map(|n| Ok(ranking(5, 2, 100 + n, u32::try_from(n).unwrap() + 1))))
            .await
            .unwrap();
        database
            .insert((0..9).map(|n| Ok(ranking(5, 2, 100 + n, u32::try_from(n).unwrap() + 1))))
            .await
            .unwrap();
        database.insert([Ok(marker(5, 2, 120)), Ok(marker(4, 9, 60))]).await.unwrap();
        database.insert(snapshot(6, 2).map(Ok)).await.unwrap();

        let rows: Vec<(String, u32, String)> = database
            .query("SELECT lower(hex(person)), rank_tokens, name FROM ${t}leaderboard WHERE window = '30d' ORDER BY place_tokens")
            .fetch_all()
            .await
            .unwrap();
        let expected: Vec<_> = (100..109)
            .zip(1..)
            .map(|(n, rank)| {
                (person_text(n), rank, if n < 104 { format!("Person {n}") } else { String::new() })
            })
            .collect();
        assert_eq!(rows, expected);

        let head = database.newest_snapshot().await.unwrap().unwrap();
        assert_eq!((head.snapshot, head.people_version, head.vector.clone()), (5, 2, vec![(0, 5)]));
        let board = |metric| Board { metric, window: Window::Days30 };
        let page = database.top(&head, board(Metric::Tokens), Page { offset: 2, limit: 3 }).await.unwrap();
        let places: Vec<_> =
            page.iter().map(|line| (line.place, line.person, line.climbed, line.name.as_str())).collect();
        assert_eq!(
            places,
            [
                (3, hash(102), Some(-1), "Person 102"),
                (4, hash(103), Some(-1), "Person 103"),
                (5, hash(104), Some(-1), "")
            ]
        );
        let page = database.top(&head, board(Metric::Cost), Page { offset: 0, limit: 1 }).await.unwrap();
        assert_eq!(page[0].person, hash(108));
        let found =
            database.search(&head, board(Metric::Tokens), "pErson 103", Page { offset: 0, limit: 9 }).await;
        assert_eq!(found.unwrap().iter().map(|line| line.place).collect::<Vec<_>>(), [4]);
        let one = database.person(&head, PersonId(Hash128(hash(101)))).await.unwrap().unwrap();
        assert_eq!(one, ranking(5, 2, 101, 2));
        let earlier = database.snapshot_at(tally_domain::Minute(1)).await.unwrap().unwrap();
        assert_eq!((earlier.snapshot, earlier.people_version), (4, 9));
    });
}
