//! The bytes of one file, as readers see them and as the platter holds them.

use std::sync::Arc;

use super::random::Random;

/// The device writes this much at once or not at all.
const SECTOR_BYTES: usize = 512;

/// Durable are `now[..stable]` and then `durable_tail`; readers see `now`.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    now: Arc<Vec<u8>>,
    stable: usize,
    durable_tail: Vec<u8>,
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.now.len()).expect("a length fits 64 bits")
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        Arc::make_mut(&mut self.now).extend_from_slice(bytes);
    }

    pub(super) fn read_at(&self, offset: u64, into: &mut [u8]) -> usize {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.now.len());
        let read = into.len().min(self.now.len() - from);
        into[..read].copy_from_slice(&self.now[from..from + read]);
        read
    }

    pub(super) fn sync(&mut self) {
        self.stable = self.now.len();
        self.durable_tail.clear();
    }

    pub(super) fn truncate(&mut self, len: u64) {
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(self.now.len());
        if len < self.stable {
            // What was durable stays so until the next sync: keep it for the crash.
            let mut tail = self.now[len..self.stable].to_vec();
            tail.append(&mut self.durable_tail);
            self.durable_tail = tail;
            self.stable = len;
        }
        Arc::make_mut(&mut self.now).truncate(len);
    }

    pub(super) fn damage(&mut self, offset: u64, mask: u8) -> bool {
        let Ok(at) = usize::try_from(offset) else { return false };
        match Arc::make_mut(&mut self.now).get_mut(at) {
            Some(byte) => *byte ^= mask,
            None => return false,
        }
        true
    }

    /// What a loss of power leaves: all that was synced, and of the rest what the lots say.
    pub(super) fn crash(&mut self, random: &mut Random) {
        let mut durable = self.now[..self.stable].to_vec();
        durable.append(&mut self.durable_tail);
        let left = match random.up_to(3) {
            0 => durable,
            1 => self.now.to_vec(),
            2 => self.torn(random, durable),
            _ => self.perforated(random, &durable),
        };
        self.stable = left.len();
        self.now = Arc::new(left);
    }

    /// The unsynced bytes stop anywhere; without any, it is the durable ones that stay.
    fn torn(&self, random: &mut Random, durable: Vec<u8>) -> Vec<u8> {
        if self.now.len() <= durable.len() {
            return durable;
        }
        let len = durable.len() + random.up_to(self.now.len() - durable.len());
        if durable.len() > self.stable { durable } else { self.now[..len].to_vec() }
    }

    /// The length is the new one, but each unsynced sector is new, old or empty on its own.
    fn perforated(&self, random: &mut Random, durable: &[u8]) -> Vec<u8> {
        let mut left = self.now.to_vec();
        let mut at = self.stable;
        while at < left.len() {
            let end = left.len().min((at / SECTOR_BYTES + 1) * SECTOR_BYTES);
            if random.coin() {
                for (position, byte) in left.iter_mut().enumerate().take(end).skip(at) {
                    *byte = durable.get(position).copied().unwrap_or(0);
                }
            }
            at = end;
        }
        left
    }
}
