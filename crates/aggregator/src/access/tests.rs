//! Who is taken for whom, and what that is worth.

use std::{
    future::poll_fn,
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    task::Poll,
    time::Duration,
};

use futures_util::FutureExt as _;
use http::HeaderValue;
use tokio::{task::yield_now, time::timeout};
use ward_access::Right;

use super::*;

const PAYMENTS: &str = "spiffe://example.org/payments";
const NOW: Wall = Wall(1_000);

fn token(n: u8) -> Token {
    Token::new([n; 6], [n; 32])
}

fn record(token: &Token, expires: Option<Wall>) -> Record {
    Record {
        id: token.id().clone(),
        hash: token.hash(),
        grants: watch(),
        created: Wall(0),
        expires,
        note: String::new(),
    }
}

fn watch() -> Grants {
    Grants {
        watch: true,
        ..Grants::default()
    }
}

fn policy() -> Policy {
    let row = Grants {
        report: vec!["payments".parse().unwrap()],
        ..Grants::default()
    };
    Policy::new([(PAYMENTS.to_owned(), row)])
}

fn sending(authorization: &str) -> HeaderMap {
    HeaderMap::from_iter([(
        header::AUTHORIZATION,
        HeaderValue::from_str(authorization).unwrap(),
    )])
}

fn sent(token: &Token) -> HeaderMap {
    sending(&format!("Bearer {}", token.reveal()))
}

fn peer(identity: Identity, secure: bool) -> Peer {
    Peer::of(([127, 0, 0, 1], 1).into(), identity, secure)
}

fn certificate(name: &str) -> Peer {
    peer(Identity::Certificate(name.into()), true)
}

#[test]
fn who_proves_nothing_may_do_nothing_where_that_counts() {
    let anonymous = peer(Identity::Anonymous, true);
    let none = HeaderMap::new();
    let strict = Access::new(true, policy());
    let caller = strict.caller(Some(&anonymous), &none, || NOW).unwrap();
    assert!(Right::ALL.into_iter().all(|right| caller.needs(right).is_err()));
    assert_eq!(
        caller.needs(Right::Watch).unwrap_err().to_string(),
        "the right `watch` is missing"
    );
    let open = Access::new(false, policy());
    let caller = open.caller(Some(&anonymous), &none, || NOW).unwrap();
    assert!(Right::ALL.into_iter().all(|right| caller.needs(right).is_ok()));
}

#[test]
fn a_certificate_is_worth_its_row_and_one_without_a_row_nothing() {
    let access = Access::new(true, policy());
    let may = |name: &str, right| {
        let caller = access.caller(Some(&certificate(name)), &HeaderMap::new(), || NOW);
        caller.unwrap().needs(right).is_ok()
    };
    assert!(may(PAYMENTS, Right::Report) && !may(PAYMENTS, Right::Watch));
    assert!(!may("spiffe://example.org/bank", Right::Report));
    assert!(
        !may("anonymous", Right::Report),
        "a name that is a word elsewhere"
    );
}

#[test]
fn a_token_is_worth_what_it_was_made_for_while_it_lives_and_over_tls() {
    let access = Access::new(true, policy());
    let (short, long) = (token(1), token(2));
    access.replace_tokens(&[record(&short, Some(Wall(2_000))), record(&long, None)], NOW);
    let secure = peer(Identity::Anonymous, true);
    let asked = |headers: HeaderMap, peer: &Peer, now| access.caller(Some(peer), &headers, || now);
    for token in [&short, &long] {
        let caller = asked(sent(token), &secure, NOW).unwrap();
        assert!(caller.needs(Right::Watch).is_ok() && caller.needs(Right::Report).is_err());
        assert_eq!(
            caller.to_string(),
            format!("token {} from 127.0.0.1:1", token.id())
        );
    }
    assert_eq!(
        asked(sent(&short), &secure, Wall(2_000)).unwrap_err(),
        Unproven::Expired
    );
    let guessed = Token::new([2; 6], [3; 32]);
    let bad = |text: &str| asked(sending(text), &secure, NOW).unwrap_err();
    assert_eq!(
        asked(sent(&guessed), &secure, NOW).unwrap_err(),
        Unproven::Unknown
    );
    assert_eq!(
        asked(sent(&token(9)), &secure, NOW).unwrap_err(),
        Unproven::Unknown
    );
    assert_eq!(
        (bad("Bearer "), bad("bearer ward_x")),
        (Unproven::Unknown, Unproven::Unknown)
    );
    // A token goes before a certificate, so a bad one is not made good by that.
    assert_eq!(
        asked(sent(&guessed), &certificate(PAYMENTS), NOW).unwrap_err(),
        Unproven::Unknown
    );
    let basic = asked(sending("Basic YTpi"), &certificate(PAYMENTS), NOW).unwrap();
    assert!(basic.needs(Right::Report).is_ok(), "not for us");
    let open = Access::new(false, Policy::default());
    let readable = peer(Identity::Anonymous, false);
    assert_eq!(
        open.caller(Some(&readable), &sent(&long), || NOW).unwrap_err(),
        Unproven::Cleartext
    );
}

async fn lost(mut loss: Loss) {
    poll_fn(|cx| loss.poll(cx)).await;
}

#[tokio::test]
async fn whoever_loses_something_is_told_and_others_are_not() {
    const SOON: Duration = Duration::from_secs(10);
    let access = Access::new(true, policy());
    access.replace_tokens(&[record(&token(1), None), record(&token(2), None)], NOW);
    let secure = peer(Identity::Anonymous, true);
    let [first, second] = [1, 2].map(|n| access.caller(Some(&secure), &sent(&token(n)), || NOW).unwrap());
    let named = access
        .caller(Some(&certificate(PAYMENTS)), &HeaderMap::new(), || NOW)
        .unwrap();
    let loss = |caller: &Caller| access.loss(caller).unwrap();
    let mut stays = Box::pin(lost(loss(&second)));
    let mut row = Box::pin(lost(loss(&named)));
    let revoked = lost(loss(&first));
    assert!(access.replace_tokens(&[record(&token(2), None)], NOW));
    timeout(SOON, revoked).await.expect("it was revoked");
    assert!(!access.keeps(&first) && access.keeps(&second));
    assert!((&mut stays).now_or_never().is_none() && (&mut row).now_or_never().is_none());
    let more = Grants {
        report: vec!["payments".parse().unwrap(), "bank".parse().unwrap()],
        watch: true,
        ..Grants::default()
    };
    access.replace_policy(&Policy::new([(PAYMENTS.to_owned(), more)]));
    assert!((&mut row).now_or_never().is_none(), "it was given something");
    assert!(access.renewed(&named).needs(Right::Watch).is_ok() && named.needs(Right::Watch).is_err());
    access.replace_policy(&Policy::default());
    timeout(SOON, row).await.expect("its row is gone");
    assert!((&mut stays).now_or_never().is_none());
    assert!(
        !access.replace_tokens(&[record(&token(2), None)], NOW),
        "nothing changed"
    );
    // Between being let in and looking.
    timeout(SOON, lost(loss(&named)))
        .await
        .expect("it is seen late too");
    assert!(access.loss(&Caller::within()).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_is_seen_by_a_task_that_is_busy_at_that_moment() {
    const SOON: Duration = Duration::from_secs(10);
    // The change and a poll meet in some of these.
    for round in 0..2_000 {
        let access = Access::new(true, policy());
        let named = certificate(PAYMENTS);
        let caller = access.caller(Some(&named), &HeaderMap::new(), || NOW).unwrap();
        let mut loss = access.loss(&caller).unwrap();
        let polls = Arc::new(AtomicUsize::new(0));
        let polled = polls.clone();
        let busy = tokio::spawn(async move {
            while poll_fn(|cx| Poll::Ready(loss.poll(cx))).await.is_pending() {
                polled.fetch_add(1, Relaxed);
                yield_now().await;
            }
        });
        while polls.load(Relaxed) < 3 {
            spin_loop();
        }
        access.replace_policy(&Policy::default());
        let seen = timeout(SOON, busy).await;
        assert!(seen.is_ok(), "not seen in round {round}");
    }
}
