//! The demo as people run it: the real command, each way of breaking and mending, and nothing left behind.
//!
//! Three shops at a time at most (tests run side by side), each broken twice: one shop broken eight times in a row would
//! be found flapping, and rightly so. Everything is waited for by its level, with a deadline.

#[path = "demo/shop.rs"]
mod shop;

use std::time::Duration;

use anyhow::Result;
use shop::{Expect, Shop, alive, eventually, files_under};
use ward_proto::v1::Status;

const BANK_ILL: Expect = Expect {
    chain: &["storefront", "payments", "bank"],
    storefront: Status::Unhealthy,
    system: Status::Unhealthy,
};

#[tokio::test(flavor = "multi_thread")]
async fn errors_show_at_their_root_and_a_soft_need_only_degrades() -> Result<()> {
    let mut shop = Shop::open().await?;
    shop.ill_and_well("bank", "errors", BANK_ILL).await?;
    let beside = Expect {
        chain: &["storefront", "recommendations"],
        storefront: Status::Degraded,
        system: Status::Degraded,
    };
    shop.ill_and_well("recommendations", "errors", beside).await?;
    shop.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn slowness_shows_and_so_does_a_dead_database_that_reports_nothing() -> Result<()> {
    let mut shop = Shop::open().await?;
    shop.ill_and_well("bank", "slow", BANK_ILL).await?;
    let database = Expect {
        chain: &["storefront", "catalog", "catalog-db"],
        ..BANK_ILL
    };
    shop.ill_and_well("catalog-db", "crash", database).await?;
    shop.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_shows_and_so_does_a_frozen_cache_that_reports_nothing() -> Result<()> {
    let mut shop = Shop::open().await?;
    shop.ill_and_well("bank", "hang", BANK_ILL).await?;
    let cache = Expect {
        chain: &["storefront", "cart", "cart-cache"],
        ..BANK_ILL
    };
    shop.ill_and_well("cart-cache", "freeze", cache).await?;
    shop.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_shows_and_requests_that_make_no_sense_are_refused() -> Result<()> {
    let mut shop = Shop::open().await?;
    for (arguments, complaint) in [
        (
            &["break", "bnak", "--how", "hang"][..],
            "there are: catalog-db, cart-cache, bank",
        ),
        (
            &["break", "bank", "--how", "burn"],
            "errors, slow, hang, crash, freeze",
        ),
        (&["mend", "bank"], "bank is not broken"),
    ] {
        let said = shop
            .ask(arguments)
            .await
            .expect_err("it makes no sense")
            .to_string();
        assert!(said.starts_with("64: ") && said.contains(complaint), "{said}");
    }
    shop.ill_and_well("bank", "crash", BANK_ILL).await?;
    shop.ask(&["break", "bank", "--how", "slow"]).await?;
    let twice = shop
        .ask(&["break", "bank", "--how", "hang"])
        .await
        .expect_err("it is broken already")
        .to_string();
    assert!(
        twice.starts_with("64: ") && twice.contains("broken already (slow)"),
        "{twice}"
    );
    shop.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_shows_and_a_killed_demo_leaves_no_process_not_even_a_frozen_one() -> Result<()> {
    let mut shop = Shop::open().await?;
    shop.ill_and_well("bank", "freeze", BANK_ILL).await?;
    shop.ask(&["break", "cart", "--how", "freeze"]).await?;
    let processes = shop.processes();
    assert_eq!(processes.len(), 8, "{processes:?}");
    shop.kill().await?;
    eventually(Duration::from_secs(5), || {
        !processes.iter().any(|&pid| alive(pid))
    })
    .await?;

    // What is left are files; the next demo of this user clears them away, and leaves nothing itself.
    assert!(!files_under(shop.runtime()).is_empty());
    let said = shop
        .ask(&["mend", "cart"])
        .await
        .expect_err("nobody is there")
        .to_string();
    assert!(
        said.starts_with("4: ") && said.contains("no demo is running"),
        "{said}"
    );
    let next = Shop::open_in(shop.into_runtime()).await?;
    next.close().await
}
