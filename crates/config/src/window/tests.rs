//! Days, months, clocks that jump; and that the two questions agree.

use proptest::prelude::*;

use super::*;

const HOUR_MS: i64 = 3_600_000;

fn wall(text: &str) -> Wall {
    Wall(text.parse::<Timestamp>().unwrap().as_millisecond())
}

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}

fn recurring(days: Days, at: (i8, i8), lasts: Duration, zone: &str) -> Window {
    let at = Time::new(at.0, at.1, 0, 0).unwrap();
    Window::recurring(days, at, lasts, Zone::named(zone).unwrap(), String::new()).unwrap()
}

/// When it is next open, in UTC.
fn next(window: &Window, after: &str) -> (String, String) {
    let next = window.next_after(wall(after)).unwrap();
    let shown = |wall: Wall| Timestamp::from_millisecond(wall.0).unwrap().to_string();
    (shown(next.start), shown(next.end))
}

fn pair(start: &str, end: &str) -> (String, String) {
    (start.into(), end.into())
}

#[test]
fn a_fixed_one_is_open_once() {
    let (start, end) = (wall("2026-01-01T10:00:00Z"), wall("2026-01-01T12:00:00Z"));
    let window = Window::fixed(start, end, "why".into()).unwrap();
    assert_eq!(window.occurrence_at(Wall(start.0 - 1)), None);
    assert_eq!(window.occurrence_at(start), Some(Occurrence { start, end }));
    assert_eq!(window.occurrence_at(end), None, "the end is not in it");
    assert_eq!(
        window.next_after(Wall(start.0 - 1)),
        Some(Occurrence { start, end })
    );
    assert_eq!(window.next_after(start), None);
    assert_eq!(
        Window::fixed(end, start, String::new()),
        Err(InvalidWindow::EndsBeforeStart)
    );
    assert_eq!(
        Window::fixed(end, end, String::new()),
        Err(InvalidWindow::EndsBeforeStart)
    );
}

#[test]
fn every_day_follows_the_clock_on_the_wall() {
    let window = recurring(Days::Daily, (2, 0), hours(2), "Europe/Berlin");
    let winter = next(&window, "2026-01-10T12:00:00Z");
    assert_eq!(winter, pair("2026-01-11T01:00:00Z", "2026-01-11T03:00:00Z"));
    let summer = next(&window, "2026-07-10T12:00:00Z");
    assert_eq!(summer, pair("2026-07-11T00:00:00Z", "2026-07-11T02:00:00Z"));
}

#[test]
fn a_time_that_clocks_skip_comes_as_much_later() {
    // On 2026-03-29 Berlin goes from 02:00 (UTC+1) to 03:00 (UTC+2).
    let window = recurring(Days::Daily, (2, 30), hours(2), "Europe/Berlin");
    let skipped = next(&window, "2026-03-28T12:00:00Z");
    assert_eq!(
        skipped,
        pair("2026-03-29T01:30:00Z", "2026-03-29T03:30:00Z"),
        "03:30 in Berlin"
    );
    let after = next(&window, "2026-03-29T12:00:00Z");
    assert_eq!(after.0, "2026-03-30T00:30:00Z");
}

#[test]
fn a_time_that_comes_twice_counts_once_the_first_time() {
    // On 2026-10-25 Berlin goes from 03:00 (UTC+2) back to 02:00 (UTC+1).
    let window = recurring(Days::Daily, (2, 30), hours(1), "Europe/Berlin");
    let first = next(&window, "2026-10-24T12:00:00Z");
    assert_eq!(first, pair("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"));
    assert_eq!(
        window.occurrence_at(wall("2026-10-25T01:45:00Z")),
        None,
        "the second 02:30 opens nothing"
    );
    assert_eq!(next(&window, "2026-10-25T00:30:00Z").0, "2026-10-26T01:30:00Z");
    // It lasts in time that passes: from 01:00 to 03:00 are three hours in that night.
    let long = recurring(Days::Daily, (1, 0), hours(2), "Europe/Berlin");
    let long = next(&long, "2026-10-24T12:00:00Z");
    assert_eq!(long, pair("2026-10-24T23:00:00Z", "2026-10-25T01:00:00Z"));
}

#[test]
fn some_days_of_the_week() {
    let weekend = Days::Weekly(vec![Weekday::Saturday, Weekday::Sunday]);
    let window = recurring(weekend, (22, 0), hours(5), "UTC");
    // 2026-01-09 is a Friday.
    assert_eq!(next(&window, "2026-01-09T23:00:00Z").0, "2026-01-10T22:00:00Z");
    assert_eq!(next(&window, "2026-01-10T22:00:00Z").0, "2026-01-11T22:00:00Z");
    assert_eq!(next(&window, "2026-01-11T23:00:00Z").0, "2026-01-17T22:00:00Z");
    let over_midnight = window.occurrence_at(wall("2026-01-12T02:59:00Z")).unwrap();
    assert_eq!(over_midnight.start, wall("2026-01-11T22:00:00Z"));
    assert_eq!(window.occurrence_at(wall("2026-01-12T03:00:00Z")), None);
}

#[test]
fn a_day_of_the_month_is_the_last_of_a_shorter_one() {
    let window = recurring(Days::Monthly(31), (0, 0), hours(1), "UTC");
    assert_eq!(next(&window, "2026-01-31T00:00:00Z").0, "2026-02-28T00:00:00Z");
    assert_eq!(next(&window, "2026-02-28T00:00:00Z").0, "2026-03-31T00:00:00Z");
    assert_eq!(next(&window, "2028-02-01T00:00:00Z").0, "2028-02-29T00:00:00Z");
    let first = recurring(Days::Monthly(1), (0, 0), hours(27 * 24), "UTC");
    let open = first.occurrence_at(wall("2026-01-27T23:00:00Z")).unwrap();
    assert_eq!(
        open.start,
        wall("2026-01-01T00:00:00Z"),
        "long ones are seen to their end"
    );
}

#[test]
fn none_opens_again_before_it_closes() {
    let at = Time::midnight();
    let recurring = |days, lasts| Window::recurring(days, at, lasts, Zone::utc(), String::new());
    assert_eq!(recurring(Days::Daily, Duration::ZERO), Err(InvalidWindow::Empty));
    assert_eq!(
        recurring(Days::Daily, hours(25)),
        Err(InvalidWindow::Overlaps(hours(24)))
    );
    assert!(recurring(Days::Daily, hours(24)).is_ok());
    let two = Days::Weekly(vec![Weekday::Monday, Weekday::Sunday]);
    assert_eq!(
        recurring(two, hours(25)),
        Err(InvalidWindow::Overlaps(hours(24))),
        "Sunday is next to Monday"
    );
    let apart = Days::Weekly(vec![Weekday::Monday, Weekday::Thursday]);
    assert_eq!(
        recurring(apart, hours(73)),
        Err(InvalidWindow::Overlaps(hours(72)))
    );
    assert!(recurring(Days::Weekly(vec![Weekday::Monday]), hours(7 * 24)).is_ok());
    assert!(recurring(Days::Monthly(30), hours(28 * 24 + 1)).is_err());
}

#[test]
fn zones_have_the_name_of_the_database() {
    assert_eq!(Zone::named("europe/berlin").unwrap().name(), "Europe/Berlin");
    assert_eq!(Zone::named("Mars/Olympus"), None);
}

#[test]
fn years_that_cannot_be_shown_have_no_windows() {
    let window = recurring(Days::Daily, (2, 0), hours(2), "UTC");
    for edge in [Wall(i64::MIN), Wall(i64::MAX)] {
        assert_eq!(
            (window.occurrence_at(edge), window.next_after(edge)),
            (None, None)
        );
    }
}

fn windows() -> impl Strategy<Value = Window> {
    let days = prop_oneof![
        Just(Days::Daily),
        Just(Days::Weekly(vec![Weekday::Tuesday, Weekday::Friday])),
        (1i8..=31).prop_map(Days::Monthly),
    ];
    let zone = prop_oneof![
        Just("UTC"),
        Just("Europe/Berlin"),
        Just("America/New_York"),
        Just("Pacific/Apia"),
        Just("Australia/Lord_Howe")
    ];
    (days, 0i8..24, 0i8..60, 1u64..=24, zone)
        .prop_map(|(days, hour, minute, lasts, zone)| recurring(days, (hour, minute), hours(lasts), zone))
}

proptest! {
    /// What opens next is open then, and nothing opens in between.
    #[test]
    fn the_two_questions_agree(window in windows(), hour in 0i64..24 * 366 * 30, minute in 0i64..60) {
        let now = Wall(hour * HOUR_MS + minute * 60_000);
        let next = window.next_after(now).expect("it comes back");
        prop_assert!(next.start > now);
        prop_assert!(next.start.0 - now.0 <= 63 * 24 * HOUR_MS);
        prop_assert_eq!(window.occurrence_at(next.start), Some(next));
        let last = Wall(next.end.0 - 1);
        let still = window.occurrence_at(last).expect("open to the end");
        prop_assert!(still == next || still.start > next.start);
        if let Some(open) = window.occurrence_at(now) {
            prop_assert!(open.contains(now));
            prop_assert!(next.start > open.start);
        }
        let before = Wall(next.start.0 - 1);
        if let Some(open) = window.occurrence_at(before) {
            prop_assert!(open.start <= now, "it opened unannounced");
        }
    }
}
