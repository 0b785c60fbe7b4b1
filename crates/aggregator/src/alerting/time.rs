//! Time for the machine: wall time that never runs backwards, and passes as monotonic time does.
//!
//! A clock that is set back is not followed. One that jumps ahead is: it had been wrong, or the machine slept, and nobody
//! watched meanwhile either way. What people say by the clock, such as until when they work on something, is told to the
//! machine in its own time ([`Time::of`]): it would be over before its time, or never begin, after a clock was set back.

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
    pub(super) fn start(now: Now) -> Self {
        let Now { mono, wall } = now;
        Self { wall, mono }
    }

    /// What time it is, and if it jumped, what it was before.
    pub(super) fn pass(&mut self, now: Now) -> (Wall, Option<Wall>) {
        let steady = self.steady(now);
        if !jumped(now, steady) {
            return (steady, None);
        }
        *self = Self {
            wall: now.wall,
            mono: now.mono,
        };
        (now.wall, Some(steady))
    }

    /// When it is here what the clock calls `moment`. A jump that was not passed yet counts as if it was.
    pub(super) fn of(&self, moment: Wall, now: Now) -> Wall {
        let steady = self.steady(now);
        if jumped(now, steady) {
            return moment;
        }
        let from_now = moment.0.saturating_sub(now.wall.0);
        Wall(steady.0.saturating_add(from_now))
    }

    fn steady(&self, now: Now) -> Wall {
        let passed = i64::try_from(now.mono.since(self.mono).as_millis()).unwrap_or(i64::MAX);
        Wall(self.wall.0.saturating_add(passed))
    }
}

fn jumped(now: Now, steady: Wall) -> bool {
    now.wall.0.saturating_sub(steady.0) >= JUMP_MS
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
        let mut time = Time::start(at(0, 1_000_000));
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

    #[test]
    fn what_the_clock_says_is_as_far_from_now_here() {
        let at = |ms: u64, wall: i64| Now {
            mono: Mono(ms * 1_000_000),
            wall: Wall(wall),
        };
        let time = Time::start(at(0, 10_000_000));
        // Set back by 9,000 s.
        let now = at(2_000, 1_002_000);
        assert_eq!(time.of(Wall(1_002_000), now), Wall(10_002_000));
        assert_eq!(time.of(Wall(1_602_000), now), Wall(10_602_000));
        // It jumped, and that is passed next.
        assert_eq!(time.of(Wall(20_600_000), at(2_000, 20_000_000)), Wall(20_600_000));
    }
}
