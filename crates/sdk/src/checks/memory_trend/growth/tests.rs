//! Processes that are made up: those that leak are suspected, at some time; those that do not, never.

use proptest::prelude::*;

use super::*;

const MINUTE: u64 = 60;
const WINDOW: Duration = Duration::from_secs(60 * MINUTE);
const MIB: f64 = 1_048_576.0;

/// Every suspicion while `resident` (MiB at a minute) runs for `minutes`, sampled every half of one.
fn suspicions(minutes: u32, resident: impl Fn(f64) -> f64) -> Vec<Growth> {
    let mut trend = Trend::new(Duration::from_secs(10 * MINUTE), WINDOW);
    let mut found = Vec::new();
    for sample in 0..minutes * 2 {
        let now = Mono::default() + Duration::from_secs(u64::from(sample) * MINUTE / 2);
        trend.add((resident(f64::from(sample) / 2.0) * MIB) as u64, now);
        assert!(trend.slots.len() <= SLOTS + 1);
        // Asked twice a slot: between samples of one slot little changes, and most of the time goes here.
        if sample % 5 == 0 {
            found.extend(trend.growth());
        }
    }
    found
}

/// Between -1 and 1, the same for the same minute.
fn noise(seed: u64, minute: f64) -> f64 {
    let mixed = (seed ^ minute.to_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

#[test]
fn no_word_before_warm_up_and_a_window_have_passed() {
    assert_eq!(suspicions(70, |minute| 100.0 + minute), []);
    assert_eq!(
        suspicions(72, |minute| 100.0 + minute)[0],
        Growth {
            bytes_per_hour: 60.0 * MIB,
            lowest: 165 << 20,
        }
    );
}

/// Eight samples of half a minute are a little more than a round: the lowest that they meet creeps up the tooth.
#[test]
fn a_saw_in_nearly_the_rhythm_of_the_samples_is_no_leak() {
    assert_eq!(
        suspicions(100, |minute| 50.0 + 770.0 * (minute % 3.98) / 3.98),
        []
    );
}

#[test]
fn a_few_wrong_points_move_no_slope() {
    let mut points: Vec<(f64, f64)> = (0..12)
        .map(|hour| (f64::from(hour), 10.0 * f64::from(hour)))
        .collect();
    points[3].1 = 1_000.0;
    points[8].1 = -1_000.0;
    assert_eq!(slope(&points), Some(10.0));
    assert_eq!(slope(&points[..1]), None);
    assert_eq!(growth(&[], 0.0), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_leak_is_found_through_noise_and_teeth(
        base in 50.0..1_000.0_f64,
        rate in 0.5..10.0_f64,
        // In halves of a minute, as it is sampled: the lowest point is seen each time.
        tooth in 2_u32..10,
        // In what leaks in a minute: a third of what leaks over the window.
        height in 0.0..18.0_f64,
        seed: u64,
    ) {
        let tooth = f64::from(tooth) / 2.0;
        // A collector that goes round within a slot, and noise of up to what leaks in two minutes.
        let found = suspicions(180, |minute| {
            base + rate * minute + rate * height * (minute % tooth) / tooth + 2.0 * rate * noise(seed, minute)
        });
        prop_assert!(!found.is_empty());
    }

    #[test]
    fn a_leaks_rate_is_told_well(rate in 0.5..10.0_f64, seed: u64) {
        for growth in suspicions(180, |minute| 300.0 + rate * minute + rate * noise(seed, minute)) {
            let told = growth.bytes_per_hour / MIB / 60.0;
            prop_assert!((told / rate - 1.0).abs() < 0.15, "{} instead of {}", told, rate);
        }
    }

    #[test]
    fn a_garbage_collectors_saw_is_no_leak(
        base in 50.0..2_000.0_f64,
        tooth in 1.0..55.0_f64,
        phase in 0.0..55.0_f64,
        height in 1.0..2_000.0_f64,
        seed: u64,
    ) {
        let found = suspicions(400, |minute| {
            base + height * ((minute + phase) % tooth) / tooth + 0.02 * height * noise(seed, minute)
        });
        prop_assert_eq!(found, []);
    }

    #[test]
    fn a_cache_that_fills_up_slower_and_slower_is_no_leak(
        base in 50.0..2_000.0_f64,
        size in 1.0..4_000.0_f64,
        // Minutes after which 63 % are full.
        filling in 1.0..40.0_f64,
        seed: u64,
    ) {
        let found = suspicions(600, |minute| {
            base + size * (1.0 - (-minute / filling).exp()) + 0.002 * size * noise(seed, minute)
        });
        prop_assert_eq!(found, []);
    }

    #[test]
    fn a_cache_that_fills_evenly_and_is_full_in_time_is_no_leak(
        base in 50.0..2_000.0_f64,
        size in 1.0..4_000.0_f64,
        // Warm-up and a good half of the window.
        full_after in 1.0..50.0_f64,
        seed: u64,
    ) {
        let found = suspicions(300, |minute| {
            base + size * (minute / full_after).min(1.0) + 0.002 * size * noise(seed, minute)
        });
        prop_assert_eq!(found, []);
    }

    #[test]
    fn what_stays_where_it_is_is_no_leak(base in 50.0..2_000.0_f64, noisy in 0.0..50.0_f64, seed: u64) {
        prop_assert_eq!(suspicions(600, |minute| base + noisy * noise(seed, minute)), []);
    }

    #[test]
    fn what_shrinks_is_no_leak(rate in 0.0..2.0_f64, seed: u64) {
        prop_assert_eq!(suspicions(300, |minute| 2_000.0 - rate * minute + noise(seed, minute)), []);
    }
}
