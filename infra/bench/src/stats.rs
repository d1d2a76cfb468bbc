//! Percentiles and means of a handful of durations.

use serde::Serialize;

/// What a row of measurements comes down to, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// How many there were.
    pub count: usize,
    /// The middle one.
    pub median: f64,
    /// 95 of 100 are not above this one.
    pub p95: f64,
    /// The largest.
    pub max: f64,
    /// The mean of each rounded up to a whole millisecond, as Lambda bills them.
    pub billed: f64,
}

impl Spread {
    /// Sums up durations in milliseconds; all zero where there are none.
    pub fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let rounded: f64 = samples.iter().map(|sample| sample.ceil()).sum();
        Self {
            count: samples.len(),
            median: percentile(&samples, 50),
            p95: percentile(&samples, 95),
            max: percentile(&samples, 100),
            billed: rounded / samples.len().max(1) as f64,
        }
    }
}

/// The nearest-rank percentile of sorted samples.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let spread = Spread::of((1..=200).rev().map(f64::from).collect());
        assert_eq!(
            (spread.median, spread.p95, spread.max),
            (100.0, 190.0, 200.0)
        );
        assert_eq!(spread.billed, 100.5);
        let few = Spread::of(vec![3.0, 1.0, 2.0]);
        assert_eq!((few.median, few.p95), (2.0, 3.0));
        assert_eq!(Spread::of(vec![]).max, 0.0);
    }

    #[test]
    fn every_begun_millisecond_is_billed() {
        assert_eq!(Spread::of(vec![0.2, 1.0, 1.1, 3.7]).billed, 2.0);
    }
}
