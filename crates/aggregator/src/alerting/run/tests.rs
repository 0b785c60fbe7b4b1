//! What people say by the clock, judged in time that does not follow it: the loop by hand, over an aggregator that runs.

use std::net::SocketAddr;

use serde_json::json;
use tokio::sync::oneshot;
use ward_model::{Now, RuleName};

use super::*;
use crate::{App, Config};

const HOUR_MS: i64 = 3_600_000;
const BOTH: &str = "[alerting.rules.ServiceUnhealthy]\nfor = \"0s\"\nhold = \"false\"\n";
const ILL: &str =
    "[alerting.rules.Ill]\nexpr = \"status == 'unhealthy'\"\nseverity = \"critical\"\nfor = \"0s\"\n";

/// As if the clock had been set back by so many hours since the start, less what passed.
fn ahead(edge: &Shared, hours: i64) -> Time {
    let Now { mono, wall } = edge.clock.now();
    let wall = Wall(wall.0 + hours * HOUR_MS);
    Time::start(Now { mono, wall })
}

fn key(rule: &str) -> AlertKey {
    AlertKey {
        service: Some(Name::service("bank").unwrap()),
        rule: RuleName::new(rule).unwrap(),
    }
}

/// Steps until it is so.
async fn until(run: &mut Run, edge: &Shared, is_so: impl Fn(&Run) -> bool) {
    let stepping = async {
        while !is_so(run) {
            run.step(edge).await;
            sleep(Duration::from_millis(20)).await;
        }
    };
    let within = Duration::from_secs(30);
    tokio::time::timeout(within, stepping).await.expect("in time");
}

fn ends(run: &Run) -> Vec<(Vec<RuleName>, Wall)> {
    let said = run.machine.acknowledgements();
    said.map(|said| (said.rules.clone(), said.end)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_clock_was_set_back_an_acknowledgement_lasts_as_long_as_was_said() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let home = tempfile::tempdir().unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let app = App::start(Config {
        grpc: any,
        http: any,
        data_dir: home.path().into(),
        ..ward_config::read_text(&format!("{BOTH}{ILL}")).unwrap().into()
    });
    let app = app.await.unwrap();
    let edge = &app.edge;
    let body = json!({ "service": "bank", "interval": "1h", "results": [{ "name": "self", "status": "unhealthy", "message": "" }] });
    let url = format!("http://{}/api/v1/report", app.http_addr());
    let answer = reqwest::Client::new().post(url).json(&body).send().await;
    assert!(answer.unwrap().status().is_success());

    let mut run = Run::begin(edge, Before::default(), None, true);
    run.time = ahead(edge, 3);
    let both = ["Ill", "ServiceUnhealthy"].map(key);
    let fires = |run: &Run, key: &AlertKey| {
        let alert = run.machine.alert(key);
        alert.is_some_and(|alert| alert.state == AlertState::Firing)
    };
    until(&mut run, edge, |run| both.iter().all(|key| fires(run, key))).await;
    let start = edge.clock.wall();
    let said = Acknowledgement {
        service: both[0].service.clone(),
        rules: both.iter().map(|key| key.rule.clone()).collect(),
        by: "ann".into(),
        why: "on it".into(),
        start,
        end: Wall(start.0 + 2 * HOUR_MS),
    };
    let (done, _) = oneshot::channel();
    run.command(edge, Command::Acknowledge(said.clone(), done)).await;
    let alert = run.machine.alert(&both[1]).unwrap().clone();
    assert!(alert.acknowledged.is_some());
    // People see it as it was said.
    assert_eq!(run.labelled(edge, &alert).acknowledged.as_ref(), Some(&said));
    assert_eq!(run.acknowledged.values().collect::<Vec<_>>(), [&said]);
    let [(_, end)] = ends(&run)[..] else {
        panic!("{:?}", ends(&run));
    };

    // An hour passes, in which it was set back by another: less fires, and it ends when it would have.
    run.time = ahead(edge, 4);
    let fewer = ward_config::read_text(BOTH).unwrap();
    run.machine.replace_rules(fewer.alerting.rules);
    let left = [(vec![both[1].rule.clone()], end)];
    until(&mut run, edge, |run| ends(run) == left).await;
    assert_eq!(run.acknowledged.values().next().unwrap().end, said.end);

    run.time = ahead(edge, 5);
    until(&mut run, edge, |run| run.acknowledged.is_empty()).await;
    assert!(run.machine.alert(&both[1]).unwrap().acknowledged.is_none());
    assert!(app.stop().await.is_clean());
}
