//! What keys and changes do to the view.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ward_model::{Criticality, Status};

use super::*;
use crate::top::shop::{
    at, broken, drawn, ill, names, of, opened, press, service, system, text, typed, update, well, wish,
};

const SIZE: (u16, u16) = (80, 24);

fn fitted(view: &mut View) {
    drawn(view, SIZE, 65, true);
}

fn selected(view: &View) -> &str {
    view.order[view.at()].name.as_str()
}

#[test]
fn who_has_not_moved_sees_the_worst_and_who_has_keeps_what_is_looked_at() {
    let mut view = opened();
    fitted(&mut view);
    assert_eq!((selected(&view), view.at()), ("storefront", 0));
    let mut moved = opened();
    fitted(&mut moved);
    press(&mut moved, KeyCode::Down, 11);
    assert_eq!(selected(&moved), "bank");

    let mut worse = well();
    worse[1] = of("cart", Status::Unhealthy, Criticality::Important);
    for view in [&mut view, &mut moved] {
        view.apply(
            update(&well(), system(Status::Unhealthy, 12, &worse), &worse),
            at(12),
        );
        fitted(view);
        assert_eq!(names(view)[..3], ["cart", "storefront", "bank"]);
    }
    assert_eq!((selected(&view), selected(&moved)), ("cart", "bank"));
    press(&mut moved, KeyCode::Home, 13);
    moved.apply(
        update(&worse, system(Status::Healthy, 14, &well()), &well()),
        at(14),
    );
    fitted(&mut moved);
    assert_eq!(selected(&moved), "storefront", "at the top again, it stays there");
}

#[test]
fn movement_ends_where_the_list_does() {
    let mut view = broken();
    fitted(&mut view);
    for (code, expected) in [
        (KeyCode::Up, 0),
        (KeyCode::Char('j'), 1),
        (KeyCode::Char('k'), 0),
        (KeyCode::PageDown, 5),
        (KeyCode::Down, 5),
        (KeyCode::PageUp, 0),
        (KeyCode::End, 5),
        (KeyCode::Home, 0),
    ] {
        press(&mut view, code, 65);
        assert_eq!(view.at(), expected, "{code:?}");
    }
    // What is selected and goes leaves the selection on its row, or the last.
    press(&mut view, KeyCode::End, 65);
    let mut event = update(&[], system(Status::Healthy, 0, &[]), &[]);
    if let Event::Update(update) = &mut event {
        let name = view.order[5].name.clone();
        update.changes = vec![ward_sdk::watch::Changed {
            entity: ward_model::Entity::Removed(ward_model::EntityKey::Service(name)),
            before: None,
        }];
    }
    view.apply(event, at(66));
    fitted(&mut view);
    assert_eq!((view.order.len(), view.at()), (5, 4));
}

#[test]
fn nothing_to_move_on_is_no_obstacle() {
    let mut view = crate::top::shop::empty();
    fitted(&mut view);
    for code in [
        KeyCode::Down,
        KeyCode::End,
        KeyCode::PageUp,
        KeyCode::Enter,
        KeyCode::Char('s'),
        KeyCode::Char('p'),
    ] {
        press(&mut view, code, 1);
        fitted(&mut view);
    }
    assert_eq!(wish(&mut view, KeyCode::Esc, 1), Some(Wish::Quit));
}

#[test]
fn the_row_selected_is_in_sight() {
    let many: Vec<_> = (0..100)
        .map(|number| service(&format!("s-{number:03}")))
        .collect();
    let mut view = crate::top::shop::empty();
    view.apply(update(&[], system(Status::Healthy, 0, &many), &many), at(1));
    for code in [
        KeyCode::PageDown,
        KeyCode::Down,
        KeyCode::End,
        KeyCode::Up,
        KeyCode::PageUp,
    ] {
        for size in [SIZE, (80, 10), (20, 5), (20, 2), (20, 1), (200, 60)] {
            press(&mut view, code, 2);
            let shown = text(&mut view, size, 2);
            assert!(
                shown.contains(selected(&view)) || size.1 == 1,
                "{code:?} {size:?}\n{shown}"
            );
        }
    }
}

#[test]
fn a_filter_is_typed_kept_and_cleared() {
    let mut view = broken();
    fitted(&mut view);
    press(&mut view, KeyCode::Char('/'), 65);
    typed(&mut view, "BANQ");
    press(&mut view, KeyCode::Backspace, 65);
    typed(&mut view, "k?");
    view.key(KeyEvent::new(KeyCode::Char('h'), KeyModifiers::CONTROL), at(65));
    fitted(&mut view);
    assert_eq!((view.choice.text.as_str(), view.typing), ("bank", true));
    assert_eq!(names(&view), ["storefront", "bank", "payments"]);
    press(&mut view, KeyCode::Enter, 65);
    typed(&mut view, "m");
    assert!(!view.typing && view.choice.only_bad);
    assert_eq!(view.chosen(), "only bad, with \"bank\"");
    press(&mut view, KeyCode::Esc, 65);
    fitted(&mut view);
    assert_eq!(names(&view).len(), 5, "the filter is cleared, nothing else");
    assert_eq!(wish(&mut view, KeyCode::Esc, 65), Some(Wish::Quit));

    press(&mut view, KeyCode::Char('/'), 65);
    typed(&mut view, &"x".repeat(1_000));
    assert_eq!(view.choice.text.len(), 63);
    press(&mut view, KeyCode::Esc, 65);
    assert_eq!((view.choice.text.as_str(), view.typing), ("", false));
}

#[test]
fn sorting_goes_round() {
    let mut view = broken();
    for first in ["bank", "storefront", "storefront"] {
        press(&mut view, KeyCode::Char('s'), 65);
        fitted(&mut view);
        assert_eq!(names(&view)[0], first);
    }
    assert_eq!(view.choice.sort, Sort::Badness);
}

#[test]
fn a_pause_holds_what_is_shown_and_says_what_it_hides() {
    let mut view = opened();
    press(&mut view, KeyCode::Char('p'), 11);
    view.apply(
        update(&well(), system(Status::Unhealthy, 62, &ill()), &ill()),
        at(62),
    );
    let shown = text(&mut view, SIZE, 65);
    assert!(shown.contains("6 services: 6 healthy\n"), "{shown}");
    let banner = "PAUSED at 16:33:50, 54s ago; 6 changes since; the system is unhealthy now. p goes on.";
    assert!(text(&mut view, (100, 24), 65).contains(banner), "{shown}");
    press(&mut view, KeyCode::Char('p'), 66);
    let shown = text(&mut view, SIZE, 66);
    assert!(
        shown.contains("system is unhealthy") && !shown.contains("PAUSED"),
        "{shown}"
    );
}

#[test]
fn a_service_is_opened_and_closed_and_its_changes_are_of_concern() {
    let mut view = broken();
    fitted(&mut view);
    press(&mut view, KeyCode::Down, 65);
    let opened = wish(&mut view, KeyCode::Enter, 65);
    assert_eq!(opened, Some(Wish::Open(crate::top::shop::name("bank"))));
    let concern = |view: &mut View, at_place: usize| {
        let mut services = ill();
        services[at_place].min_healthy = 7;
        let one = services.split_off(at_place)[..1].to_vec();
        view.apply(update(&ill(), system(Status::Healthy, 0, &well()), &one), at(66))
    };
    assert!(concern(&mut view, 0), "itself");
    assert!(!concern(&mut view, 2), "the catalog");
    assert_eq!(wish(&mut view, KeyCode::Char('r'), 66), Some(Wish::Ask));
    assert_eq!(wish(&mut view, KeyCode::Backspace, 66), Some(Wish::Close));
    assert_eq!(view.at(), 1, "where it was");
    assert_eq!(wish(&mut view, KeyCode::Char('q'), 66), Some(Wish::Quit));
}

#[test]
fn control_keys_work_everywhere_and_help_hides_nothing_for_long() {
    let mut view = broken();
    let control =
        |view: &mut View, c| view.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL), at(65));
    for open in ['/', '?'] {
        press(&mut view, KeyCode::Char(open), 65);
        assert_eq!(control(&mut view, 'c'), Some(Wish::Quit));
        assert_eq!(control(&mut view, 'z'), Some(Wish::Stop));
        assert_eq!(control(&mut view, 'l'), Some(Wish::Redraw));
        assert_eq!(control(&mut view, 'x'), None);
        press(&mut view, KeyCode::Esc, 65);
    }
    assert!(!view.help && !view.typing);
}

#[test]
fn ten_thousand_services_are_a_screen_like_any_other() {
    let many: Vec<_> = (0..10_000)
        .map(|number| service(&format!("service-{number:05}")))
        .collect();
    let mut view = crate::top::shop::empty();
    view.apply(update(&[], system(Status::Healthy, 0, &many), &many), at(1));
    press(&mut view, KeyCode::End, 2);
    fitted(&mut view);
    press(&mut view, KeyCode::End, 2);
    let shown = text(&mut view, SIZE, 2);
    assert!(
        shown.contains("service-09999") && !shown.contains("service-09000"),
        "{shown}"
    );
    // Nothing is sorted where nothing changed.
    let order = view.order.as_ptr();
    fitted(&mut view);
    assert_eq!(view.order.as_ptr(), order);
}
