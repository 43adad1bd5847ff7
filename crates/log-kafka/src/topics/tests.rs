use tally_log::RetentionDays;

use super::*;
use crate::config::Compression;
use crate::security::Security;

fn config() -> KafkaConfig {
    KafkaConfig {
        brokers: "b:9092".to_owned(),
        prefix: "tally.".to_owned(),
        partitions: 64,
        replication: 3,
        min_insync: 2,
        retention_days: RetentionDays { usage: 45, outcomes: 45, rejects: 90, alerts: 90 },
        compression: Compression::Zstd,
        linger_ms: 5,
        batch_bytes: 1_000_000,
        delivery_timeout_ms: 120_000,
        answer_timeout_ms: 10_000,
        pending_bytes_max: 64 << 20,
        record_bytes_max: 1 << 20,
        fetch_bytes_max: 256 << 20,
        session_timeout_ms: 10_000,
        release_timeout_ms: 60_000,
        security: Security::default(),
    }
}

/// A topic that is as it was asked for, with some settings changed.
fn found(wanted: &Wanted, changed: &[(&str, &str)]) -> Found {
    let value = |setting: &Setting| {
        let changed = changed.iter().find(|(name, _)| *name == setting.name);
        (setting.name.to_owned(), changed.map_or(setting.value.clone(), |(_, value)| (*value).to_owned()))
    };
    let settings = Some(wanted.settings.iter().map(value).collect());
    Found { partitions: wanted.partitions.into(), replication: wanted.replication.into(), settings }
}

fn differ(topic: Topic, changed: &[(&str, &str)]) -> Vec<(&'static str, Weight)> {
    let wanted = Wanted::of(&config(), topic);
    let found = found(&wanted, changed);
    wanted
        .differences("b:9092", &found)
        .into_iter()
        .map(|differs| (differs.setting, differs.weight))
        .collect()
}

#[test]
fn a_topic_as_it_is_made_differs_in_nothing() {
    for topic in Topic::ALL {
        assert_eq!(differ(topic, &[]), [], "{topic:?}");
    }
}

#[test]
fn what_breaks_the_promise_is_told_from_what_weakens_it() {
    use Weight::{Breaks, Weakens};
    let usage = |name, value| differ(Topic::Usage, &[(name, value)]);
    assert_eq!(usage("message.timestamp.type", "CreateTime"), [("message.timestamp.type", Breaks)]);
    assert_eq!(usage("cleanup.policy", "compact,delete"), [("cleanup.policy", Breaks)]);
    assert_eq!(usage("retention.ms", "604800000"), [("retention.ms", Breaks)]);
    assert_eq!(usage("retention.bytes", "1000000000"), [("retention.bytes", Breaks)]);
    assert_eq!(usage("unclean.leader.election.enable", "true"), [("unclean.leader.election.enable", Breaks)]);
    assert_eq!(usage("min.insync.replicas", "1"), [("min.insync.replicas", Weakens)]);
    // 38 days are enough, and so is for ever.
    assert_eq!(usage("retention.ms", "3283200000"), []);
    assert_eq!(usage("retention.ms", "-1"), []);
    assert_eq!(differ(Topic::Rejects, &[("retention.ms", "604800000")]), [("retention.ms", Weakens)]);
    assert_eq!(differ(Topic::Identities, &[("cleanup.policy", "delete")]), [("cleanup.policy", Breaks)]);
    assert_eq!(
        differ(Topic::Identities, &[("max.compaction.lag.ms", "9223372036854775807")]),
        [("max.compaction.lag.ms", Weakens)]
    );
}

#[test]
fn partitions_are_for_life_and_copies_may_be_fewer() {
    let wanted = Wanted::of(&config(), Topic::Usage);
    let mut found = found(&wanted, &[]);
    found.partitions = 12;
    found.replication = 1;
    let differ = wanted.differences("b:9092", &found);
    let told: Vec<String> = differ.iter().map(ToString::to_string).collect();
    assert_eq!(differ[0].weight, Weight::Breaks);
    assert_eq!(
        told,
        [
            "tally.usage: partitions is 12, wanted is 64: the number is for life: set kafka.partitions = 12, or \
             choose another kafka.prefix",
            "tally.usage: replication is 1, wanted is at least 3: kafka-reassign-partitions.sh --bootstrap-server \
             b:9092 --execute --reassignment-json-file FILE",
        ]
    );
}

#[test]
fn settings_that_may_not_be_seen_are_shown_as_not_known() {
    let wanted = Wanted::of(&config(), Topic::Usage);
    let found = Found { settings: None, ..found(&wanted, &[]) };
    let differ = wanted.differences("b:9092", &found);
    assert_eq!(differ.len(), wanted.settings.len());
    assert!(differ.iter().all(|differs| differs.weight == Weight::Weakens && differs.found == "not known"));
}

#[test]
fn commands_are_whole() {
    let wanted = Wanted::of(&config(), Topic::Usage);
    assert_eq!(
        wanted.command("b:9092"),
        "kafka-topics.sh --bootstrap-server b:9092 --create --topic tally.usage --partitions 64 \
         --replication-factor 3 --config message.timestamp.type=LogAppendTime --config \
         unclean.leader.election.enable=false --config min.insync.replicas=2 --config max.message.bytes=1114112 \
         --config cleanup.policy=delete --config retention.ms=3888000000 --config retention.bytes=-1"
    );
    let differ = wanted.differences("b:9092", &found(&wanted, &[("retention.ms", "1")]));
    assert_eq!(
        differ[0].command,
        "kafka-configs.sh --bootstrap-server b:9092 --alter --entity-type topics --entity-name tally.usage \
         --add-config retention.ms=3888000000"
    );
}
