//! How days look: by night there is a twenty-fourth of the day, and at weekends a quarter.

use tally_domain::Hour;

use super::random::{Random, real, whole};

pub(super) const HOUR_MS: i64 = 3_600_000;

/// Where people live.
#[derive(Debug)]
pub(super) struct Zone {
    offset_hours: i32,
    pub(super) weight: f64,
}

pub(super) const ZONES: [Zone; 6] = [
    Zone { offset_hours: -8, weight: 0.3 },
    Zone { offset_hours: -5, weight: 0.22 },
    Zone { offset_hours: 0, weight: 0.12 },
    Zone { offset_hours: 1, weight: 0.16 },
    Zone { offset_hours: 5, weight: 0.12 },
    Zone { offset_hours: 9, weight: 0.08 },
];

/// Requests of a real service by hour of the day, from its midnight.
const BY_HOUR: [f64; 24] = [
    107.0, 66.0, 25.0, 20.0, 22.0, 35.0, 108.0, 231.0, 311.0, 445.0, 453.0, 382.0, 423.0, 479.0, 485.0,
    446.0, 379.0, 435.0, 461.0, 376.0, 374.0, 398.0, 325.0, 320.0,
];

/// How much happens by an instant, as a share of a whole span of hours.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    start_ms: i64,
    /// Share until the start of each hour, from 0; the last is 1.
    until: Vec<f64>,
}

impl Shape {
    /// `hours` from `start` on in a zone; `around_the_clock` is the share that knows no day: agents left alone.
    pub(super) fn new(start: Hour, hours: usize, zone: &Zone, around_the_clock: f64) -> Self {
        let mut until = vec![0.0];
        let mut sum = 0.0;
        let hour_of =
            |place: usize| start.0.saturating_add(i32::try_from(place).expect("spans are days, not ages"));
        for place in 0..hours {
            sum += busy(hour_of(place).saturating_add(zone.offset_hours))
                .mul_add(1.0 - around_the_clock, around_the_clock);
            until.push(sum);
        }
        for share in &mut until {
            *share /= sum;
        }
        Self { start_ms: start.start().start_ms(), until }
    }

    /// The instant by which a share in [0, 1) has happened.
    pub(super) fn at(&self, share: f64) -> i64 {
        let after = self.until.partition_point(|&until| until <= share).clamp(1, self.until.len() - 1);
        let (from, to) = (self.until[after - 1], self.until[after]);
        let within = ((share - from) / (to - from)).clamp(0.0, 1.0);
        let hours = i64::try_from(after - 1).expect("spans are days, not ages");
        self.start_ms + hours * HOUR_MS + whole(within * real(HOUR_MS - 1))
    }
}

/// How busy a local hour is; 1 is the mean of a working day.
fn busy(local_hour: i32) -> f64 {
    let hour = usize::try_from(local_hour.rem_euclid(24)).expect("a remainder of 24");
    // Day 0 was a Thursday.
    let weekend = matches!(local_hour.div_euclid(24).rem_euclid(7), 2 | 3);
    let mean = BY_HOUR.iter().sum::<f64>() / 24.0;
    BY_HOUR[hour] / mean * if weekend { 0.25 } else { 1.0 }
}

/// Between two calls of an agent's session, in ms: median 8 s, a tenth beyond 44 s, one in a hundred beyond 241 s.
pub(super) fn gap_ms(random: &mut Random) -> i64 {
    whole(random.lognormal(9.05, 1.32)).clamp(700, 4 * HOUR_MS)
}

/// Calls of a session: an agent's median is 32 and its longest some hundreds, a chat's mean is 1.8.
pub(super) fn session_calls(random: &mut Random, agent: bool) -> usize {
    let calls =
        if agent { random.lognormal(3.3, 1.2).min(300.0) } else { random.lognormal(0.3, 0.6).min(25.0) };
    usize::try_from(whole(calls).max(1)).expect("a session is short")
}

/// Mean of [`session_calls`], which tells how many sessions a number of calls is.
pub(super) fn session_calls_mean(agent: bool) -> f64 {
    if agent { 50.0 } else { 1.75 }
}
