//! Malformed requests, each of which makes the server reset a stream: work for it, hardly any for the attacker.

use bytes::Bytes;
use h2::Reason;

use crate::{
    attacker::{Attacker, head},
    honest::Honest,
    target::{Setup, Target},
};

const REQUESTS: usize = 2_000;

/// How many were reset, and how the connection then ended, if it did.
async fn attack(target: &Target) -> (usize, Option<Reason>) {
    let mut attacker = Attacker::connect(target.addr).await;
    for resets in 0..REQUESTS {
        // Promises five bytes and ends without any.
        let malformed = head(target.addr, "GetSystem").header("content-length", "5");
        let error = attacker
            .call(malformed, Bytes::new())
            .await
            .expect_err("nothing to answer");
        if !error.is_reset() {
            let ended = attacker
                .connection
                .await
                .unwrap()
                .expect_err("closed with a reason");
            assert!(ended.is_go_away() && ended.is_remote(), "{ended:?}");
            return (resets, ended.reason());
        }
        assert_eq!(error.reason(), Some(Reason::PROTOCOL_ERROR));
    }
    (REQUESTS, None)
}

#[tokio::test(flavor = "multi_thread")]
async fn resets_that_the_server_is_made_to_send() {
    for setup in Setup::both() {
        let target = Target::start(&setup);
        let honest = Honest::start(target.addr).await;
        let (resets, ended) = attack(&target).await;
        let ending = ended.map_or("no GOAWAY".to_owned(), |reason| format!("GOAWAY {reason:?}"));
        let happened = format!("of {REQUESTS} malformed requests {resets} were reset, {ending}");
        target.report("resets", &happened, honest.finish().await);
        if setup.guarded {
            assert_eq!(ended, Some(Reason::ENHANCE_YOUR_CALM));
            assert!((128..=256).contains(&resets), "{resets}");
        } else {
            assert_eq!((resets, ended), (REQUESTS, None));
        }
    }
}
