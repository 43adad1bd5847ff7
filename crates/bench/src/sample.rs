//! A few records of one partition, in memory: what the benches of single steps work on.

use anyhow::{Context, Result};
use tally_domain::{
    AccountKey, Barrier, Entry, Epoch, EventTime, Hash128, LogTime, Minted, Offset, Partition,
    PartitionCount, ProducerId, Secret, Sequence, TopicId, UsageRef, partition_of,
};
use tally_fold::{Acceptance, Batch, Control, FOLD_VERSION, Fold, Moving, RecordAt, Settings};
use tally_log::Records;
use tally_simulator::workload::{Claimed, Company, Span, history};

/// The end of the history: 2026-02-06T02:40Z.
const UNTIL_MS: i64 = 1_770_345_600_000;

/// Records of one partition, appended at once after the last was sent.
#[derive(Debug)]
pub struct Sample {
    /// In offset order, after the barrier's offset.
    pub records: Records,
    settings: Settings,
}

impl Sample {
    /// About `events` records of a company's partition 0, ids minted by one sender an account.
    ///
    /// # Errors
    /// When the company's figures do not fit.
    pub fn new(events: u64) -> Result<Self> {
        let secret = Secret::new([3; 32]);
        let company = Company::new(1, 20_000);
        let until = EventTime::from_ms(UNTIL_MS).context("an instant of 2026")?;
        let mut told = history(&company, Span { days: 30, until, events: events * 8 });
        let (mut claimed, mut bytes, mut records) = (Claimed::default(), Vec::new(), Records::default());
        let appended_at = LogTime::from_ms(UNTIL_MS).context("an instant of 2026")?;
        let mut offset = Offset::ZERO.next();
        let mut numbers = std::collections::HashMap::new();
        while told.next_into(&mut claimed) {
            let account = AccountKey::of(&secret, claimed.source, &company.people[claimed.person].subject);
            if partition_of(account.bytes(), PartitionCount::LOCAL) != Partition(0) {
                continue;
            }
            let number = numbers.entry(account).or_insert(0_i64);
            *number += 1;
            let producer = ProducerId(Hash128(*account.bytes()));
            let minted = Minted { producer, epoch: Epoch(1), sequence: Sequence(*number) };
            let event_id = minted.event_id();
            let event = UsageRef {
                account,
                producer,
                epoch: Epoch(1),
                sequence: Sequence(*number),
                minted: Some(minted),
                event_id: &event_id,
                ..claimed.event.as_ref()
            };
            bytes.clear();
            tally_schema::encode_usage(&event, &mut bytes);
            records.push(offset, appended_at, account.bytes(), Some(&bytes));
            offset = offset.next();
        }
        let acceptance = Acceptance {
            partition: Partition(0),
            partitions: PartitionCount::LOCAL,
            index_retention_days: 400,
        };
        Ok(Self { records, settings: Settings { acceptance, secret_check: secret.check() } })
    }

    /// What the partition was told.
    #[must_use]
    pub const fn settings(&self) -> Settings {
        self.settings
    }

    /// A state that has seen its barrier and stands at the records' minute.
    ///
    /// # Errors
    /// When the barrier is refused.
    pub fn fold(&self) -> Result<Fold> {
        let mut fold = Fold::new(self.settings);
        let appended_at = self.records.get(0).context("a sample has records")?.appended_at;
        fold.advance(appended_at.minute(), Offset::ZERO, &Moving::default());
        let barrier = Barrier {
            number: 1,
            topic: TopicId::default(),
            partitions: PartitionCount::LOCAL,
            fold_version: FOLD_VERSION,
            secret_check: self.settings.secret_check,
        };
        let at = RecordAt { offset: Offset::ZERO, appended_at, key: &[] };
        let _done = fold.control(&at, 1, &Control::Barrier(barrier))?;
        Ok(fold)
    }

    /// Decodes the records from `first` on, at most `count`, into a batch.
    pub fn take(&self, fold: &mut Fold, batch: &mut Batch, first: usize, count: usize) {
        fold.begin(batch);
        for record in self.records.iter().skip(first).take(count) {
            let Some(Ok(Entry::Usage(usage))) = record.value.map(tally_schema::decode) else { continue };
            let at = RecordAt { offset: record.offset, appended_at: record.appended_at, key: record.key };
            fold.take(&at, &usage, tally_schema::check(&usage), batch);
        }
    }
}
