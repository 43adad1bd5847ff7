//! Records of every shape that the types allow, within the rules of form and beyond.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use tally_domain::event::{TOKENS_MAX, Unsplit};
use tally_domain::published::{Progress, TotalRow};
use tally_domain::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ -~]{0,20}", 1 => "\\PC{0,8}", 1 => "[a-z]{60,200}"]
}

/// Numbers at every length of a varint, and the ends of the range.
fn number() -> impl Strategy<Value = i64> {
    let ends = prop::sample::select(vec![0, -1, 63, 64, -64, -65, 8191, 8192, i64::MIN, i64::MAX]);
    prop_oneof![ends, 0..TOKENS_MAX, any::<i64>(), (any::<i64>(), 0..63_u32).prop_map(|(n, by)| n >> by)]
}

pub(super) fn hash() -> impl Strategy<Value = Hash128> {
    any::<[u8; 16]>().prop_map(Hash128)
}

fn minted() -> impl Strategy<Value = Minted> {
    (hash(), number(), number()).prop_map(|(producer, epoch, sequence)| Minted {
        producer: ProducerId(producer),
        epoch: Epoch(epoch),
        sequence: Sequence(sequence),
    })
}

fn dims() -> impl Strategy<Value = Dims> {
    (text(), text(), prop::sample::select(View::ALL.to_vec()), text(), text(), any::<u8>()).prop_map(
        |(model, tool, view, service_tier, region, unsplit)| Dims {
            model,
            tool,
            view,
            service_tier,
            region,
            unsplit: Unsplit(unsplit),
        },
    )
}

prop_compose! {
    pub(super) fn usage_event()(
        (account, event_id, minted, minted_at_ms) in (hash(), text(), of(minted()), of(number())),
        (producer, epoch, sequence, revision) in (hash(), number(), number(), any::<u32>()),
        kind in prop::sample::select(Kind::ALL.to_vec()),
        occurred_ms in EventTime::MIN.ms()..=EventTime::MAX.ms(),
        (session, request_id, dims) in (of(text()), of(text()), dims()),
        (client_version, agent, actor, reason) in (text(), text(), of(text()), of(text())),
        tokens in prop::array::uniform6(number()),
        requests in number(),
    ) -> UsageEvent {
        UsageEvent {
            account: AccountKey(account), event_id, minted, minted_at_ms,
            producer: ProducerId(producer), epoch: Epoch(epoch), sequence: Sequence(sequence),
            revision: Revision(revision), kind, occurred_at: EventTime::from_ms(occurred_ms).unwrap(),
            session, request_id, dims, client_version, agent,
            usage: Usage { tokens, requests, ..Usage::ZERO }, actor, reason,
        }
    }
}

prop_compose! {
    fn total()(
        version in any::<u64>(), partition in any::<u16>(), account in hash(), dims in dims(),
        lanes in prop::array::uniform4(prop::array::uniform9(number())),
    ) -> Vec<u8> {
        let windows = lanes.map(Usage::from_lanes);
        let row = TotalRow { partition: Partition(partition), account: AccountKey(account), dims: Arc::new(dims), windows };
        let mut bytes = Vec::new();
        crate::encode_total(&row, Version::from_u64(version), &mut bytes);
        bytes
    }
}

fn barrier() -> impl Strategy<Value = Vec<u8>> {
    (any::<u16>(), hash(), 1..=u16::MAX, any::<u32>(), hash()).prop_map(
        |(number, topic, partitions, fold_version, secret_check)| {
            crate::encode_barrier(&Barrier {
                number,
                topic: TopicId(topic),
                partitions: PartitionCount::new(partitions).unwrap(),
                fold_version: FoldVersion(fold_version),
                secret_check,
            })
        },
    )
}

fn identity() -> impl Strategy<Value = Vec<u8>> {
    (text(), text(), of(text()), of(text()), number()).prop_map(
        |(source, subject, email, name, first_seen_ms)| {
            crate::encode_identity(&ClaimedIdentity { source, subject, email, name, first_seen_ms })
        },
    )
}

fn progress() -> impl Strategy<Value = Vec<u8>> {
    let ms = LogTime::MIN.ms()..=LogTime::MAX.ms();
    (any::<u16>(), any::<u64>(), any::<i32>(), ms).prop_map(|(partition, version, clock, ms)| {
        crate::encode_progress(&Progress {
            partition: Partition(partition),
            version: Version::from_u64(version),
            clock: Minute(clock),
            log_time: LogTime::from_ms(ms).unwrap(),
        })
    })
}

fn reject() -> impl Strategy<Value = Vec<u8>> {
    let reason = prop::sample::select(Reason::ALL.to_vec());
    (any::<u16>(), 0..=Offset::MAX.get(), reason, text(), vec(any::<u8>(), 0..40)).prop_map(
        |(partition, offset, reason, detail, original)| {
            let offset = Offset::new(offset).unwrap();
            crate::encode_reject(
                &Reject { partition: Partition(partition), offset, reason, detail },
                &original,
            )
        },
    )
}

/// Framed records of every type, as our encoder writes them.
pub(super) fn record() -> impl Strategy<Value = Vec<u8>> {
    let usage = usage_event().prop_map(|event| {
        let mut bytes = Vec::new();
        crate::encode_usage(&event.as_ref(), &mut bytes);
        bytes
    });
    let document = (any::<u32>(), vec(any::<u8>(), 0..300));
    prop_oneof![
        8 => usage,
        1 => Just(crate::encode_heartbeat()),
        1 => barrier(),
        1 => document.clone().prop_map(|(number, body)| crate::encode_prices(number, &body)),
        1 => document.prop_map(|(number, body)| crate::encode_policy(number, &body)),
        1 => identity(),
        2 => total(),
        1 => progress(),
        1 => reject(),
    ]
}
