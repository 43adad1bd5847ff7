//! Draws from one seed. Floats are fine here: what is simulated is rounded before it is an event.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// A stream of draws.
#[derive(Clone, Debug)]
pub(super) struct Random {
    source: Xoshiro256PlusPlus,
    /// The other half of the last pair of normal draws.
    spare: Option<f64>,
}

impl Random {
    /// A stream of its own for every `purpose` under one seed.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        Self { source: Xoshiro256PlusPlus::seed_from_u64(mix(seed, purpose)), spare: None }
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.source.next_u64()
    }

    /// Uniform in [0, 1), in steps of 2⁻³².
    pub(super) fn unit(&mut self) -> f64 {
        let [_, _, _, _, a, b, c, d] = self.bits().to_le_bytes();
        f64::from(u32::from_le_bytes([a, b, c, d])) / 4_294_967_296.0
    }

    /// True so many times in a million.
    pub(super) fn happens(&mut self, per_million: u32) -> bool {
        self.unit() * 1e6 < f64::from(per_million)
    }

    /// One of `count` places; `count` is at least 1.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let scaled = u128::from(self.bits()) * u128::try_from(count).expect("a count is below 2^64");
        let place = scaled >> 64;
        usize::try_from(place).expect("a place below a usize is one")
    }

    /// A place by weight; weights are not all zero.
    pub(super) fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut left = self.unit() * weights.clone().sum::<f64>();
        let mut last = 0;
        for (place, weight) in weights.enumerate() {
            last = place;
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        last
    }

    /// Normal with mean 0 and deviation 1, two at a time by the method of Box and Muller.
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * self.unit()).sin_cos();
        self.spare = Some(radius * sine);
        radius * cosine
    }

    pub(super) fn lognormal(&mut self, mu: f64, sigma: f64) -> f64 {
        self.normal().mul_add(sigma, mu).exp()
    }

    /// Exponential with mean 1.
    pub(super) fn exponential(&mut self) -> f64 {
        -(1.0 - self.unit()).ln()
    }
}

/// One number from two, spread over all bits.
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a ^ b.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x6a09_e667_f3bc_c909);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The whole number nearest to a draw; draws are far within 2⁵³, and below zero there are none.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "the one place where a draw becomes a count; `as` saturates, and NaN becomes 0"
)]
pub(super) fn whole(draw: f64) -> i64 {
    (draw.round() as i64).max(0)
}

/// A count as a factor; counts here are far below 2⁵³.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "the one place where a count becomes a factor"
)]
pub(super) fn real(count: i64) -> f64 {
    count as f64
}

pub(super) fn real_of(count: usize) -> f64 {
    real(i64::try_from(count).expect("a length is below 2^63"))
}

/// Where the normal distribution has so much below it; Acklam's approximation, good to nine digits.
pub(super) fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] =
        [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416];
    let polynomial =
        |factors: &[f64], x: f64| factors.iter().fold(0.0, |sum: f64, factor| sum.mul_add(x, *factor));
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        polynomial(&C, q) / polynomial(&D, q).mul_add(q, 1.0)
    };
    if p < 0.024_25 {
        tail(p)
    } else if p > 1.0 - 0.024_25 {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        let r = q * q;
        polynomial(&A, r) * q / polynomial(&B, r).mul_add(r, 1.0)
    }
}
