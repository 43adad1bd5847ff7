use crate::rig::{fresh, run};
use tally_clickhouse::migrate;
use tally_clickhouse::rows::*;

fn reject(topic: RejectTopic, offset: u64, key: &str, detail: &str) -> RejectRecord {
    RejectRecord {
        topic,
        incarnation: u16::from(topic == RejectTopic::Usage),
        partition: 2,
        offset,
        appended_at: i64::try_from(offset).unwrap(),
        reason: "unreadable".to_owned(),
        detail: detail.to_owned(),
        record_key: key.as_bytes().to_vec(),
        body: b"x".to_vec(),
    }
}

#[test]
fn what_is_kept_again_is_listed_once_and_what_lies_in_the_usage_log_by_its_place() {
    run(async {
        let database = fresh().await;
        let rows = [
            reject(RejectTopic::Rejects, 3, "file 12", "first"),
            reject(RejectTopic::Rejects, 4, "file 20", "other line"),
            reject(RejectTopic::Usage, 3, "key", "a record"),
            reject(RejectTopic::Usage, 5, "key", "another record"),
        ];
        let again = reject(RejectTopic::Rejects, 9, "file 12", "again");
        for _ in 0..2 {
            database.insert(rows.clone().map(Ok)).await.unwrap();
            database.insert([Ok(again.clone())]).await.unwrap();
            // Read again from the start, as after a crash.
            database.insert([Ok(rows[0].clone())]).await.unwrap();
        }
        let listed = database.rejects(10).await.unwrap();
        let shown: Vec<_> = listed.iter().map(|row| (row.offset, row.detail.as_str())).collect();
        assert_eq!(shown, [(9, "again"), (5, "another record"), (4, "other line"), (3, "a record")]);
        let counted = database.rejects_by_reason().await.unwrap();
        assert_eq!(counted.iter().map(|line| line.records).collect::<Vec<_>>(), [4]);
    });
}

#[test]
fn what_was_refused_before_there_was_this_table_is_taken_from_the_events() {
    run(async {
        let database = fresh().await;
        let event = |offset, reason: &str| EventRecord {
            incarnation: 1,
            partition: 2,
            offset,
            reason: reason.to_owned(),
            body: vec![1, 10, 10],
            ..EventRecord::default()
        };
        database.insert([event(1, ""), event(2, "future")].map(Ok)).await.unwrap();
        let forget =
            "ALTER TABLE ${t}migrations DELETE WHERE name = '0004_rejects' SETTINGS mutations_sync = 2";
        database.execute("forgetting", forget).await.unwrap();
        assert_eq!(migrate(&database).await.unwrap().ran, 5);
        let listed = database.rejects(10).await.unwrap();
        let shown: Vec<_> = listed.iter().map(|row| (row.offset, row.reason.as_str(), &row.body)).collect();
        assert_eq!(shown, [(2, "future", &vec![1, 10, 10])]);
    });
}
