//! Which snapshots are kept: all of an hour, the first of each hour for seven days, the first of each UTC day for
//! 400 days. Ages are counted from snapshots, never from a wall clock.

use tally_clickhouse::rows::KeepCode;
use tally_domain::Minute;

/// A partition of the tables of snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its id in ClickHouse.
    pub id: String,
    /// How long its snapshots are kept.
    pub keep: KeepCode,
    /// The newest minute in it.
    pub newest: Minute,
}

/// How long the next snapshot is kept: the first of its day or hour stands for it.
#[must_use]
pub fn keep(previous: Option<Minute>, as_of: Minute) -> KeepCode {
    match previous {
        Some(previous) if previous.day() >= as_of.day() && previous.hour() >= as_of.hour() => KeepCode::All,
        Some(previous) if previous.day() >= as_of.day() => KeepCode::Hourly,
        _ => KeepCode::Daily,
    }
}

/// Those whose time is over. Ages are counted from the snapshot that was the newest until now, because somebody may be
/// reading it still: after a long pause it is old itself, and goes with the next.
pub fn expired(kept: &[Kept], previous: Minute) -> impl Iterator<Item = &Kept> {
    kept.iter().filter(move |partition| {
        let minutes = match partition.keep {
            KeepCode::All => 60,
            KeepCode::Hourly => 7 * 1_440,
            KeepCode::Daily => 400 * 1_440,
        };
        partition.newest.plus(minutes) <= previous
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_an_hour_and_of_a_day_are_kept_longer() {
        let day = 1_440 * 20_000;
        let at = |minute| Minute(day + minute);
        assert_eq!(keep(None, at(5)), KeepCode::Daily);
        assert_eq!(keep(Some(at(5)), at(59)), KeepCode::All);
        assert_eq!(keep(Some(at(59)), at(60)), KeepCode::Hourly);
        assert_eq!(keep(Some(at(1_439)), at(1_440)), KeepCode::Daily);
        assert_eq!(keep(Some(at(60)), at(60)), KeepCode::All);
    }

    #[test]
    fn a_partition_expires_once_its_newest_snapshot_is_old_enough() {
        let partition = |keep, newest| Kept { id: format!("{keep:?}"), keep, newest: Minute(newest) };
        let kept =
            [partition(KeepCode::All, 0), partition(KeepCode::Hourly, 0), partition(KeepCode::Daily, 0)];
        let gone = |previous| expired(&kept, Minute(previous)).map(|kept| kept.keep).collect::<Vec<_>>();
        assert_eq!(gone(0), []);
        assert_eq!(gone(59), []);
        assert_eq!(gone(60), [KeepCode::All]);
        assert_eq!(gone(7 * 1_440 - 1), [KeepCode::All]);
        assert_eq!(gone(7 * 1_440), [KeepCode::All, KeepCode::Hourly]);
        assert_eq!(gone(400 * 1_440 - 1).len(), 2);
        assert_eq!(gone(400 * 1_440).len(), 3);
    }
}
