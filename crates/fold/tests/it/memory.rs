//! A store that keeps everything in maps.

use std::collections::BTreeMap;
use tally_domain::{Day, EventKey, EventTime, Minute, Usage, Window};
use tally_fold::{
    AccountIx, Batch, Changes, DimsIx, HourKey, Moving, Posting, Probe, Recalled, Report, SessionId,
};

type Slice = (Minute, AccountIx, DimsIx);

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    /// With the LogTime day of the generation it lies in.
    index: BTreeMap<EventKey, (Day, Report)>,
    slices: BTreeMap<Slice, Usage>,
    pub(crate) hours: BTreeMap<HourKey, Usage>,
    pub(crate) sessions: BTreeMap<SessionId, ([EventTime; 2], Usage)>,
}

impl Memory {
    pub(crate) fn recall(&self, batch: &Batch, into: &mut Recalled) {
        let mut slots: BTreeMap<EventKey, u32> = BTreeMap::new();
        into.slot_of.clear();
        into.slots.clear();
        for (key, probe) in batch.keys.iter().zip(&batch.probes) {
            if *probe == Probe::None {
                into.slot_of.push(Recalled::NOT_LOOKED_UP);
                continue;
            }
            let slot = *slots.entry(*key).or_insert_with(|| {
                into.slots.push(None);
                u32::try_from(into.slots.len() - 1).unwrap()
            });
            let from = match probe {
                Probe::FromDay(day) => *day,
                _ => Day(i32::MIN),
            };
            let found = self.index.get(key).filter(|(day, _)| *day >= from).map(|(_, report)| *report);
            let place = &mut into.slots[usize::try_from(slot).unwrap()];
            *place = place.or(found);
            into.slot_of.push(slot);
        }
    }

    pub(crate) fn absorb(&mut self, changes: &Changes) {
        for Posting { minute, account, dims, usage } in changes.postings.iter().copied() {
            if Changes::keeps_slice(changes.clock, minute) {
                add(self.slices.entry((minute, account, dims)).or_default(), &usage);
            }
            add(self.hours.entry(HourKey { hour: minute.hour(), account, dims }).or_default(), &usage);
        }
        let today = changes.log_time.minute().day();
        for seen in &changes.seen {
            self.index.insert(seen.key, (today, seen.report));
        }
        for change in &changes.sessions {
            let id = SessionId { account: change.account, session: change.session };
            let new = ([change.first, change.last], Usage::ZERO);
            let (hull, usage) = self.sessions.entry(id).or_insert(new);
            *hull = [hull[0].min(change.first), hull[1].max(change.last)];
            add(usage, &change.usage);
        }
    }

    pub(crate) fn moving(&mut self, from: Minute, to: Minute, into: &mut Moving) {
        into.clear();
        let within = |low: Minute, high: Minute| {
            let range = (low.plus(1), AccountIx(0), DimsIx(0))..(high.plus(1), AccountIx(0), DimsIx(0));
            self.slices.range(range).map(|(&(minute, account, dims), &usage)| Posting {
                minute,
                account,
                dims,
                usage,
            })
        };
        into.entering.extend(within(from, to));
        for (window, leaving) in Window::SLIDING.into_iter().zip(&mut into.leaving) {
            let length = -window.minutes().unwrap();
            leaving.extend(within(from.plus(length), to.plus(length)));
        }
        self.slices.retain(|slice, _| Changes::keeps_slice(to, slice.0));
    }
}

fn add(sum: &mut Usage, usage: &Usage) {
    *sum = sum.checked_add(usage).unwrap();
}
