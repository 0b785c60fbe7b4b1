//! The shop on PostgreSQL and Redis: they are not there yet, hang, stop, are killed, and come back. Each time the one that
//! is ill is the cause and the only alert, and the shop sells.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::{postgres, redis, stack::Stack};

/// Longer than two rounds of the rules, so that whatever else would fire has fired.
const SETTLED: Duration = Duration::from_secs(8);

const WITHOUT_POSTGRES: [(&str, &str); 3] = [
    ("catalog", "degraded"),
    ("postgres", "unhealthy"),
    ("storefront", "degraded"),
];
const WITHOUT_REDIS: [(&str, &str); 3] = [
    ("cart", "degraded"),
    ("redis", "unhealthy"),
    ("storefront", "degraded"),
];

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_the_catalog_serves_from_its_cache_and_the_database_is_the_cause() {
    let Some(mut stack) = Stack::set_up() else {
        return;
    };
    stack.redis.run().await;
    // Nobody gives up because a database is not there yet; and what was never read is not sold.
    let unread = [
        ("catalog", "unhealthy"),
        ("postgres", "unhealthy"),
        ("storefront", "unhealthy"),
    ];
    stack.until("unhealthy", &["catalog", "postgres"], &unread).await;
    assert_eq!(stack.buy(3).await.0, 502);
    stack.postgres.run().await;
    stack.until("healthy", &[], &[]).await;
    stack.until_firing(&[]).await;
    let (status, bought) = stack.buy(3).await;
    assert_eq!((status, &bought["item"]["price"]), (200, &json!(130)), "{bought}");
    assert_eq!(bought["cart"]["customer"], 7);

    stack.postgres.freeze();
    stack.until("degraded", &["postgres"], &WITHOUT_POSTGRES).await;
    let (links, chain) = stack.chain().await;
    assert_eq!(links, ["storefront", "catalog", "postgres"]);
    assert!(
        chain.contains("the catalogue is served from the cache"),
        "{chain}"
    );
    let (status, bought) = stack.buy(3).await;
    assert_eq!(
        (status, &bought["item"]["stale"]),
        (200, &json!(true)),
        "{bought}"
    );
    stack.until_firing(&["ServiceUnhealthy postgres"]).await;
    sleep(SETTLED).await;
    assert_eq!(stack.firing().await, ["ServiceUnhealthy postgres"]);
    assert!(
        stack
            .metric("catalog", "shop_cache_lookups_total{result=\"stale\"}")
            .await
            > 0.0
    );
    stack.postgres.thaw();
    stack.until("healthy", &[], &[]).await;
    stack.until_firing(&[]).await;
    stack.until_fresh().await;

    // It leaves with a goodbye, which is no failure of its own.
    stack.end("catalog").await;
    stack.start("catalog");
    stack.until("healthy", &[], &[]).await;
    assert!(
        stack
            .metric("customers", "shop_purchases_total{outcome=\"ok\"}")
            .await
            > 0.0
    );
    assert!(stack.metric("catalog", "shop_pool_max{pool=\"postgres\"}").await > 1.0);
    assert!(stack.metric("bank", "process_resident_memory_bytes").await > 1e6);
    assert!(!stack.logs().contains(postgres::PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_cache_the_cart_can_be_read_and_the_cache_is_the_cause() {
    let Some(mut stack) = Stack::set_up() else {
        return;
    };
    stack.postgres.run().await;
    stack.until("degraded", &["redis"], &WITHOUT_REDIS).await;
    assert_eq!(stack.buy(3).await.0, 200);
    stack.redis.run().await;
    stack.until("healthy", &[], &[]).await;
    let choices = stack.until_writable().await;

    stack.redis.freeze();
    stack.until("degraded", &["redis"], &WITHOUT_REDIS).await;
    let (links, chain) = stack.chain().await;
    assert_eq!(links, ["storefront", "cart", "redis"]);
    assert!(chain.contains("carts are read-only"), "{chain}");
    let (status, bought) = stack.buy(3).await;
    assert_eq!(
        (status, &bought["cart"]["read_only"]),
        (200, &json!(true)),
        "{bought}"
    );
    assert!(bought["cart"]["choices"].as_u64().unwrap() >= choices);
    stack.until_firing(&["ServiceUnhealthy redis"]).await;
    sleep(SETTLED).await;
    assert_eq!(stack.firing().await, ["ServiceUnhealthy redis"]);
    stack.redis.thaw();
    stack.until("healthy", &[], &[]).await;
    stack.until_firing(&[]).await;
    assert!(!stack.logs().contains(redis::PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_that_stop_or_are_killed_are_found_again() {
    let Some(mut stack) = Stack::set_up() else {
        return;
    };
    stack.postgres.run().await;
    stack.redis.run().await;
    stack.until("healthy", &[], &[]).await;
    stack.postgres.stop();
    stack.until("degraded", &["postgres"], &WITHOUT_POSTGRES).await;
    stack.postgres.run().await;
    stack.until("healthy", &[], &[]).await;
    stack.redis.kill();
    stack.until("degraded", &["redis"], &WITHOUT_REDIS).await;
    stack.redis.run().await;
    stack.until("healthy", &[], &[]).await;
    stack.postgres.kill();
    stack.until("degraded", &["postgres"], &WITHOUT_POSTGRES).await;
    assert_eq!(stack.buy(3).await.0, 200);
    stack.postgres.run().await;
    stack.until("healthy", &[], &[]).await;
    stack.until_fresh().await;
}
