//! The whole shop in one process, over real sockets: who is blamed for what.

use std::{collections::BTreeMap, time::Duration};

use axum::http::StatusCode;
use serde_json::json;
use ward_model::Status;

use super::*;
use crate::plan::SHOP;

struct Stand {
    fault: watch::Sender<Option<How>>,
    served: Served,
    needs: Needs,
    metrics: Metrics,
}

impl Stand {
    async fn scrape(&self) -> String {
        let routes = self.metrics.routes(Vec::new(), None);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, routes).into_future());
        let asked = client().unwrap().get(format!("http://{address}/metrics")).send();
        asked.await.unwrap().text().await.unwrap()
    }
}

struct Shop {
    stands: BTreeMap<&'static str, Stand>,
    registry: Registry,
    _directory: tempfile::TempDir,
}

impl Shop {
    async fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let registry = Registry::new(directory.path());
        let clock = Clock::start();
        let mut stands = BTreeMap::new();
        for member in &SHOP {
            let metrics = Metrics::default();
            let upstream = |need| {
                let client = client().unwrap();
                Upstream::new(need, registry.clone(), client, clock.clone(), metrics.clone())
            };
            let needs = Needs::new(member.needs.iter().map(upstream).collect(), Backing::default());
            let served = Served::new(clock.clone(), metrics.clone());
            let (fault, faulty) = watch::channel(None);
            let app = broken_and_measured(routes(member.role, needs.clone()), faulty, served.clone());
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            registry
                .publish(member.name, listener.local_addr().unwrap())
                .unwrap();
            tokio::spawn(axum::serve(listener, app).into_future());
            stands.insert(
                member.name,
                Stand {
                    fault,
                    served,
                    needs,
                    metrics,
                },
            );
        }
        Self {
            stands,
            registry,
            _directory: directory,
        }
    }

    /// Twenty customers at once; how many could buy.
    async fn sell(&self) -> usize {
        let storefront = self.registry.look_up("storefront").await.unwrap();
        let client = client().unwrap();
        let mut customers = tokio::task::JoinSet::new();
        for customer in 0..20 {
            let order = json!({ "customer": customer, "item": customer % 5 });
            customers.spawn(
                client
                    .post(format!("http://{storefront}/purchases"))
                    .json(&order)
                    .send(),
            );
        }
        let answers = customers.join_all().await;
        answers
            .into_iter()
            .filter(|answer| answer.as_ref().is_ok_and(|it| it.status().is_success()))
            .count()
    }

    fn break_one(&self, name: &str, how: How) {
        self.stands[name].fault.send_replace(Some(how));
    }

    fn own_failures(&self, name: &str) -> f64 {
        self.stands[name].served.figures().failed_ratio()
    }

    fn own_p99(&self, name: &str) -> Duration {
        self.stands[name].served.figures().p99
    }

    async fn opinion(&self, who: &str, of: &str) -> Status {
        let upstream = self.stands[who]
            .needs
            .iter()
            .find(|upstream| upstream.need().name == of)
            .unwrap();
        upstream.check().await.0
    }

    /// Everyone but `guilty` has a clean record, and whoever calls it thinks ill of it and of nobody else.
    async fn assert_only(&self, guilty: &str) {
        for member in &SHOP {
            let name = member.name;
            if name != guilty {
                assert!(self.own_failures(name) < 0.01, "{name} blames itself");
                assert!(
                    self.own_p99(name) < Duration::from_millis(400),
                    "{name} thinks itself slow"
                );
            }
            for need in member.needs {
                let expected = if need.name == guilty {
                    Status::Unhealthy
                } else {
                    Status::Healthy
                };
                assert_eq!(
                    self.opinion(name, need.name).await,
                    expected,
                    "{name} of {}",
                    need.name
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_shop_sells_and_blames_nobody() {
    let shop = Shop::open().await;
    assert_eq!(shop.sell().await, 20);
    shop.assert_only("nobody").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_blamed_on_who_makes_them() {
    let shop = Shop::open().await;
    shop.break_one("bank", How::Errors);
    assert_eq!(shop.sell().await, 4);
    assert!(shop.own_failures("bank") > 0.05);
    shop.assert_only("bank").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slowness_is_blamed_on_who_is_slow() {
    let shop = Shop::open().await;
    shop.break_one("catalog-db", How::Slow);
    assert_eq!(shop.sell().await, 0);
    assert!(shop.own_p99("catalog-db") > Duration::from_millis(800));
    shop.assert_only("catalog-db").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shop_sells_without_recommendations() {
    let shop = Shop::open().await;
    shop.break_one("recommendations", How::Hang);
    assert_eq!(shop.sell().await, 20);
    assert!(shop.own_p99("recommendations") > Duration::from_millis(800));
    shop.assert_only("recommendations").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_is_refused_and_is_nobodys_failure() {
    let shop = Shop::open().await;
    let storefront = shop.registry.look_up("storefront").await.unwrap();
    let post = |body: &'static str| {
        let request = client().unwrap().post(format!("http://{storefront}/purchases"));
        request
            .header("content-type", "application/json")
            .body(body)
            .send()
    };
    for body in [
        "",
        "{",
        "[]",
        r#"{"item":"x","customer":1}"#,
        r#"{"item":-1,"customer":1}"#,
    ] {
        assert!(post(body).await.unwrap().status().is_client_error(), "{body}");
    }
    // The storefront asked the catalog for something there is not: its mistake, if anyone's, and told as one.
    let missing = post(r#"{"item":99,"customer":1}"#).await.unwrap().status();
    assert_eq!(missing, StatusCode::BAD_REQUEST);
    shop.assert_only("nobody").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_trade_by_route_and_no_pings() {
    let shop = Shop::open().await;
    shop.break_one("bank", How::Errors);
    assert_eq!(shop.sell().await, 4);
    shop.assert_only("bank").await;
    let text = async |name: &str| shop.stands[name].scrape().await;
    let payments = text("payments").await;
    for line in [
        "shop_requests_total{route=\"/charges\",code=\"502\"} 16",
        "shop_requests_total{route=\"/charges\",code=\"200\"} 4",
        "shop_request_duration_seconds_count{route=\"/charges\"} 20",
        "shop_upstream_requests_total{upstream=\"bank\",outcome=\"error\"} 16",
        "shop_upstream_duration_seconds_count{upstream=\"bank\"} 20",
        "# EOF",
    ] {
        assert!(
            payments.lines().any(|said| said == line),
            "no {line} in {payments}"
        );
    }
    assert!(
        payments.contains("\nprocess_resident_memory_bytes "),
        "{payments}"
    );
    let mut series = payments.lines().filter(|line| !line.starts_with('#'));
    assert!(
        !series.any(|line| line.contains("ping") || line.contains("service=")),
        "{payments}"
    );
    // Of what a process does not do there is no series.
    assert!(
        !payments.contains("shop_pool") && !payments.contains("shop_purchases"),
        "{payments}"
    );
}
