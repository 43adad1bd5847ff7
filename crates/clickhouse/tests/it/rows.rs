use crate::rig::{fresh, run};
use clickhouse::{RowOwned, RowRead, RowWrite};
use std::fmt::Debug;
use tally_clickhouse::Database;
use tally_clickhouse::rows::*;

const A: Hash = [0xa; 16];
const B: Hash = [0xb; 16];

/// The table's columns are the row's, in order, and a row comes back as it went in. Client and server compare
/// the types of both directions, because the handle validates.
async fn agrees<T>(database: &Database, row: T)
where
    T: Table + RowOwned + RowRead + RowWrite + PartialEq + Debug + Clone,
{
    let columns = format!(
        "SELECT name FROM system.columns WHERE database = '${{d}}' AND table = '{}' ORDER BY position",
        database.layout().table(T::TABLE).split_once('.').unwrap().1
    );
    let columns: Vec<String> = database.query(&columns).fetch_all().await.unwrap();
    assert_eq!(columns, T::COLUMN_NAMES, "{}", T::TABLE);
    database.insert([Ok(row.clone())]).await.unwrap();
    let read = format!("SELECT {} FROM ${{t}}{}", T::COLUMN_NAMES.join(", "), T::TABLE);
    assert_eq!(database.query(&read).fetch_all::<T>().await.unwrap(), [row]);
}

fn usage() -> UsageColumns {
    tally_domain::Usage::from_lanes([1, 2, 3, 4, i64::MAX, 6, 7, 8, -999_999_999_999_999_999]).into()
}

#[test]
fn what_the_fold_publishes_is_read_back_as_it_was_written() {
    run(async {
        let database = fresh().await;
        let text = str::to_owned;
        let [u, v] = [usage(), UsageColumns::default()];
        agrees(
            &database,
            AccountTotalRecord {
                partition: 7,
                account: A,
                model: text("opus"),
                tool: text("claude-code"),
                view: ViewCode::Transcript,
                service_tier: text("batch"),
                region: text("eu"),
                unsplit: 5,
                h24: u,
                d7: v,
                d30: u,
                lifetime: v,
                version: u64::MAX,
            },
        )
        .await;
        let [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, requests, unpriced, cost] =
            tally_domain::Usage::from(u).lanes();
        let (model, tool, service_tier, region) = (text("opus"), text("codex"), text(""), text("é"));
        let hourly = UsageHourlyRecord {
            partition: 7,
            account: A,
            hour: 1_764_000_000,
            model: model.clone(),
            tool: tool.clone(),
            view: ViewCode::Table,
            service_tier: service_tier.clone(),
            region: region.clone(),
            unsplit: 0,
            input,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            requests,
            unpriced,
            cost,
            version: 1,
        };
        agrees(&database, hourly).await;
        let receipt = ReceiptRecord {
            partition: 7,
            account: A,
            producer: B,
            epoch: i64::MIN,
            day: 20_000,
            model,
            tool,
            view: ViewCode::Sdk,
            service_tier,
            region,
            unsplit: 0,
            read: 10,
            fresh: 4,
            revised: 3,
            duplicate: 2,
            rejected: 1,
            conflicts: 1,
            input,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            requests,
            unpriced,
            cost,
            version: 1,
        };
        agrees(&database, receipt).await;
        let session = SessionRecord {
            partition: 7,
            account: A,
            session: u64::MAX,
            first: 1,
            last: 253_402_127_999_999,
            input,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            requests,
            unpriced,
            cost,
            version: 1,
        };
        agrees(&database, session).await;
        let producer = ProducerRecord {
            partition: 7,
            account: A,
            producer: B,
            epoch: -1,
            mark: 9,
            gaps: 2,
            last: 1,
            version: 1,
        };
        agrees(&database, producer).await;
        agrees(&database, ProgressRecord { partition: 7, version: 1 << 48, clock: 60, log_time: 61_000 })
            .await;
    });
}

#[test]
fn what_the_audit_writes_is_read_back_as_it_was_written() {
    run(async {
        let database = fresh().await;
        let event = EventRecord {
            incarnation: 1,
            partition: 2,
            offset: 3,
            entry: EntryCode::Unreadable,
            kind: KindCode::Retraction,
            reason: "undecodable".to_owned(),
            minted_at: Some(5),
            session: Some(String::new()),
            request_id: None,
            content_hash: u64::MAX,
            record_key: vec![0, 255],
            body: vec![10, 10, 0, 254],
            ..EventRecord::default()
        };
        agrees(&database, event).await;
        agrees(&database, ArchiveProgressRecord { partition: 1, version: 2, log_time: 3 }).await;
        agrees(&database, RejectsProgressRecord { partition: 1, next: 2 }).await;
        let reject = RejectRecord {
            topic: RejectTopic::Rejects,
            incarnation: 1,
            partition: 2,
            offset: 3,
            appended_at: 4,
            reason: "future".to_owned(),
            detail: "occurred_at".to_owned(),
            record_key: vec![1],
            body: vec![0, 10, 10, 255],
        };
        agrees(&database, reject).await;
    });
}

#[test]
fn what_the_ranker_writes_is_read_back_as_it_was_written() {
    run(async {
        let database = fresh().await;
        let text = str::to_owned;
        let standing = StandingColumns {
            tokens: i128::from(i64::MAX) * 3,
            cost: i128::from(i64::MIN) * 3,
            rank_tokens: 1,
            climbed_cost: Some(-2),
            ..StandingColumns::default()
        };
        let person = PersonRecord {
            account: A,
            valid_from: 0,
            valid_to: OPEN_END,
            person: B,
            source: text("codex"),
            subject: text("Ann"),
            name: text("Ann Ö"),
            email: text("ann@example.org"),
            team: text(""),
            erased: 0,
            version: 4,
        };
        agrees(&database, person).await;
        let ranking = RankingRecord {
            snapshot: 1,
            people_version: 2,
            keep: KeepCode::Daily,
            as_of: 60,
            person: B,
            h24: standing,
            d7: StandingColumns::default(),
            d30: standing,
            lifetime: standing,
            tier: text("top 1 %"),
            titles: vec![text("a"), text("b")],
        };
        agrees(&database, ranking).await;
        let marker = SnapshotRecord {
            snapshot: 1,
            people_version: 2,
            policy_version: 0,
            keep: KeepCode::Hourly,
            as_of: 60,
            people: 1,
            earlier: 0,
            vector: vec![(0, 1 << 48), (7, 5)],
        };
        agrees(&database, marker).await;
        let total = UserTotalRecord {
            person: B,
            window: WindowCode::Days30,
            tokens: 21,
            input: 1,
            cache_read: 2,
            cache_write_5m: 3,
            cache_write_1h: 4,
            output: 5,
            reasoning: 6,
            requests: 7,
            unpriced: 8,
            cost: i128::MAX / 10_000,
            as_of: 60,
            version: 1,
        };
        agrees(&database, total).await;
        let award = AwardRecord {
            person: B,
            award: text("t"),
            season: text(""),
            held: 1,
            since: 60,
            policy_version: 1,
            version: 2,
        };
        agrees(&database, award).await;
        let alert = AlertRecord {
            scope: text("person"),
            scope_id: text("x"),
            rule: text("r"),
            period: 60,
            raised: 1,
            value: 1,
            bound: 2,
            detail: text("d"),
            as_of: 60,
            version: 3,
        };
        agrees(&database, alert).await;
        let price = PriceRecord {
            number: 1,
            model: text("opus"),
            service_tier: text(""),
            context_tokens_min: 200_001,
            valid_from: 20_000,
            input: Some(5_000_000_000),
            cache_read: None,
            cache_write_5m: None,
            cache_write_1h: None,
            output: Some(1),
            reasoning: None,
        };
        agrees(&database, price).await;
    });
}
