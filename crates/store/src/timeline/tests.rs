//! Figures that add up, and every moment as the last word before it says.

use proptest::prelude::*;
use ward_model::Reason;

use super::*;

fn mark(at: i64, status: Status) -> Mark {
    Mark {
        at: Wall(at),
        status,
        reason: SpanReason::Verdict(Reason::Reported),
        message: String::new(),
        maintenance: false,
    }
}

fn life(started: i64, last: i64) -> Life {
    let (started, last) = (Wall(started), Wall(last));
    Life { started, last }
}

fn window(since: i64, until: i64) -> Window {
    let (since, until) = (Wall(since), Wall(until));
    Window { since, until }
}

/// `from..to status reason` of each.
fn told(marks: &[Mark], lives: &[Life], of: Window) -> Vec<(i64, i64, Status, &'static str)> {
    let line = |span: HistorySpan| {
        let to = span.to.expect("no span of the pure function is open");
        (span.from.0, to.0, span.status, span.reason.as_str())
    };
    spans(marks, lives, of).into_iter().map(line).collect()
}

use Status::{Degraded, Healthy, Unhealthy, Unknown};

#[test]
fn a_window_begins_with_what_was_before_it() {
    let marks = [mark(10, Degraded), mark(20, Healthy), mark(60, Unhealthy)];
    let lives = [life(0, 100)];
    assert_eq!(
        told(&marks, &lives, window(30, 90)),
        [(30, 60, Healthy, "Reported"), (60, 90, Unhealthy, "Reported")]
    );
    assert_eq!(
        told(&marks, &lives, window(20, 21)),
        [(20, 21, Healthy, "Reported")]
    );
    assert_eq!(
        told(&marks, &lives, window(0, 15)),
        [(0, 10, Unknown, "NotWatched"), (10, 15, Degraded, "Reported")]
    );
    assert!(told(&marks, &lives, window(5, 5)).is_empty() && told(&marks, &lives, window(9, 5)).is_empty());
}

#[test]
fn between_the_last_mark_of_a_life_and_the_first_word_of_the_next_nobody_watched() {
    let marks = [mark(10, Healthy), mark(70, Degraded)];
    // Started at 60, and said its first word about this at 70.
    let lives = [life(0, 40), life(60, 100)];
    assert_eq!(
        told(&marks, &lives, window(10, 100)),
        [
            (10, 40, Healthy, "Reported"),
            (40, 70, Unknown, "NotWatched"),
            (70, 100, Degraded, "Reported")
        ]
    );
    // A window in the middle of it, and one whose beginning is the beginning of the gap.
    assert_eq!(
        told(&marks, &lives, window(50, 65)),
        [(50, 65, Unknown, "NotWatched")]
    );
    assert_eq!(
        told(&marks, &lives, window(40, 65)),
        [(40, 65, Unknown, "NotWatched")]
    );
    // The last word of the old life was its last mark.
    let marks = [mark(10, Healthy), mark(40, Unhealthy)];
    assert_eq!(
        told(&marks, &lives, window(10, 100)),
        [(10, 40, Healthy, "Reported"), (40, 100, Unknown, "NotWatched")]
    );
}

#[test]
fn a_clock_that_was_set_back_makes_no_gap() {
    let marks = [mark(10, Healthy)];
    let lives = [life(0, 80), life(30, 50), life(90, 100)];
    assert_eq!(
        told(&marks, &lives, window(10, 100)),
        [(10, 80, Healthy, "Reported"), (80, 100, Unknown, "NotWatched")]
    );
}

#[test]
fn what_is_alike_is_one_span() {
    let marks = [
        mark(10, Healthy),
        mark(20, Healthy),
        mark(30, Degraded),
        mark(30, Healthy),
    ];
    assert_eq!(told(&marks, &[], window(10, 50)), [(10, 50, Healthy, "Reported")]);
}

#[test]
fn a_span_over_midnight_is_in_both_days() {
    let spans = spans(&[mark(0, Healthy)], &[], window(Day::MS - 10, 2 * Day::MS + 5));
    let days = days(&spans, Wall(2 * Day::MS + 5));
    let healthy: Vec<_> = days
        .iter()
        .map(|day| (day.day.0, day.uptime.healthy_ms))
        .collect();
    assert_eq!(healthy, [(0, 10), (1, 86_400_000), (2, 5)]);
}

fn any_mark() -> impl Strategy<Value = Mark> {
    let at = -300_000_000_i64..300_000_000;
    (at, 0..4_usize, any::<bool>(), 0..2_usize).prop_map(|(at, status, maintenance, message)| Mark {
        maintenance,
        message: ["", "x"][message].into(),
        ..mark(at, Status::ALL[status])
    })
}

fn any_life() -> impl Strategy<Value = Life> {
    (-300_000_000_i64..300_000_000, 0..100_000_000_i64)
        .prop_map(|(started, lasted)| life(started, started + lasted))
}

proptest! {
    /// Whatever the marks and lives: spans cover the window without gap or overlap, no two side by side are alike, and days
    /// and uptime add up to it to the millisecond.
    #[test]
    fn figures_add_up_to_the_window(
        mut marks in proptest::collection::vec(any_mark(), 0..40),
        mut lives in proptest::collection::vec(any_life(), 0..8),
        since in -400_000_000_i64..400_000_000,
        length in 1..500_000_000_i64,
    ) {
        marks.sort_by_key(|mark| mark.at);
        lives.sort_by_key(|life| life.started);
        let window = window(since, since + length);
        let spans = spans(&marks, &lives, window);
        prop_assert_eq!(spans[0].from, window.since);
        prop_assert_eq!(spans.last().unwrap().to, Some(window.until));
        for pair in spans.windows(2) {
            prop_assert_eq!(pair[0].to, Some(pair[1].from));
            let alike = |span: &HistorySpan| (span.status, span.reason, span.maintenance, span.message.clone());
            prop_assert_ne!(alike(&pair[0]), alike(&pair[1]));
        }
        let days = days(&spans, window.until);
        prop_assert!(days.windows(2).all(|pair| pair[0].day.next() == pair[1].day));
        prop_assert!(days.iter().all(|day| day.uptime.total_ms() <= 86_400_000));
        prop_assert_eq!(uptime(&days).total_ms(), length.unsigned_abs());
    }

    /// At each moment it is as looking for the last word before that says: the naive reading of the same rules.
    #[test]
    fn each_moment_is_as_the_last_word_before_it_says(
        mut marks in proptest::collection::vec(any_mark(), 0..20),
        mut lives in proptest::collection::vec(any_life(), 0..5),
        moment in -400_000_000_i64..400_000_000,
    ) {
        marks.sort_by_key(|mark| mark.at);
        lives.sort_by_key(|life| life.started);
        let word = marks.iter().rev().find(|mark| mark.at.0 <= moment);
        // Some life ended after that word and no later than now, another began later, and nobody lived in between.
        let unwatched = (1..lives.len()).any(|next| {
            let ended = lives[..next].iter().map(|life| life.last).max().unwrap();
            ended < lives[next].started && ended.0 <= moment && word.is_none_or(|word| word.at <= ended)
        });
        let expected = match word {
            Some(word) if !unwatched => (word.status, word.maintenance),
            _ => (Status::Unknown, false),
        };
        let spans = spans(&marks, &lives, window(moment, moment + 1));
        prop_assert_eq!(spans.len(), 1);
        prop_assert_eq!((spans[0].status, spans[0].maintenance), expected);
    }
}
