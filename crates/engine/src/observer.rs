//! The observer's doubt about itself. The monitor is the likeliest liar: a process that was stopped, starved or cut
//! off sees everyone else fall silent.
//!
//! Pure policy over numbers; it knows no instance. The rules and their sources (Cassandra's local pause, Eureka's
//! self-preservation, the Kubernetes node controller, Lifeguard) are in the health model, "The observer".

use std::{collections::VecDeque, time::Duration};

use ward_model::{Mono, ObserverState, bounds::INTERVAL_MAX};

use crate::{Config, Tick};

/// A tick that comes after more than so many periods is late.
const LATE_TICKS: u32 = 4;
/// A gap over this also suspends conviction for one interval, and waiting for idle ingress ends after it.
const LONG_GAP: Duration = Duration::from_secs(1);
/// A whole gap is made up for if it is not over this, or if the last one so long is this far back. What is missed in
/// between comes out of a credit of [`CREDIT_MAX`], refilled by a [`CREDIT_SHARE`]th of the time that passes: who is
/// late all the time would otherwise move deadlines as fast as time, and find nobody lost ever again.
const LONG_GAPS_APART: Duration = Duration::from_secs(10);
const CREDIT_MAX: Duration = Duration::from_secs(1);
const CREDIT_SHARE: u32 = 8;
/// At most this share of the live may be convicted within [`CONVICTION_WINDOW`], in percent; one is always allowed.
const CONVICTION_PERCENT: usize = 15;
const CONVICTION_WINDOW: Duration = Duration::from_secs(1);
/// More candidates than this share of the live, in percent, and the view is degraded.
const DEGRADED_PERCENT: usize = 55;
/// Up to so many candidates can be a coincidence.
const COINCIDENCE: usize = 2;
/// Doubt never delays a conviction by more than so many leases, except when blind.
const DELAY_LEASES: u32 = 3;
/// Up to where each kind of doubt raises the score, by one at a time where nothing else is said: however often a tick
/// is a little late, that alone is no reason to disbelieve everything.
const SCORE_LATE: u8 = 2;
const SCORE_LONG_GAP: u8 = 4;
const SCORE_DEGRADED: u8 = 5;
const SCORE_MAX: u8 = 7;
/// The score falls by one for each such time without new doubt.
const SCORE_EASES: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Observer {
    guards: bool,
    tick: Duration,
    last: Option<Mono>,
    ingress: u64,
    /// After a late tick: nothing is judged until ingress was idle for a tick, or until then.
    draining: Option<Mono>,
    /// Until when a tick in time is awaited before a late one judges as well.
    patience: Option<Mono>,
    /// How much more missed time may be made up for; refilled as time passes.
    credit: Duration,
    /// When the last long gap ended.
    resumed: Option<Mono>,
    /// Convictions within the window.
    recent: VecDeque<(Mono, usize)>,
    /// When sight was last lost.
    blind_since: Mono,
    eased: Mono,
    pub(crate) state: ObserverState,
    pub(crate) late_ticks: u64,
}

/// What a tick means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Woken {
    /// Time in which this process could not listen; deadlines move by it.
    pub(crate) missed: Duration,
    /// Leases may be judged now.
    pub(crate) may_judge: bool,
}

/// How the view of the fleet changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    Same,
    WentBlind,
    Returned,
}

impl Observer {
    pub(crate) fn new(config: &Config, now: Mono) -> Self {
        Self {
            guards: config.guards,
            tick: config.tick,
            last: None,
            ingress: 0,
            draining: None,
            patience: None,
            credit: CREDIT_MAX,
            resumed: None,
            recent: VecDeque::new(),
            blind_since: now,
            eased: now,
            state: ObserverState {
                settling: true,
                ..ObserverState::default()
            },
            late_ticks: 0,
        }
    }

    /// Takes note of a tick.
    pub(crate) fn wake(&mut self, tick: Tick, now: Mono) -> Woken {
        let gap = self.last.map_or(Duration::ZERO, |last| now.since(last));
        let idle = tick.ingress == self.ingress;
        self.credit = (self.credit + gap / CREDIT_SHARE).min(CREDIT_MAX);
        (self.last, self.ingress) = (Some(now), tick.ingress);
        let late = gap > self.tick * LATE_TICKS;
        self.late_ticks += u64::from(late);
        if !self.guards {
            return Woken {
                missed: Duration::ZERO,
                may_judge: true,
            };
        }
        let gap = if late { gap } else { Duration::ZERO };
        let slept = tick.suspended > self.tick * LATE_TICKS;
        if late || slept {
            let long = slept || gap > LONG_GAP;
            self.doubt(if long { SCORE_LONG_GAP } else { SCORE_LATE }, now);
            if long && self.is_first_long(now) {
                self.draining = None;
            }
            self.draining.get_or_insert(now + LONG_GAP);
        }
        let missed = self.make_up_for(gap, now);
        if slept || gap > LONG_GAP {
            self.resumed = Some(now);
        }
        let waited = self.draining.is_some_and(|until| now >= until);
        if waited || (!late && !slept && idle) {
            self.draining = None;
        }
        let may_judge = self.draining.is_none() && (!late || self.is_patience_over(now));
        if may_judge {
            self.patience = None;
        }
        self.ease(now);
        Woken { missed, may_judge }
    }

    /// A late tick comes before what had queued up is read; by the one behind it that is done, if that comes in time.
    fn is_patience_over(&mut self, now: Mono) -> bool {
        now >= *self.patience.get_or_insert(now + LONG_GAP)
    }

    /// By how much deadlines move for a gap. The monotonic clock stands still while the machine sleeps, so that for
    /// sleep there is nothing to make up for.
    fn make_up_for(&mut self, gap: Duration, now: Mono) -> Duration {
        if gap > LONG_GAP && self.is_first_long(now) {
            return gap;
        }
        let missed = gap.min(self.credit);
        self.credit -= missed;
        missed
    }

    /// No long gap ended within the last [`LONG_GAPS_APART`].
    fn is_first_long(&self, now: Mono) -> bool {
        self.resumed.is_none_or(|last| now.since(last) >= LONG_GAPS_APART)
    }

    /// Judges the view when somebody is due for conviction, and looks whether an earlier doubt is over.
    pub(crate) fn look(
        &mut self,
        candidates: usize,
        fresh: usize,
        somebody_is_due: bool,
        now: Mono,
    ) -> Sight {
        if !self.guards {
            return Sight::Same;
        }
        let many =
            candidates > COINCIDENCE && (somebody_is_due || self.state.degraded_view || self.state.blind);
        let (was_blind, live) = (self.state.blind, candidates + fresh);
        self.state.degraded_view = many && candidates * 100 > live * DEGRADED_PERCENT;
        self.state.blind = many && fresh == 0;
        if self.state.blind {
            self.state.score = SCORE_MAX;
            self.eased = now;
        } else if self.state.degraded_view {
            self.state.score = self.state.score.max(SCORE_DEGRADED);
            self.eased = now;
        }
        match (was_blind, self.state.blind) {
            (false, true) => {
                self.blind_since = now;
                Sight::WentBlind
            }
            (true, false) => Sight::Returned,
            _ => Sight::Same,
        }
    }

    /// How many of `due` may be convicted now, of so many live.
    pub(crate) fn allowance(&mut self, live: usize, now: Mono) -> usize {
        if !self.guards {
            return usize::MAX;
        }
        while self
            .recent
            .front()
            .is_some_and(|&(at, _)| now.since(at) >= CONVICTION_WINDOW)
        {
            self.recent.pop_front();
        }
        let used: usize = self.recent.iter().map(|&(_, count)| count).sum();
        // Those convicted within the window were live when it began.
        let allowed = ((live + used) * CONVICTION_PERCENT / 100).max(1);
        allowed.saturating_sub(used)
    }

    pub(crate) fn note_convictions(&mut self, count: usize, now: Mono) {
        if count > 0 && self.guards {
            self.recent.push_back((now, count));
        }
    }

    /// How long ago sight was last lost.
    pub(crate) fn blind_for(&self, now: Mono) -> Duration {
        now.since(self.blind_since)
    }

    /// Conviction of one with this interval is suspended: the long gap is not over for that long. An hour is enough for
    /// whatever had queued up, and one gap a day must not spare a nightly job for ever.
    pub(crate) fn suspends(&self, interval: Duration, now: Mono) -> bool {
        let interval = interval.min(INTERVAL_MAX);
        self.resumed.is_some_and(|resumed| now < resumed + interval)
    }

    /// One that was due at `due` has been spared long enough.
    pub(crate) fn is_overdue(due: Mono, lease: Duration, now: Mono) -> bool {
        now >= due + lease * DELAY_LEASES
    }

    fn doubt(&mut self, ceiling: u8, now: Mono) {
        let raised = (self.state.score + 1).min(ceiling);
        self.state.score = self.state.score.max(raised);
        self.eased = now;
    }

    fn ease(&mut self, now: Mono) {
        if self.state.score > 0 && now.since(self.eased) >= SCORE_EASES {
            self.state.score -= 1;
            self.eased = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn observer() -> Observer {
        Observer::new(&Config::default(), Mono(0))
    }

    fn tick(ingress: u64) -> Tick {
        Tick {
            ingress,
            ..Tick::default()
        }
    }

    #[test]
    fn a_late_tick_waits_for_idle_ingress() {
        let mut observer = observer();
        assert!(observer.wake(tick(5), Mono(0)).may_judge);
        assert!(
            observer.wake(tick(9), Mono(40 * MS)).may_judge,
            "four periods are in time"
        );
        let late = observer.wake(tick(9), Mono(81 * MS));
        assert_eq!(
            late,
            Woken {
                missed: Duration::from_millis(41),
                may_judge: false
            }
        );
        assert!(
            !observer.wake(tick(12), Mono(91 * MS)).may_judge,
            "reports are still coming in"
        );
        assert!(observer.wake(tick(12), Mono(101 * MS)).may_judge);
        assert_eq!(observer.late_ticks, 1);
    }

    #[test]
    fn ingress_that_never_idles_delays_by_a_second_at_most() {
        let mut observer = observer();
        observer.wake(tick(0), Mono(0));
        observer.wake(tick(1), Mono(5_000 * MS));
        let first = (1..200).find(|&n| observer.wake(tick(1 + n), Mono((5_000 + 10 * n) * MS)).may_judge);
        assert_eq!(first, Some(100));
        assert!(observer.suspends(Duration::from_secs(2), Mono(6_999 * MS)));
        assert!(!observer.suspends(Duration::from_secs(2), Mono(7_000 * MS)));
    }

    #[test]
    fn a_gap_suspends_for_an_hour_at_most() {
        let mut observer = observer();
        observer.wake(tick(0), Mono(0));
        observer.wake(tick(1), Mono(5_000 * MS));
        let (month, hour) = (Duration::from_secs(31 * 24 * 3_600), 3_600_000 * MS);
        assert!(observer.suspends(month, Mono(5_000 * MS + hour - 1)));
        assert!(!observer.suspends(month, Mono(5_000 * MS + hour)));
    }

    #[test]
    fn suspension_of_the_machine_counts_as_a_gap() {
        let mut observer = observer();
        observer.wake(tick(0), Mono(0));
        let woken = observer.wake(
            Tick {
                suspended: Duration::from_secs(60),
                ..tick(0)
            },
            Mono(10 * MS),
        );
        assert_eq!(
            woken,
            Woken {
                missed: Duration::ZERO,
                may_judge: false
            }
        );
        assert!(observer.suspends(Duration::from_secs(1), Mono(20 * MS)));
    }

    #[test]
    fn two_clocks_read_one_after_the_other_are_no_sleep() {
        let mut observer = observer();
        observer.wake(tick(0), Mono(0));
        let jitter = Tick {
            suspended: Duration::from_micros(37),
            ..tick(5)
        };
        assert!(observer.wake(jitter, Mono(10 * MS)).may_judge);
    }

    #[test]
    fn one_who_is_always_late_moves_deadlines_slower_than_time() {
        let mut observer = observer();
        let (mut missed, mut judged) = (Duration::ZERO, 0);
        for n in 0..1_200 {
            let woken = observer.wake(tick(n), Mono(n * 50 * MS));
            missed += woken.missed;
            judged += u32::from(woken.may_judge);
        }
        assert!(missed < Duration::from_secs(60 / 8 + 2), "{missed:?} of a minute");
        assert!(judged >= 25, "{judged} times of 1,200");
    }

    #[test]
    fn at_most_15_percent_in_any_second_and_always_one() {
        let mut observer = observer();
        assert_eq!(observer.allowance(3, Mono(0)), 1);
        assert_eq!(observer.allowance(1000, Mono(0)), 150);
        observer.note_convictions(100, Mono(0));
        assert_eq!(observer.allowance(900, Mono(999 * MS)), 50);
        observer.note_convictions(50, Mono(999 * MS));
        assert_eq!(observer.allowance(850, Mono(999 * MS)), 0);
        assert_eq!(
            observer.allowance(850, Mono(1_000 * MS)),
            (850 + 50) * 15 / 100 - 50
        );
    }

    #[test]
    fn degraded_over_55_percent_and_blind_at_all() {
        let mut observer = observer();
        observer.look(550, 450, true, Mono(0));
        assert!(!observer.state.degraded_view);
        observer.look(551, 449, true, Mono(0));
        assert!(observer.state.degraded_view && !observer.state.blind);
        assert_eq!(observer.look(1000, 0, true, Mono(0)), Sight::WentBlind);
        assert_eq!(observer.state.score, 7);
        assert_eq!(observer.look(999, 1, false, Mono(0)), Sight::Returned);
        observer.look(2, 0, true, Mono(0));
        assert!(
            !observer.state.degraded_view && !observer.state.blind,
            "two can be a coincidence"
        );
    }

    #[test]
    fn the_score_eases_and_small_doubts_do_not_add_up() {
        let mut observer = observer();
        let mut now = 0;
        for _ in 0..10 {
            now += 50;
            observer.wake(tick(0), Mono(now * MS));
        }
        assert_eq!(observer.state.score, 2);
        now += 2_000;
        observer.wake(tick(0), Mono(now * MS));
        assert_eq!(observer.state.score, 3);
        let began = now;
        while observer.state.score > 0 && now < began + 60_000 {
            now += 10;
            observer.wake(tick(0), Mono(now * MS));
        }
        assert_eq!(now - began, 30_000);
    }
}
