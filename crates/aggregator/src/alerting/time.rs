//! Time for the machine: wall time that never runs backwards, and passes as monotonic time does.
//!
//! A clock that is set back is not followed. One that jumps ahead is: it had been wrong, or the machine slept, and nobody
//! watched meanwhile either way.

use ward_chassis::Clock;
use ward_model::{Mono, Now, Wall};

/// More than clocks drift apart between two steps.
const JUMP_MS: i64 = 5_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Time {
    wall: Wall,
    mono: Mono,
}

impl Time {
    pub(super) fn start(clock: &Clock) -> Self {
        let Now { mono, wall } = clock.now();
        Self { wall, mono }
    }

    /// What time it is, and if it jumped, what it was before.
    pub(super) fn pass(&mut self, now: Now) -> (Wall, Option<Wall>) {
        let passed = i64::try_from(now.mono.since(self.mono).as_millis()).unwrap_or(i64::MAX);
        let steady = Wall(self.wall.0.saturating_add(passed));
        if now.wall.0.saturating_sub(steady.0) < JUMP_MS {
            return (steady, None);
        }
        *self = Self {
            wall: now.wall,
            mono: now.mono,
        };
        (now.wall, Some(steady))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_runs_backwards_and_says_when_it_jumped() {
        let at = |ms: u64, wall: i64| Now {
            mono: Mono(ms * 1_000_000),
            wall: Wall(wall),
        };
        let mut time = Time {
            wall: Wall(1_000_000),
            mono: Mono(0),
        };
        assert_eq!(time.pass(at(1_000, 1_001_000)), (Wall(1_001_000), None));
        // Set back by an hour.
        assert_eq!(time.pass(at(2_000, -2_598_000)), (Wall(1_002_000), None));
        // A little ahead.
        assert_eq!(time.pass(at(3_000, 1_007_999)), (Wall(1_003_000), None));
        // Asleep for an hour.
        assert_eq!(
            time.pass(at(4_000, 4_604_000)),
            (Wall(4_604_000), Some(Wall(1_004_000)))
        );
        assert_eq!(time.pass(at(5_000, 4_605_000)), (Wall(4_605_000), None));
    }
}
