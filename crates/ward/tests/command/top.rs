//! `ward top` on a terminal, against a real aggregator and real reporters.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::runtime::{Builder, Runtime};
use vt100::{Color, MouseProtocolMode, Screen};
use ward_proto::v1;
use ward_sdk::{Criticality, Reporter};

use crate::{
    evil,
    house::{self, Aggregator, ward},
    screen::{Display, Size},
};

/// A service that reports as any does. Dropped, it is gone without a goodbye, as one that was killed.
struct Member {
    runtime: Option<Runtime>,
}

impl Member {
    fn start(server: &str, name: &str, needs: &[&str]) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let criticality = if name == "storefront" {
            Criticality::Critical
        } else {
            Criticality::Important
        };
        let builder = Reporter::builder(name)
            .server(server)
            .instance("0")
            .criticality(criticality)
            .interval(Duration::from_millis(200));
        let builder = needs.iter().fold(builder, |builder, need| builder.hard(*need));
        let kept = runtime.block_on(async { builder.start().unwrap() });
        runtime.spawn(async move {
            std::future::pending::<()>().await;
            drop(kept);
        });
        Self {
            runtime: Some(runtime),
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

fn top(aggregator: &Aggregator, size: Size) -> Display {
    Display::ward(size, &["top", "--server", &aggregator.grpc], &[])
}

#[test]
fn at_80x24_and_wider() {
    the_story((80, 24), (160, 50));
}

#[test]
fn at_160x50_and_smaller() {
    the_story((160, 50), (80, 24));
}

/// From well to ill and back, through all that one does with it.
fn the_story(size: Size, other: Size) {
    let mut aggregator = Aggregator::start();
    let server = aggregator.grpc.clone();
    let bank = || Member::start(&server, "bank", &[]);
    let killed = bank();
    let _others = [
        Member::start(&server, "payments", &["bank"]),
        Member::start(&server, "storefront", &["payments"]),
        Member::start(&server, "catalog", &[]),
    ];
    let mut terminal = top(&aggregator, size);
    terminal.sees("system is healthy");
    terminal.sees_row(&["4 services: 4 healthy"]);
    terminal.sees_order(&["SERVICE", "storefront", "bank", "catalog", "payments"]);
    terminal.sees_row(&["ward top", &server, "live, heard"]);
    terminal.until("a screen of its own", |screen| {
        screen.alternate_screen() && screen.hide_cursor()
    });
    assert!(!terminal.is_cooked());
    assert_eq!(
        terminal.look(Screen::mouse_protocol_mode),
        MouseProtocolMode::None
    );

    drop(killed);
    terminal.sees_row(&["bank", "1 suspect"]);
    terminal.sees_row(&["bank", "unhealthy", "1x", "1 lost", "Lost: "]);
    terminal.sees("system is unhealthy");
    terminal.sees("  cause: bank");
    terminal.sees_order(&["SERVICE", "storefront", "bank", "payments", "catalog"]);
    terminal.sees_row(&["storefront", "unhealthy", "bank"]);
    terminal.sees_row(&[":", "storefront", "healthy -> unhealthy", "cause: bank"]);
    let wide = |size: Size| size.0 >= 150;
    assert_eq!(
        terminal.look(Screen::contents).contains("CRITICALITY"),
        wide(size)
    );

    find_and_open(&mut terminal);
    terminal.resize(other);
    terminal.until("the footer in the last row", |screen| {
        let rows: Vec<_> = screen.rows(0, other.0).collect();
        rows.last().unwrap().starts_with("q quit") && rows[0].ends_with(" ago")
    });
    terminal.until("the columns of its width", |screen| {
        screen.contents().contains("CRITICALITY") == wide(other)
    });

    let _bank = bank();
    terminal.sees("system is healthy");
    aggregator.kill();
    terminal.sees(" STALE ");
    terminal.sees_row(&["STALE: last heard", "reconnecting"]);
    terminal.sees("system was healthy");
    aggregator.restart();
    terminal.sees("connected again: the aggregator was restarted");
    terminal.sees("system is healthy");
    terminal.sees_no("STALE");

    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
    terminal.is_given_back();
}

fn find_and_open(terminal: &mut Display) {
    terminal.press("/cat");
    terminal.sees("filter: cat_");
    terminal.sees("[1 shown: with \"cat\"]");
    terminal.sees_order(&["SERVICE", "catalog"]);
    terminal.press("\r");
    terminal.sees("q quit");
    terminal.press("\x1b");
    terminal.sees_order(&["SERVICE", "storefront", "bank", "payments", "catalog"]);
    terminal.press("m");
    terminal.sees("[3 shown: only bad]");
    terminal.press("m?");
    terminal.sees("ward top: keys and words");
    terminal.press(" j\r");
    terminal.sees("WHY");
    terminal.sees_row(&["bank is unhealthy for", "since"]);
    terminal.sees_row(&["bank/0 unhealthy", "Lost: "]);
    terminal.sees_row(&["0 ", "unhealthy", "lost"]);
    terminal.press("\x7f");
    terminal.sees("RECENT CHANGES");
}

#[tokio::test]
async fn what_is_open_is_asked_for_again_when_it_changes() {
    let aggregator = Aggregator::start();
    aggregator.shop(v1::Status::Healthy).await;
    let mut terminal = top(&aggregator, (100, 30));
    terminal.sees_order(&["storefront", "bank"]);
    terminal.press("j\r");
    terminal.sees_row(&["check ledger", "healthy"]);
    // Of no concern to the service as a whole.
    aggregator
        .report(&[("bank", v1::Status::Healthy, "ink for a week", &[])])
        .await;
    terminal.sees_row(&["check ledger", "healthy", "ink for a week"]);
    let message = "out of ink";
    aggregator
        .report(&[("bank", v1::Status::Degraded, message, &[])])
        .await;
    terminal.sees_row(&["check ledger", "degraded", message]);
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
}

#[tokio::test]
async fn a_service_that_is_opened_and_forgotten_says_so() {
    let aggregator = Aggregator::start();
    aggregator.shop(v1::Status::Healthy).await;
    let mut terminal = top(&aggregator, (100, 30));
    terminal.sees_order(&["storefront", "bank", "payments"]);
    terminal.press("\x1b[F\r");
    terminal.sees("payments is healthy");
    let mut client =
        v1::health_service_client::HealthServiceClient::connect(format!("http://{}", aggregator.grpc))
            .await
            .unwrap();
    for member in house::shop(v1::Status::Healthy).into_iter().skip(1).rev() {
        let (service, ..) = member;
        let goodbye = v1::ReportOnceRequest {
            hello: Some(house::hello(member)),
            goodbye: true,
        };
        client.report_once(goodbye).await.unwrap();
        let request = v1::ForgetRequest {
            service: service.into(),
            by: "a test".into(),
            ..Default::default()
        };
        client.forget(request).await.unwrap();
    }
    terminal.sees("no such service any more");
}

#[test]
fn without_a_terminal_it_says_what_to_use() {
    let done = ward(&["top"]);
    assert_eq!((done.code, done.stdout.as_str()), (64, ""), "{}", done.stderr);
    for other in ["`ward watch`", "`ward status`"] {
        assert!(done.stderr.contains(other), "{}", done.stderr);
    }
    let mut dumb = Display::ward((80, 24), &["top"], &[("TERM", "dumb")]);
    assert_eq!(dumb.ended(), 64);
    dumb.sees("`ward status`");
    dumb.is_given_back();
}

#[test]
fn nobody_there_is_told_on_the_terminal_as_it_was() {
    let nowhere = house::nowhere();
    let mut terminal = Display::ward((80, 24), &["top", "--server", &nowhere], &[]);
    assert_eq!(terminal.ended(), 4);
    terminal.is_given_back();
    terminal.sees("error: no aggregator at ");
}

#[tokio::test]
async fn every_signal_to_end_gives_the_terminal_back() {
    let aggregator = Aggregator::start();
    aggregator.shop(v1::Status::Healthy).await;
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        let mut terminal = top(&aggregator, (80, 24));
        terminal.sees("system is healthy");
        terminal.signal(signal);
        assert_eq!(terminal.ended(), 0, "{signal}");
        terminal.is_given_back();
    }
    let mut terminal = top(&aggregator, (80, 24));
    terminal.sees("system is healthy");
    terminal.press("\x03");
    assert_eq!(terminal.ended(), 0, "Ctrl-C");
    terminal.is_given_back();
}

#[tokio::test]
async fn a_terminal_that_hangs_keeps_nobody_from_ending_it() {
    let aggregator = Aggregator::start();
    aggregator.shop(v1::Status::Healthy).await;
    let mut terminal = top(&aggregator, (200, 60));
    terminal.sees("system is healthy");
    terminal.hang();
    terminal.signal(Signal::SIGTERM);
    assert_eq!(terminal.ended(), 0);
    assert!(terminal.is_cooked());
}

#[tokio::test]
async fn stopped_in_a_shell_it_leaves_the_terminal_and_comes_back_to_it() {
    let aggregator = Aggregator::start();
    aggregator.shop(v1::Status::Healthy).await;
    let ward = env!("CARGO_BIN_EXE_ward");
    for from_outside in [false, true] {
        let script = format!(
            "set -m; {ward} top --server {}; echo \"[stopped]\"; read line; fg >/dev/null; echo \"[ended $?]\"",
            aggregator.grpc
        );
        let mut terminal = Display::start((80, 24), &["/bin/sh", "-c", &script], &[]);
        terminal.sees("system is healthy");
        match from_outside {
            false => terminal.press("\x1a"),
            true => terminal.signal_foreground(Signal::SIGTSTP),
        }
        terminal.sees("[stopped]");
        terminal.is_given_back();
        terminal.press("\n");
        terminal.until("all of it again", |screen| {
            screen.alternate_screen() && screen.contents().contains("system is healthy")
        });
        terminal.sees_order(&["SERVICE", "storefront", "bank", "payments"]);
        terminal.press("q");
        terminal.sees("[ended 0]");
        terminal.is_given_back();
        assert_eq!(terminal.ended(), 0);
    }
}

#[tokio::test]
async fn where_nobody_could_continue_it_is_not_stopped() {
    let aggregator = Aggregator::start();
    aggregator.shop(v1::Status::Healthy).await;
    // It leads its session: no shell is above it.
    let mut terminal = top(&aggregator, (80, 24));
    terminal.sees("system is healthy");
    terminal.press("\x1a");
    terminal.press("?");
    terminal.sees("ward top: keys and words");
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
}

#[tokio::test]
async fn colour_is_for_those_who_want_it() {
    let aggregator = Aggregator::start();
    aggregator.shop(v1::Status::Unhealthy).await;
    let coloured = |screen: &Screen| {
        let cells = (0..24).flat_map(|row| (0..80).map(move |column| (row, column)));
        let mut cells = cells.filter_map(|(row, column)| screen.cell(row, column));
        cells.any(|cell| cell.fgcolor() != Color::Default || cell.bgcolor() != Color::Default)
    };
    for (variables, expected) in [
        (&[] as &[_], true),
        (&[("NO_COLOR", "1")], false),
        (&[("CLICOLOR", "0")], false),
    ] {
        let mut terminal = Display::ward((80, 24), &["top", "--server", &aggregator.grpc], variables);
        terminal.sees("system is unhealthy");
        terminal.sees_order(&["storefront", "bank", "payments"]);
        assert_eq!(terminal.look(coloured), expected);
        terminal.press("q");
        assert_eq!(terminal.ended(), 0);
    }
}

#[tokio::test]
async fn names_and_severity_choose() {
    let aggregator = Aggregator::start();
    aggregator.shop(v1::Status::Unhealthy).await;
    aggregator.report(&[("fine", v1::Status::Healthy, "", &[])]).await;
    let server = aggregator.grpc.as_str();
    let bad = ["top", "--server", server, "--least-severity", "degraded"];
    let terminal = Display::ward((80, 24), &bad, &[]);
    terminal.sees_order(&["SERVICE", "storefront", "bank", "payments"]);
    terminal.sees_row(&["4 services: 1 healthy, 3 unhealthy"]);
    assert!(!terminal.look(Screen::contents).contains("\nfine "));
    let terminal = Display::ward((80, 24), &["top", "bank"], &[("WARD_SERVER", server)]);
    terminal.sees_order(&["SERVICE", "bank"]);
    assert!(!terminal.look(Screen::contents).contains("\npayments "));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_from_outside_is_shown_and_not_obeyed() {
    let evil = evil::aggregator().await.to_string();
    let mut terminal = Display::ward((160, 40), &["top", "--server", &evil], &[]);
    // What would move the cursor is made harmless where it is read, and once more where it is drawn.
    let harmless = "bad [2J 31m  news";
    terminal.sees_row(&["  Reported: ", harmless]);
    terminal.sees_row(&["bank", "maintenance: ", harmless]);
    terminal.press("\r");
    terminal.sees_row(&["by ", harmless]);
    terminal.sees_row(&["version bad", "[2J"]);
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
    terminal.is_given_back();
}
