//! Nanoseconds of processor time per event of the fold alone: `cargo run --release -p tally-fold --example throughput`.
//!
//! 10,000 accounts of one partition, four dims, a session each; a batch of 10,000 records each clock minute;
//! the store answers at once and remembers nothing, so what is measured is taking and folding.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::time::Duration;
use tally_domain::{
    AccountKey, Dims, Epoch, EventTime, Hash128, LogTime, Minted, Offset, Partition, PartitionCount,
    ProducerId, Sequence, Usage, UsageEvent,
};
use tally_fold::{Acceptance, Batch, Changes, Destination, Fold, Moving, Recalled, RecordAt, Settings};

const ACCOUNTS: usize = 10_000;
const BATCH: usize = 10_000;
const BATCHES: usize = 200;
const START_MS: i64 = 1_770_000_000_000;

fn main() {
    for (name, minted) in [("looked up", false), ("minted", true)] {
        let (take, step, publish, fold) = run(minted);
        let events = u32::try_from(BATCH * BATCHES).expect("a few million");
        println!(
            "{name}: take {} ns, step {} ns, publish {} ns per event; {:?}",
            take.as_nanos() / u128::from(events),
            step.as_nanos() / u128::from(events),
            publish.as_nanos() / u128::from(events),
            fold.memory()
        );
    }
}

fn run(minted: bool) -> (Duration, Duration, Duration, Fold) {
    let partitions = PartitionCount::new(1).expect("one is a count");
    let acceptance = Acceptance { partition: Partition(0), partitions, index_retention_days: 400 };
    let mut fold = Fold::new(Settings { acceptance, secret_check: Hash128([0; 16]) });
    let (mut batch, mut recalled, mut changes) = (Batch::default(), Recalled::default(), Changes::default());
    let (mut take, mut step, mut publish) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut state = 1_u64;
    for minute in 0..BATCHES {
        let now = START_MS + i64::try_from(minute).expect("few") * 60_000;
        let events: Vec<_> =
            (0..BATCH).map(|nth| event(&mut state, minute * BATCH + nth, now, minted)).collect();
        let began = on_cpu();
        fold.begin(&mut batch);
        for (nth, event) in events.iter().enumerate() {
            let offset = u64::try_from(minute * BATCH + nth).ok().and_then(Offset::new).expect("few");
            let appended_at = LogTime::from_ms(now).expect("this century");
            let at = RecordAt { offset, appended_at, key: event.account.bytes() };
            fold.take(&at, &event.as_ref(), Ok(()), &mut batch);
        }
        take += on_cpu().saturating_sub(began);
        fold.advance(batch.log_time.minute(), batch.first, &Moving::default());
        recalled.slots.clear();
        recalled.slots.resize(batch.len(), None);
        recalled.slot_of.clear();
        recalled.slot_of.extend((0_u32..).take(batch.len()));
        let began = on_cpu();
        let counts = fold.step(&batch, &mut recalled, &mut changes);
        step += on_cpu().saturating_sub(began);
        assert_eq!(counts.fresh, counts.read, "every event is new");
        let began = on_cpu();
        for destination in Destination::ALL {
            let due = fold.due(destination, usize::MAX);
            fold.acknowledge(&due);
        }
        publish += on_cpu().saturating_sub(began);
    }
    (take, step, publish, fold)
}

/// Time that this thread has had on a processor, so that a busy machine does not show (Linux).
fn on_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

fn event(state: &mut u64, nth: usize, now: i64, minted: bool) -> UsageEvent {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    let who = usize::try_from(*state >> 40).unwrap_or_default() % ACCOUNTS;
    let mut account = [0; 16];
    account[..8].copy_from_slice(
        &u64::try_from(who).unwrap_or_default().wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes(),
    );
    let sequence = Sequence(i64::try_from(nth).unwrap_or_default() + 1);
    let producer = ProducerId(Hash128([1; 16]));
    UsageEvent {
        account: AccountKey(Hash128(account)),
        event_id: format!("event-{nth}"),
        minted: minted.then_some(Minted { producer, epoch: Epoch(1), sequence }),
        producer,
        epoch: Epoch(1),
        sequence: if minted { sequence } else { Sequence(0) },
        occurred_at: EventTime::from_ms(now - i64::try_from(*state >> 44 & 0xffff).unwrap_or_default())
            .expect("this century"),
        session: Some(format!("session-{who}")),
        dims: Dims { model: format!("claude-{}", nth % 4), tool: "claude-code".into(), ..Dims::default() },
        usage: Usage { tokens: [10, 90_000, 500, 0, 700, 0], requests: 1, ..Usage::ZERO },
        ..UsageEvent::default()
    }
}
