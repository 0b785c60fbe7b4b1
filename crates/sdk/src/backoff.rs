//! How long to wait before trying again. Pure: chance is an argument.

use std::time::Duration;

use ward_proto::v1::RejectionCode;

/// The first pause after a lost connection.
const FIRST: Duration = Duration::from_millis(100);
/// The longest. A reporter has to be back within 2 s of the aggregator's return, so it asks at least once a second;
/// full jitter spreads a fleet over that second.
const LONGEST: Duration = Duration::from_secs(1);
/// The shortest: full jitter alone may draw none at all.
const SHORTEST: Duration = Duration::from_millis(50);

/// The longest wait a watcher can be asked for: who watches wants to see the restart, and need not register.
pub(crate) const ASKED_MAX: Duration = Duration::from_secs(5);

/// The pause before watching again where `asked` was asked for: not less, and up to half as much more, so that those who
/// were told the same do not come back as one. `random` in 0..1.
pub(crate) fn watch_again(asked: Duration, random: f64) -> Duration {
    asked.min(ASKED_MAX).mul_f64(1.0 + random / 2.0)
}

/// The pause before connecting again after `failures` in a row. `random` in 0..1.
pub(crate) fn reconnect(failures: u32, random: f64) -> Duration {
    let most = FIRST.saturating_mul(1 << failures.min(8)).min(LONGEST);
    most.mul_f64(random).max(SHORTEST)
}

/// The pause before saying hello again after `refusals` in a row, for the reason `code`. `random` in 0..1.
pub(crate) fn hello_again(code: RejectionCode, refusals: u32, random: f64) -> Duration {
    let (first, most) = match code {
        // Its own state is old: saying hello mends it.
        RejectionCode::UnknownHandle | RejectionCode::Replayed | RejectionCode::Forgotten => (100, 5_000),
        // The place is free while the other is suspect, which may be for no more than a second.
        RejectionCode::AlreadyExists => (1_000, 1_000),
        RejectionCode::Exhausted => (1_000, 30_000),
        // People grant rights, and do so while the aggregator runs: asked soon enough that they see it work.
        RejectionCode::Denied => (5_000, 60_000),
        // Only people can mend these.
        RejectionCode::Superseded | RejectionCode::Invalid | RejectionCode::Unspecified => (30_000, 60_000),
    };
    let pause = Duration::from_millis(first).saturating_mul(1 << refusals.min(8));
    pause.min(Duration::from_millis(most)).mul_f64(0.5 + random / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_waits_as_asked_within_bounds() {
        let second = Duration::from_secs(1);
        assert_eq!(watch_again(Duration::ZERO, 0.9), Duration::ZERO);
        assert_eq!(watch_again(second, 0.0), second);
        assert_eq!(watch_again(second, 1.0), second * 3 / 2);
        assert_eq!(watch_again(second * 3_600, 0.0), second * 5);
    }

    #[test]
    fn grows_to_its_bound_and_never_spins() {
        assert_eq!(reconnect(0, 0.999_999).as_millis(), 99);
        assert!((0..100).all(|failures| reconnect(failures, 1.0) <= LONGEST));
        assert!((0..100).all(|failures| reconnect(failures, 0.0) == SHORTEST));
        assert_eq!(
            hello_again(RejectionCode::Forgotten, 0, 0.0),
            Duration::from_millis(50)
        );
        assert_eq!(
            hello_again(RejectionCode::AlreadyExists, u32::MAX, 1.0),
            Duration::from_secs(1)
        );
        assert_eq!(
            hello_again(RejectionCode::Denied, u32::MAX, 1.0),
            Duration::from_secs(60)
        );
        assert!(hello_again(RejectionCode::Denied, 0, 0.0) >= LONGEST);
        assert!(hello_again(RejectionCode::Superseded, 0, 0.0) >= Duration::from_secs(15));
    }
}
