//! Levels of a signal: from a number to a status, with room between raising and clearing so that a value on the edge
//! does not chatter.

use ward_model::{SignalLevel, Status};

/// The status of a signal at `value` that was at `status` before.
pub(crate) fn cross(
    status: Status,
    value: f64,
    degraded: Option<SignalLevel>,
    unhealthy: Option<SignalLevel>,
) -> Status {
    let holds = |level: Option<SignalLevel>, raised: bool| {
        level.is_some_and(|level| value >= level.raise || (raised && value >= level.clear))
    };
    if holds(unhealthy, status == Status::Unhealthy) {
        Status::Unhealthy
    } else if holds(degraded, status >= Status::Degraded) {
        Status::Degraded
    } else {
        Status::Healthy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raises_and_clears_with_room_between() {
        let degraded = Some(SignalLevel {
            raise: 0.8,
            clear: 0.7,
        });
        let unhealthy = Some(SignalLevel {
            raise: 0.95,
            clear: 0.9,
        });
        let mut status = Status::Healthy;
        let seen: Vec<_> = [0.79, 0.8, 0.75, 0.69, 0.96, 0.92, 0.89, 0.75, 0.1]
            .into_iter()
            .map(|value| {
                status = cross(status, value, degraded, unhealthy);
                status
            })
            .collect();
        use Status::{Degraded as D, Healthy as H, Unhealthy as X};
        assert_eq!(seen, [H, D, D, H, X, X, D, D, H]);
    }
}
