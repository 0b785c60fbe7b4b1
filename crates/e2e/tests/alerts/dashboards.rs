//! Every question of every dashboard, put to the real Prometheus while the shop runs, breaks and is mended.
//!
//! A panel that says what it shows when there is nothing (`noValue`) may be empty while all is well, and must not be once
//! something broke; any other must never be. A misspelt metric is no error to Prometheus, so an empty answer is one here.

use std::{collections::BTreeSet, fs, net::SocketAddr, path::Path, process::Stdio};

use serde_json::Value;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::{
    alertmanager::{self, Alertmanager, get},
    outside::not_run,
    people::{GLANCE, PATIENCE, People},
    postgres::Postgres,
    program::free_port,
    prometheus::{self, Prometheus, Targets},
    redis::Redis,
    shop::Demo,
    ward,
};

const DASHBOARDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../grafana/dashboards");
/// What Grafana puts in for the time between two points, and for the time range.
const TIMES: [(&str, &str); 3] = [
    ("$__rate_interval", "10s"),
    ("$__interval", "5s"),
    ("$__range", "5m"),
];

/// One expression, as it stands in its panel.
#[derive(Clone, Debug)]
struct Question {
    panel: String,
    expr: String,
    /// The variable that stands in it, and whether one value is put in for it or all at once.
    variable: Option<Variable>,
    /// It may have no answer while all is well.
    may_be_empty: bool,
}

#[derive(Clone, Debug)]
struct Variable {
    name: String,
    metric: String,
    label: String,
    several: bool,
}

impl Variable {
    fn read(variable: &Value) -> Self {
        let query = variable["query"]["query"].as_str().unwrap();
        let inner = query
            .strip_prefix("label_values(")
            .and_then(|query| query.strip_suffix(')'));
        let (metric, label) = inner
            .and_then(|inner| inner.split_once(", "))
            .expect("what is read here");
        Self {
            name: variable["name"].as_str().unwrap().to_owned(),
            metric: metric.to_owned(),
            label: label.to_owned(),
            several: variable["multi"] == true,
        }
    }
}

fn dashboards() -> Vec<Value> {
    let listed = fs::read_dir(DASHBOARDS).unwrap();
    let read = |path: &Path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    listed.map(|entry| read(&entry.unwrap().path())).collect()
}

fn questions(dashboard: &Value) -> Vec<Question> {
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let variables: Vec<_> = variables.iter().map(Variable::read).collect();
    let mut questions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let targets = panel["targets"].as_array().into_iter().flatten();
        for target in targets.filter(|target| target["datasource"]["type"] == "prometheus") {
            let mut expr = target["expr"].as_str().unwrap().to_owned();
            for (name, time) in TIMES {
                expr = expr.replace(name, time);
            }
            questions.push(Question {
                panel: format!("{} / {}", dashboard["title"], panel["title"]),
                variable: variables
                    .iter()
                    .find(|v| expr.contains(&format!("${}", v.name)))
                    .cloned(),
                may_be_empty: !panel["fieldConfig"]["defaults"]["noValue"].is_null(),
                expr,
            });
        }
    }
    questions
}

impl Question {
    /// As Grafana would put it, for each value of its variable.
    async fn each(&self, prometheus: &Prometheus) -> Vec<String> {
        let Some(Variable {
            name,
            metric,
            label,
            several,
        }) = &self.variable
        else {
            return vec![self.expr.clone()];
        };
        let mut values = prometheus.values(metric, label).await;
        if *several {
            // All at once, as it is before anybody chooses.
            values.truncate(1);
            values.iter_mut().for_each(|value| *value = ".*".to_owned());
        }
        let variable = format!("${name}");
        values
            .iter()
            .map(|value| self.expr.replace(&variable, value))
            .collect()
    }

    /// Whether it has an answer: for each value, or for any if it may be empty.
    async fn is_answered(&self, prometheus: &Prometheus) -> bool {
        let each = self.each(prometheus).await;
        let mut answered = 0;
        for expr in &each {
            answered += usize::from(!prometheus.query(expr).await.is_empty());
        }
        answered > 0 && (self.may_be_empty || answered == each.len())
    }
}

/// Asks until all have an answer.
async fn all_answered(prometheus: &Prometheus, backed: &Backed, questions: &[Question]) {
    let end = Instant::now() + 2 * PATIENCE;
    let mut open: Vec<_> = questions.iter().collect();
    loop {
        backed.look().await;
        let mut still = Vec::new();
        for question in open {
            if !question.is_answered(prometheus).await {
                still.push(question);
            }
        }
        if still.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "no answer to {still:#?}");
        open = still;
        sleep(GLANCE).await;
    }
}

/// The value of the series with that label, once it is that.
async fn until(prometheus: &Prometheus, question: &Question, label: (&str, &str), value: &str) {
    let end = Instant::now() + PATIENCE;
    loop {
        let found = prometheus.query(&question.expr).await;
        let is = |series: &&Value| series["metric"][label.0].as_str().unwrap_or_default() == label.1;
        if found
            .iter()
            .find(is)
            .is_some_and(|series| series["value"][1] == value)
        {
            return;
        }
        assert!(
            Instant::now() < end,
            "{}: {label:?} is not {value} in {found:#?}",
            question.panel
        );
        sleep(GLANCE).await;
    }
}

/// The one question of that panel.
fn of<'a>(questions: &'a [Question], panel: &str) -> &'a Question {
    let found = questions.iter().find(|question| question.panel == panel);
    found.unwrap_or_else(|| panic!("there is no {panel}"))
}

/// A catalog over a real PostgreSQL and a cart over a real Redis, as the compose stack has them: those of the demo keep no pool
/// and no cache. No Ward hears of them.
struct Backed {
    _postgres: Postgres,
    _redis: Redis,
    _members: [Child; 2],
    catalog: SocketAddr,
    cart: SocketAddr,
}

impl Backed {
    /// `None` after saying that the test is not run.
    async fn start() -> Option<Self> {
        let (Some(postgres), Some(mut redis)) = (Postgres::start().await, Redis::set_up()) else {
            let wanted = "postgres on PATH or in $PG_BIN, and redis-server on PATH or as $REDIS_SERVER";
            not_run("what dashboards ask of the real Prometheus", wanted);
            return None;
        };
        redis.run().await;
        let at = || SocketAddr::from(([127, 0, 0, 1], free_port()));
        let (catalog, cart) = (at(), at());
        Some(Self {
            _members: [
                serve("catalog", catalog, ("DATABASE_URL", postgres.url())),
                serve("cart", cart, ("REDIS_URL", redis.url())),
            ],
            _postgres: postgres,
            _redis: redis,
            catalog,
            cart,
        })
    }

    /// Somebody looks at something.
    async fn look(&self) {
        // Before it listens there is nothing to see.
        drop(get(self.catalog, "/items/1").await);
    }
}

fn serve(name: &str, at: SocketAddr, store: (&str, String)) -> Child {
    let member = Command::new(ward::program())
        .args(["demo", "serve", name, "--listen", &at.to_string()])
        .env("WARD_SERVER", "127.0.0.1:9")
        .env(store.0, store.1)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    member.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_question_of_every_dashboard_has_an_answer_while_the_shop_runs_and_breaks() {
    let (Some(program), Some(alertmanager)) = (prometheus::program(), alertmanager::program()) else {
        return;
    };
    let Some(backed) = Backed::start().await else {
        return;
    };
    let people = People::come().await;
    let alertmanager = Alertmanager::start(alertmanager, &people);
    let demo = Demo::open(&alertmanager).await;
    let targets = Targets {
        ward: demo.http,
        alertmanager: alertmanager.address,
        shop: demo.targets(),
        catalog: backed.catalog,
        cart: backed.cart,
    };
    let prometheus = Prometheus::start(&program, &targets);
    let questions: Vec<_> = dashboards().iter().flat_map(questions).collect();
    assert!(questions.len() > 80, "{}", questions.len());

    let quiet: Vec<_> = questions
        .iter()
        .filter(|question| !question.may_be_empty)
        .cloned()
        .collect();
    all_answered(&prometheus, &backed, &quiet).await;
    let (system, services) = (
        of(&questions, r#""System" / "The system""#),
        of(&questions, r#""System" / "Services""#),
    );
    until(&prometheus, system, ("", ""), "0").await;

    demo.ask(&["demo", "break", "bank", "--how", "crash"]).await;
    demo.ask(&["maintenance", "start", "recommendations", "--why", "a test"])
        .await;
    until(&prometheus, services, ("service", "bank"), "3").await;
    until(&prometheus, services, ("service", "recommendations"), "4").await;
    until(&prometheus, system, ("", ""), "3").await;
    let fires = of(&questions, r#""System" / "What fires""#);
    until(&prometheus, fires, ("service", "bank"), "1").await;
    let causes = of(&questions, r#""System" / "Root causes""#);
    until(&prometheus, causes, ("cause", "bank"), "1").await;
    let withheld = of(&questions, r#""System" / "What is suppressed""#);
    until(&prometheus, withheld, ("cause", "bank"), "1").await;
    demo.ask(&["ack", "bank", "--why", "a test"]).await;
    let acknowledged = of(&questions, r#""Alerts and audit" / "Acknowledged""#);
    until(&prometheus, acknowledged, ("", ""), "1").await;
    all_answered(&prometheus, &backed, &questions).await;

    demo.ask(&["demo", "mend", "bank"]).await;
    demo.ask(&["maintenance", "end", "recommendations"]).await;
    until(&prometheus, system, ("", ""), "0").await;
    until(&prometheus, services, ("service", "recommendations"), "0").await;
    all_answered(&prometheus, &backed, &quiet).await;
}

/// What is asked for is told apart from what is not there.
#[test]
fn questions_are_read_with_their_variables() {
    let all: Vec<_> = dashboards().iter().flat_map(questions).collect();
    let variables: BTreeSet<_> = all
        .iter()
        .filter_map(|question| question.variable.as_ref())
        .collect::<Vec<_>>()
        .into_iter()
        .map(|variable| (variable.name.as_str(), variable.several))
        .collect();
    assert_eq!(
        variables.into_iter().collect::<Vec<_>>(),
        [("instance", true), ("service", false), ("service", true)]
    );
    let left: Vec<_> = all
        .iter()
        .filter(|question| question.expr.contains("$__"))
        .collect();
    assert!(left.is_empty(), "{left:#?}");
}
