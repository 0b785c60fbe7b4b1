//! The plan, in made-up time.

use ward_config::{Days, Window, Zone};
use ward_model::Mono;

use super::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// An event reaches the engine this much after the look that it comes from.
const LATER: i64 = 3;

fn bank() -> Name {
    Name::service("bank").unwrap()
}

fn fixed(start: i64, end: i64) -> Window {
    Window::fixed(Wall(start), Wall(end), "planned".into()).unwrap()
}

/// One service with its windows and an engine that has nothing but maintenance.
struct Bank {
    kept: Kept,
    windows: Vec<Window>,
    current: Option<Maintenance>,
}

impl Bank {
    fn with(windows: Vec<Window>) -> Self {
        Self {
            kept: Kept::default(),
            windows,
            current: None,
        }
    }

    fn start(&mut self, by: &str, why: &str, now: i64, end: Option<i64>) -> Maintenance {
        let maintenance = Maintenance {
            service: bank(),
            by: by.into(),
            why: why.into(),
            start: Wall(now),
            end: end.map(Wall),
        };
        self.current = Some(maintenance.clone());
        maintenance
    }

    fn look_after(&mut self, now: i64, jumped: bool) -> Act {
        self.kept.plan(&bank(), &self.windows, Wall(now));
        let act = self.kept.act(self.current.as_ref(), Wall(now), jumped);
        let before = self.current.clone();
        let ends = |duration: &Duration| Some(now + LATER + i64::try_from(duration.as_millis()).unwrap());
        let started = match &act {
            Act::Start { why, duration } => Some(self.start(BY, why, now + LATER, ends(duration))),
            Act::Restore { by, why, duration } => Some(self.start(by, why, now + LATER, ends(duration))),
            Act::End => {
                self.current = None;
                None
            }
            Act::Nothing => None,
        };
        self.kept.done(&act, before, started);
        act
    }

    fn look(&mut self, now: i64) -> Act {
        self.look_after(now, false)
    }

    fn end(&self) -> Option<i64> {
        self.current
            .as_ref()
            .and_then(|current| current.end)
            .map(|end| end.0)
    }
}

fn starts(minutes: u64) -> Act {
    Act::Start {
        why: "planned".into(),
        duration: Duration::from_secs(minutes * 60),
    }
}

#[test]
fn a_window_is_started_once_with_what_remains_of_it() {
    let mut bank = Bank::with(vec![fixed(HOUR, 2 * HOUR)]);
    assert_eq!(bank.look(0), Act::Nothing);
    assert_eq!(bank.kept.next_look, Wall(HOUR));
    assert_eq!(bank.kept.upcoming.as_ref().unwrap().start, Wall(HOUR));
    assert_eq!(bank.look(HOUR + 15 * MINUTE), starts(45));
    assert_eq!(bank.kept.next_look, Wall(2 * HOUR));
    assert_eq!(bank.kept.upcoming, None);
    assert_eq!(bank.look(HOUR + 20 * MINUTE), Act::Nothing);
    // The engine's clock ends it a moment before the wall clock does.
    bank.current = None;
    assert_eq!(bank.look(2 * HOUR - 1), Act::Nothing);
    assert_eq!(bank.look(2 * HOUR), Act::Nothing);
}

#[test]
fn windows_that_overlap_are_open_until_the_last_closes() {
    let mut bank = Bank::with(vec![fixed(HOUR, 3 * HOUR), fixed(2 * HOUR, 4 * HOUR)]);
    assert_eq!(bank.look(HOUR), starts(120));
    assert_eq!(bank.kept.next_look, Wall(2 * HOUR));
    assert_eq!(bank.look(2 * HOUR), starts(120));
    assert_eq!(bank.end(), Some(4 * HOUR + LATER));
    assert_eq!(bank.look(3 * HOUR), Act::Nothing);
}

#[test]
fn an_operators_longer_one_is_left_alone_and_a_shorter_one_is_made_longer() {
    for (end, expected) in [
        (None, Act::Nothing),
        (Some(2 * HOUR), Act::Nothing),
        (Some(2 * HOUR - 1), starts(60)),
    ] {
        let mut bank = Bank::with(vec![fixed(HOUR, 2 * HOUR)]);
        bank.start("anna", "by hand", 0, end);
        assert_eq!(bank.look(HOUR), expected, "{end:?}");
        assert_eq!(bank.look(HOUR + 1), Act::Nothing, "{end:?}");
    }
}

#[test]
fn what_an_operator_ended_or_replaced_stays_so_until_the_next_time() {
    let at = jiff::civil::time(1, 0, 0, 0);
    let daily = Window::recurring(
        Days::Daily,
        at,
        Duration::from_secs(3_600),
        Zone::utc(),
        "planned".into(),
    );
    let mut bank = Bank::with(vec![daily.unwrap()]);
    assert_eq!(bank.look(HOUR), starts(60));
    bank.current = None;
    assert_eq!(bank.look(HOUR + MINUTE), Act::Nothing, "ended");
    bank.start("anna", "by hand", HOUR + MINUTE, Some(HOUR + 2 * MINUTE));
    assert_eq!(bank.look(HOUR + 2 * MINUTE), Act::Nothing, "replaced");
    assert_eq!(bank.look(2 * HOUR), Act::Nothing, "closed: it is theirs to end");
    bank.current = None;
    assert_eq!(bank.look(25 * HOUR), starts(60), "the next day");
}

#[test]
fn what_is_no_longer_planned_ends_if_it_was_started_here() {
    let mut bank = Bank::with(vec![fixed(HOUR, 2 * HOUR)]);
    assert_eq!(bank.look(HOUR), starts(60));
    bank.windows.clear();
    assert_eq!(bank.look(HOUR + 1), Act::End);
    let mut bank = Bank::with(vec![fixed(HOUR, 2 * HOUR)]);
    assert_eq!(bank.look(HOUR), starts(60));
    bank.start("anna", "by hand", HOUR, None);
    bank.windows.clear();
    assert_eq!(bank.look(HOUR + 1), Act::Nothing);
}

#[test]
fn a_window_that_is_changed_while_it_is_open_is_followed() {
    let mut bank = Bank::with(vec![fixed(HOUR, 2 * HOUR)]);
    assert_eq!(bank.look(HOUR), starts(60));
    bank.windows = vec![fixed(HOUR, HOUR + 30 * MINUTE)];
    assert_eq!(bank.look(HOUR), starts(30), "shorter");
    bank.windows = vec![fixed(0, 3 * HOUR)];
    assert_eq!(bank.look(HOUR), starts(120), "longer, and begun before");
}

#[test]
fn a_look_at_everything_without_a_change_starts_nothing_again() {
    let mut bank = Bank::with(vec![fixed(HOUR, 2 * HOUR)]);
    assert_eq!(bank.look(HOUR), starts(60));
    assert_ne!(
        bank.end(),
        Some(2 * HOUR),
        "the engine's end is not that of the plan"
    );
    assert_eq!(bank.look(HOUR + MINUTE), Act::Nothing);
}

#[test]
fn an_operators_own_that_a_window_took_the_place_of_is_given_it_back() {
    let restores = |minutes: u64| Act::Restore {
        by: "anna".into(),
        why: "by hand".into(),
        duration: Duration::from_secs(minutes * 60),
    };
    for (windows, expected) in [
        (vec![], restores(45)),
        (vec![fixed(2 * HOUR, 3 * HOUR)], restores(45)),
        (vec![fixed(2 * HOUR, 3 * HOUR + MINUTE)], starts(46)),
    ] {
        let mut bank = Bank::with(vec![fixed(2 * HOUR, 4 * HOUR)]);
        bank.start("anna", "by hand", HOUR, Some(3 * HOUR));
        assert_eq!(bank.look(2 * HOUR), starts(120));
        bank.windows = windows;
        assert_eq!(bank.look(2 * HOUR + 15 * MINUTE), expected);
        assert_eq!(bank.look(2 * HOUR + 20 * MINUTE), Act::Nothing);
    }
    let mut bank = Bank::with(vec![fixed(2 * HOUR, 4 * HOUR)]);
    bank.start("anna", "by hand", HOUR, Some(3 * HOUR));
    assert_eq!(bank.look(2 * HOUR), starts(120));
    bank.windows = vec![fixed(2 * HOUR, 5 * HOUR)];
    assert_eq!(bank.look(2 * HOUR + MINUTE), starts(179), "its own replaced");
    bank.windows.clear();
    let mut later = Bank {
        kept: bank.kept.clone(),
        windows: vec![],
        current: bank.current.clone(),
    };
    assert_eq!(bank.look(2 * HOUR + 30 * MINUTE), restores(30), "still known");
    assert_eq!(later.look(3 * HOUR), Act::End, "hers is over by then");
}

#[test]
fn a_window_made_longer_than_what_it_yielded_to_is_kept() {
    let mut bank = Bank::with(vec![fixed(2 * HOUR, 3 * HOUR)]);
    bank.start("anna", "by hand", HOUR, Some(3 * HOUR + 30 * MINUTE));
    assert_eq!(bank.look(2 * HOUR), Act::Nothing);
    assert_eq!(bank.look(2 * HOUR + MINUTE), Act::Nothing);
    let mut ended = Bank {
        kept: bank.kept.clone(),
        windows: vec![fixed(2 * HOUR, 5 * HOUR)],
        current: None,
    };
    assert_eq!(ended.look(2 * HOUR + 30 * MINUTE), Act::Nothing, "ended by hand");
    bank.windows = vec![fixed(2 * HOUR, 5 * HOUR)];
    assert_eq!(bank.look(2 * HOUR + 30 * MINUTE), starts(150));
    assert_eq!(bank.look(4 * HOUR), Act::Nothing, "in force past hers");
}

#[test]
fn nothing_is_between_windows_that_touch() {
    const DAY: i64 = 24 * HOUR;
    let at = jiff::civil::time(0, 0, 0, 0);
    let lasts = Duration::from_secs(24 * 3_600);
    let always = Window::recurring(Days::Daily, at, lasts, Zone::utc(), "planned".into()).unwrap();
    let mut bank = Bank::with(vec![always]);
    assert_eq!(bank.look(12 * HOUR), starts(36 * 60));
    assert_eq!(bank.look(DAY - 1), Act::Nothing);
    assert!(bank.end() > Some(DAY), "in force when the look comes late");
    assert_eq!(bank.look(DAY), starts(48 * 60));
    // Ended by hand it stays so for the day, not for ever.
    bank.current = None;
    assert_eq!(bank.look(2 * DAY - 1), Act::Nothing);
    assert_eq!(bank.look(2 * DAY), starts(48 * 60));
    let mut bank = Bank::with(vec![fixed(HOUR, 2 * HOUR), fixed(2 * HOUR + 1, 3 * HOUR)]);
    assert_eq!(bank.look(HOUR), starts(60), "these do not touch");
}

#[test]
fn a_wall_clock_that_is_set_is_followed() {
    let mut bank = Bank::with(vec![fixed(HOUR, 2 * HOUR)]);
    assert_eq!(bank.look(HOUR), starts(60));
    assert_eq!(
        bank.look_after(HOUR + 30 * MINUTE, true),
        starts(30),
        "forward within it: less remains"
    );
    assert_eq!(
        bank.look_after(HOUR + 10 * MINUTE, true),
        starts(50),
        "back within it: more remains"
    );
    assert_eq!(bank.look_after(30 * MINUTE, true), Act::End, "back before it");
    assert_eq!(bank.look(HOUR), starts(60), "and it opens again");
    assert_eq!(bank.look_after(5 * HOUR, true), Act::End, "forward past it");
    bank.kept = Kept::default();
    assert_eq!(bank.look_after(HOUR, true), starts(60), "back into it");
    bank.current = None;
    assert_eq!(
        bank.look_after(HOUR + MINUTE, true),
        Act::Nothing,
        "what was ended stays ended"
    );
}

#[test]
fn a_jump_is_told_from_time_that_passes() {
    let at = |mono_ms: u64, wall_ms: i64| Now {
        mono: Mono(mono_ms * 1_000_000),
        wall: Wall(wall_ms),
    };
    assert!(!jumped(at(0, 0), at(1_000, 1_000)));
    assert!(!jumped(at(0, 0), at(60_000, 60_900)), "a clock that is slewed");
    assert!(jumped(at(0, 0), at(1_000, 3_600_000)));
    assert!(jumped(at(0, 0), at(1_000, -3_600_000)));
    assert!(jumped(at(0, 0), at(10, 8_000)), "the machine slept");
}
