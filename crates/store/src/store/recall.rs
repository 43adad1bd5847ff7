//! recall: the batch's event keys → what the index remembers of them, in one sorted sweep.

use tally_disk::Disk;
use tally_fold::{Batch, Probe, Recalled};

use super::{INDEX, Store, codec};
use crate::error::StoreError;

impl<D: Disk> Store<D> {
    /// Looks up the events of a batch, each in the generations that may hold it. Events that the fold knows to
    /// be fresh are not looked up.
    ///
    /// # Errors
    /// When a run cannot be read or is damaged.
    pub fn recall(&mut self, batch: &Batch, into: &mut Recalled) -> Result<(), StoreError> {
        self.reach(batch.log_time);
        into.slots.clear();
        into.slot_of.clear();
        into.slot_of.resize(batch.keys.len(), Recalled::NOT_LOOKED_UP);
        let mut asked: Vec<(&[u8; 16], usize, i32)> = Vec::with_capacity(batch.keys.len());
        for (place, (key, probe)) in batch.keys.iter().zip(&batch.probes).enumerate() {
            match probe {
                Probe::None => {}
                Probe::All => asked.push((key.bytes(), place, i32::MIN)),
                Probe::FromDay(day) => asked.push((key.bytes(), place, day.0)),
            }
        }
        if asked.is_empty() {
            return Ok(());
        }
        asked.sort_unstable();
        let (keys, since) = slots(&asked, &mut into.slot_of);
        into.slots.resize(keys.len(), None);
        let slots = &mut into.slots;
        let mut unreadable = None;
        let found = |place: usize, value: &[u8]| match codec::read_report(value) {
            Some(report) => slots[place] = Some(report),
            None => unreadable = Some(keys[place].to_vec()),
        };
        self.engine.sweep(INDEX, &keys, |place| since[place], found)?;
        match unreadable {
            None => Ok(()),
            Some(key) => Err(StoreError::Damaged {
                path: self.path.clone(),
                position: 0,
                what: format!("the index entry of event {key:02x?} is no report"),
            }),
        }
    }
}

/// Gives every distinct key a slot: the keys, and the first day that any of its askers wants.
fn slots<'k>(asked: &[(&'k [u8; 16], usize, i32)], slot_of: &mut [u32]) -> (Vec<&'k [u8]>, Vec<i32>) {
    let mut keys: Vec<&[u8]> = Vec::with_capacity(asked.len());
    let mut since: Vec<i32> = Vec::with_capacity(asked.len());
    for &(key, place, day) in asked {
        match since.last_mut() {
            Some(first) if keys.last() == Some(&key.as_slice()) => *first = day.min(*first),
            _ => {
                keys.push(key);
                since.push(day);
            }
        }
        slot_of[place] = u32::try_from(keys.len() - 1).expect("a batch has far fewer than 2^32 reports");
    }
    (keys, since)
}
