//! Screens as people see them, at the sizes they have.

use insta::assert_snapshot;
use ratatui::{
    crossterm::event::KeyCode,
    style::{Color, Modifier},
};
use ward_model::{
    CausalChain, CausalLink, CheckKind, CheckState, Dependency, DependencyKind, Entity, Evidence,
    Explanation, Freshness, Incarnation, InstanceId, InstanceState, ObserverState, Reason, SignalLevel,
    SignalState, Status,
};
use ward_sdk::watch::Event;

use crate::top::{
    detail::Answer,
    shop::{
        at, broken, condition, drawn, empty, ill, lost, name, opened, press, service, system, text, typed,
        update, victim, wall, wish,
    },
    view::View,
};

#[test]
fn ill_at_every_size() {
    for (width, height) in [(80, 24), (120, 40), (200, 60), (20, 5)] {
        let shown = text(&mut broken(), (width, height), 70);
        assert_snapshot!(format!("ill-{width}x{height}"), shown);
    }
}

#[test]
fn well_at_80x24() {
    assert_snapshot!(text(&mut opened(), (80, 24), 12));
}

#[test]
fn stale_and_in_doubt() {
    let mut view = broken();
    view.apply(lost(), at(70));
    assert_snapshot!("stale", text(&mut view, (80, 24), 75));
    assert_snapshot!("stale-20x5", text(&mut view, (20, 5), 75));
    view.apply(Event::Restored { epoch_changed: true }, at(76));
    assert_snapshot!("settling", text(&mut view, (80, 24), 77));
}

#[test]
fn before_the_first_word_and_without_services() {
    let mut view = empty();
    let shown = text(&mut view, (80, 24), 1);
    assert!(
        shown.contains("connecting") && shown.contains("nothing has been heard of the system yet"),
        "{shown}"
    );
    view.apply(update(&[], system(Status::Unknown, 0, &[]), &[]), at(1));
    let shown = text(&mut view, (80, 24), 1);
    assert!(shown.contains("nothing reports yet"), "{shown}");
    let mut view = opened();
    press(&mut view, KeyCode::Char('m'), 12);
    let shown = text(&mut view, (80, 24), 12);
    assert!(
        shown.contains("no service is bad; m shows all") && shown.contains("[0 shown: only bad]"),
        "{shown}"
    );
}

#[test]
fn filtered_helped_and_opened() {
    let mut view = broken();
    press(&mut view, KeyCode::Char('/'), 65);
    typed(&mut view, "bank");
    assert_snapshot!("filter", text(&mut view, (80, 24), 70));
    press(&mut view, KeyCode::Enter, 65);
    press(&mut view, KeyCode::Char('?'), 65);
    assert_snapshot!("help", text(&mut view, (80, 24), 70));
    press(&mut view, KeyCode::Esc, 65);
    assert!(wish(&mut view, KeyCode::Enter, 65).is_some());
    assert_snapshot!("asking", text(&mut view, (80, 24), 70));
    view.answered(Ok(answer()), at(69));
    assert_snapshot!("opened", text(&mut view, (80, 24), 70));
    assert_snapshot!("opened-120x40", text(&mut view, (120, 40), 70));
    view.answered(Err("cannot be asked: no answer within 5s".into()), at(71));
    let shown = text(&mut view, (80, 24), 72);
    let told = "  as answered 3s ago  cannot be asked: no answer within 5s\n";
    assert!(shown.contains(told), "{shown}");
    for _ in 0..3 {
        press(&mut view, KeyCode::End, 65);
        let shown = text(&mut view, (80, 18), 75);
        assert!(
            shown.contains("payments               unhealthy") || shown.contains("NEEDS"),
            "{shown}"
        );
    }
}

fn answer() -> Answer {
    let link = |text: &str, via| CausalLink {
        service: name(text),
        via,
        condition: condition(Status::Unhealthy, Reason::Lost, "silent for 15s", 60),
        evidence: Vec::new(),
    };
    let hard = Some(DependencyKind::Hard);
    let mut bank = link("bank", hard);
    bank.evidence = vec![
        Evidence {
            service: name("bank"),
            instance: Some(name("0")),
            name: None,
            value: None,
            threshold: None,
            condition: condition(Status::Unhealthy, Reason::Lost, "silent for 15s", 60),
        },
        Evidence {
            service: name("bank"),
            instance: Some(name("1")),
            name: Some(name("error_ratio")),
            value: Some(0.31),
            threshold: Some(0.05),
            condition: condition(Status::Unhealthy, Reason::Threshold, "", 60),
        },
    ];
    let mut service = victim("storefront", "payments", "bank", 62);
    let need = |text: &str, kind| Dependency {
        service: name(text),
        kind,
        any_of: None,
    };
    service.dependencies = vec![
        need("payments", DependencyKind::Hard),
        need("elsewhere", DependencyKind::Soft),
    ];
    service.disagreements = vec!["criticality: the file says critical, a hello said optional".into()];
    Answer {
        explanation: Explanation {
            name: Some(name("storefront")),
            condition: service.condition.clone(),
            chains: vec![CausalChain {
                links: vec![link("storefront", None), link("payments", hard), bank],
            }],
        },
        service,
        instances: vec![instance("0"), instance("1")],
    }
}

fn instance(text: &str) -> InstanceState {
    let level = |raise| Some(SignalLevel { raise, clear: raise });
    InstanceState {
        id: InstanceId {
            service: name("storefront"),
            instance: name(text),
        },
        incarnation: Incarnation::new("life").unwrap(),
        version: "1.2.3".into(),
        labels: [].into(),
        interval_ms: 5_000,
        condition: condition(Status::Healthy, Reason::Reported, "", 2),
        last_status: None,
        freshness: Freshness::Fresh,
        flapping: false,
        checks: vec![CheckState {
            name: name("pages"),
            kind: CheckKind::Advisory,
            subject: Some(name("cdn")),
            condition: condition(Status::Degraded, Reason::Reported, "slow: 900 ms", 50),
            flapping: true,
        }],
        signals: vec![SignalState {
            name: name("error_ratio"),
            value: 0.002,
            status: Status::Healthy,
            degraded: level(0.01),
            unhealthy: level(0.05),
        }],
        started: wall(1),
    }
}

#[test]
fn no_size_is_too_small_or_too_odd() {
    let mut views: [View; 4] = [empty(), opened(), broken(), broken()];
    drawn(&mut views[3], (80, 24), 65, true);
    assert!(wish(&mut views[3], KeyCode::Enter, 65).is_some());
    views[3].answered(Ok(answer()), at(65));
    views[2].apply(lost(), at(70));
    for view in &mut views {
        for help in [false, true] {
            view.help = help;
            for width in (0..45).chain([70, 111, 151]) {
                for height in 0..26 {
                    drawn(view, (width, height), 75, true);
                }
            }
        }
    }
}

#[test]
fn the_verdict_is_there_however_small_the_screen() {
    for height in 1..30 {
        let mut view = broken();
        assert!(
            text(&mut view, (20, height), 75).contains("unhealthy"),
            "{height}"
        );
        view.apply(lost(), at(75));
        let shown = text(&mut view, (20, height), 75);
        assert!(shown.contains("STALE"), "{height}: {shown}");
    }
}

#[test]
fn text_from_outside_moves_no_cursor() {
    let evil = "bad\u{1b}[2J\u{9b}31m\r\nnews\u{202e}";
    let mut view = opened();
    let mut services = ill();
    services[0].condition.message = evil.into();
    services[4].maintenance.as_mut().unwrap().why = evil.into();
    let mut whole = system(Status::Unhealthy, 62, &services);
    if let Entity::System(system) = &mut whole {
        system.condition.message = evil.into();
    }
    view.apply(update(&well_before(), whole, &services), at(62));
    view.apply(
        Event::Lost {
            error: ward_sdk::watch::Error::Closing {
                reason: evil.into(),
                retry_after: std::time::Duration::ZERO,
            },
        },
        at(63),
    );
    let mut answer = answer();
    answer.service.disagreements = vec![evil.into()];
    answer.instances[0].version = evil.into();
    answer.instances[0].checks[0].condition.message = evil.into();
    answer.explanation.chains[0].links[2].evidence[0]
        .condition
        .message = evil.into();
    let list = text(&mut view, (300, 60), 65);
    assert!(wish(&mut view, KeyCode::Enter, 65).is_some());
    view.answered(Ok(answer), at(65));
    view.answered(Err(evil.into()), at(65));
    let opened = text(&mut view, (300, 60), 65);
    for shown in [list, opened] {
        let harmless = shown.chars().all(|c| !c.is_control() || c == '\n') && !shown.contains('\u{202e}');
        assert!(harmless, "{shown:?}");
        let escaped = "bad\\u{1b}[2J\\u{9b}31m\\u{d}\\u{a}news\\u{202e}";
        assert!(shown.matches(escaped).count() >= 4, "{shown}");
    }
}

/// The shop as it was opened.
fn well_before() -> Vec<ward_model::ServiceState> {
    crate::top::shop::well()
}

#[test]
fn colour_is_beside_a_word_and_gone_when_stale_or_unwanted() {
    let red = |view: &mut View, colours| {
        let buffer = drawn(view, (80, 24), 65, colours);
        let coloured = buffer.content.iter().filter(|cell| cell.fg != Color::Reset);
        coloured
            .map(|cell| (cell.fg, cell.symbol().to_owned()))
            .collect::<Vec<_>>()
    };
    let mut view = broken();
    let coloured = red(&mut view, true);
    let word: String = coloured
        .iter()
        .take(9)
        .map(|(_, symbol)| symbol.as_str())
        .collect();
    assert_eq!((word.as_str(), coloured[0].0), ("unhealthy", Color::Red));
    assert_eq!(red(&mut view, false), []);
    let buffer = drawn(&mut view, (80, 24), 65, false);
    assert!(
        buffer
            .content
            .iter()
            .any(|cell| cell.modifier.contains(Modifier::REVERSED)),
        "the selection is seen without colour"
    );
    view.apply(lost(), at(64));
    assert_eq!(
        red(&mut view, true),
        [],
        "no green word on a screen that stands still"
    );
}

#[test]
fn doubt_of_the_observer_is_told() {
    let mut view = opened();
    let observer = ObserverState {
        score: 4,
        blind: true,
        ..ObserverState::default()
    };
    let mark = match crate::top::shop::mark() {
        Event::Bookmark { cursor, .. } => Event::Bookmark { cursor, observer },
        other => other,
    };
    view.apply(mark, at(12));
    let shown = text(&mut view, (80, 24), 12);
    assert!(
        shown.contains("observer: doubts itself, 4 of 7: sees none"),
        "{shown}"
    );
}

#[test]
fn long_names_and_wide_characters_are_cut() {
    let mut view = empty();
    let mut one = service(&"n".repeat(63));
    one.condition = condition(Status::Degraded, Reason::Reported, &"支払い".repeat(40), 5);
    let services = [one];
    view.apply(
        update(&[], system(Status::Degraded, 5, &services), &services),
        at(6),
    );
    let shown = text(&mut view, (80, 24), 7);
    assert!(
        shown.contains(&format!("{}…  degraded", "n".repeat(19))),
        "{shown}"
    );
    assert!(
        shown
            .lines()
            .any(|line| line.contains("支 払 い") && line.ends_with('…')),
        "{shown}"
    );
}
