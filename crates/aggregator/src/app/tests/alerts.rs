//! Alerts over a whole life and the next: an Alertmanager of our own says what arrived. The real one is in `crates/e2e`.

use std::sync::Mutex;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::Method,
    routing::{delete, get, post},
};
use serde_json::{Value, json};
use ward_model::{Acknowledgement, AlertState, Name, RuleName, Wall};

use super::*;

/// What an Alertmanager was told, in order.
#[derive(Debug, Default)]
struct Told {
    alerts: Vec<Value>,
    silences: Vec<Value>,
    expired: Vec<String>,
}

type Shared = Arc<Mutex<Told>>;

/// One that takes everything.
async fn alertmanager() -> (SocketAddr, Shared) {
    let told = Shared::default();
    let alerts = |State(told): State<Shared>, Json(alerts): Json<Vec<Value>>| async move {
        told.lock().unwrap().alerts.extend(alerts);
    };
    let set = |State(told): State<Shared>, Json(mut silence): Json<Value>| async move {
        let mut told = told.lock().unwrap();
        let id = format!("silence-{}", told.silences.len());
        silence["id"] = json!(id);
        silence["status"] = json!({ "state": "active" });
        told.silences.push(silence);
        Json(json!({ "silenceID": id }))
    };
    let list = |State(told): State<Shared>| async move {
        let told = told.lock().unwrap();
        let is_over = |silence: &&Value| told.expired.iter().any(|id| silence["id"] == json!(id));
        let active = told.silences.iter().filter(|silence| !is_over(silence));
        Json(active.cloned().collect::<Vec<_>>())
    };
    let expire = |State(told): State<Shared>, _: Method, Path(id): Path<String>| async move {
        told.lock().unwrap().expired.push(id);
    };
    let router = Router::new()
        .route("/api/v2/alerts", post(alerts))
        .route("/api/v2/silences", get(list).post(set))
        .route("/api/v2/silence/{id}", delete(expire))
        .with_state(told.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (addr, told)
}

async fn start(home: &tempfile::TempDir, to: SocketAddr) -> App {
    provide_tls();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    // At once: as it is shipped it waits.
    let text = format!(
        "[alerting]\nexternal_url = \"https://ward.example/at/\"\n[alerting.rules.ServiceUnhealthy]\nfor = \"0s\"\nhold = \"false\"\n[[alerting.alertmanagers]]\nname = \"am\"\nurl = \"http://{to}\"\n"
    );
    let settings = ward_config::read_text(&text).unwrap();
    let config = Config {
        grpc: any,
        http: any,
        data_dir: home.path().into(),
        ..settings.into()
    };
    App::start(config).await.unwrap()
}

async fn report(app: &App, status: &str) {
    let body = json!({ "service": "bank", "interval": "1h", "results": [{ "name": "self", "status": status, "message": "" }] });
    let url = format!("http://{}/api/v1/report", app.http_addr());
    let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

async fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            match found() {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    timeout(3 * SOON, waiting)
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"))
}

fn of_bank(told: &Shared) -> Vec<Value> {
    let told = told.lock().unwrap();
    let bank = told
        .alerts
        .iter()
        .filter(|alert| alert["labels"]["service"] == json!("bank"));
    bank.cloned().collect()
}

fn firing(app: &App) -> Option<ward_model::Alert> {
    let bank = Name::service("bank").unwrap();
    app.edge.alerting.board().firing(Some(&bank)).next().cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_goes_on_over_a_restart_with_what_was_acknowledged() {
    let home = tempfile::tempdir().unwrap();
    let (addr, told) = alertmanager().await;
    let app = start(&home, addr).await;
    report(&app, "unhealthy").await;
    let first = until("it fires", || of_bank(&told).into_iter().next()).await;
    assert_eq!(first["labels"]["root_cause"], json!("bank"));
    let page = "https://ward.example/at/runbooks/ServiceUnhealthy";
    assert_eq!(first["annotations"]["runbook_url"], json!(page));
    let alert = firing(&app).unwrap();
    let now = app.edge.clock.wall();
    let said = Acknowledgement {
        service: alert.key.service.clone(),
        rules: vec![RuleName::new("ServiceUnhealthy").unwrap()],
        by: "ann".into(),
        why: "on it".into(),
        start: now,
        end: Wall(now.0 + 3_600_000),
    };
    app.edge.alerting.acknowledge(said.clone()).await.unwrap();
    assert_eq!(firing(&app).unwrap().acknowledged.as_ref(), Some(&said));
    until("it is silenced", || {
        (told.lock().unwrap().silences.len() == 1).then_some(())
    })
    .await;
    assert!(app.stop().await.is_clean());

    let before = of_bank(&told).len();
    let app = start(&home, addr).await;
    // Nobody has reported since: it is Unknown, and fires on as it was.
    let again = until("it is sent again", || of_bank(&told).get(before).cloned()).await;
    assert_eq!(
        (&again["startsAt"], &again["labels"]),
        (&first["startsAt"], &first["labels"])
    );
    assert_eq!(again["annotations"]["runbook_url"], json!(page));
    let known = until("it is known again", || firing(&app)).await;
    assert_eq!(
        (known.fired, known.acknowledged.as_ref()),
        (alert.fired, Some(&said))
    );
    assert_eq!(told.lock().unwrap().expired, [""; 0], "the silence stands");

    report(&app, "healthy").await;
    let is_over =
        |alert: &Value| alert["endsAt"].as_str() < Some("2100") && alert["endsAt"] != again["endsAt"];
    until("it is resolved", || {
        let board = app.edge.alerting.board();
        let mut alerts = board.alerts.iter();
        let is_resolved = alerts.any(|alert| alert.key == known.key && alert.state == AlertState::Resolved);
        is_resolved.then_some(())
    })
    .await;
    let over = until("that is told", || of_bank(&told).pop().filter(is_over)).await;
    // Of the log there was something by then: origin, size, root.
    let head = over["annotations"]["audit_head"].as_str().unwrap();
    let [origin, size, root] = head.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{head}");
    };
    let held = app.edge.hub.audit().unwrap();
    assert_eq!((origin, root.len()), (held.origin.as_str(), 44));
    assert!((1..=held.size).contains(&size.parse().unwrap()), "{head}");
    until("the silence is ended", || {
        (told.lock().unwrap().expired.len() == 1).then_some(())
    })
    .await;
    assert_eq!(told.lock().unwrap().silences.len(), 1);
    assert!(app.edge.alerting.board().acknowledged.is_empty());
    let shown = reqwest::get(format!("http://{}/metrics", app.http_addr()))
        .await
        .unwrap();
    let shown = shown.text().await.unwrap();
    for line in [
        "ward_alerts{state=\"resolved\",severity=\"critical\"} 1\n",
        "ward_outbox_entries{receiver=\"am\"} 0\n",
        "ward_alert_deliveries_total{receiver=\"am\",outcome=\"failed\"} 0\n",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
    assert!(app.stop().await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_system_is_not_acknowledged_for_its_sign_of_life() {
    let home = tempfile::tempdir().unwrap();
    let (addr, told) = alertmanager().await;
    let app = start(&home, addr).await;
    let is_told = || {
        let told = told.lock().unwrap();
        told.alerts
            .iter()
            .find(|alert| alert["labels"]["alertname"] == json!("Watchdog"))
            .map(drop)
    };
    until("it lives", is_told).await;
    let url = format!("http://{}/api/v1/acknowledgements", app.http_addr());
    let body = json!({ "service": "system", "by": "ann" });
    let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 409);
    assert!(answer.text().await.unwrap().contains("NOT_FIRING"));
    assert!(app.stop().await.is_clean());
}
