//! The demo, broken: one cause is one page, by mail and in Slack, and what else breaks is another.

use std::{collections::BTreeSet, fs, net::SocketAddr, path::PathBuf, process::Stdio};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::{sleep, timeout},
};

use crate::{
    alertmanager::{self, Alertmanager},
    outside::not_run,
    people::{GLANCE, PATIENCE, People, python},
    scene::told,
    ward::program,
};

/// Rules as they are shipped, but sooner: six seconds is longer than one who needs a thing that crashed notices that before
/// the thing's lease is over.
const RULES: &str = "[alerting.rules]\nServiceUnhealthy.for = \"6s\"\nSystemUnhealthy.for = \"6s\"\n";

/// A running `ward demo`.
pub(crate) struct Demo {
    process: Child,
    _output: Lines<BufReader<ChildStdout>>,
    grpc: String,
    pub(crate) http: SocketAddr,
    home: TempDir,
}

impl Demo {
    pub(crate) async fn open(alertmanager: &Alertmanager) -> Self {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("ward.toml");
        fs::write(&config, RULES.to_owned() + &told(&[alertmanager])).unwrap();
        let mut process = ward(&home)
            .args([
                "demo",
                "--grpc",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
                "--config",
            ])
            .arg(config)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let opening = async {
            let (mut grpc, mut http) = (String::new(), None);
            while let Some(line) = output.next_line().await.unwrap() {
                let last = line.split_whitespace().next_back().unwrap_or_default();
                if line.contains(" grpc ") {
                    grpc = last.to_owned();
                }
                if line.contains(" metrics ") {
                    let address = last.trim_start_matches("http://").trim_end_matches("/metrics");
                    http = address.parse().ok();
                }
                if line.contains("Ctrl-C") {
                    return (grpc, http.expect("it says where"));
                }
            }
            panic!("the demo ended")
        };
        let (grpc, http) = timeout(PATIENCE, opening).await.expect("the shop opens");
        Self {
            process,
            _output: output,
            grpc,
            http,
            home,
        }
    }

    /// Where a Prometheus beside it finds the processes of the shop.
    pub(crate) fn targets(&self) -> PathBuf {
        let mut demos = fs::read_dir(self.home.path().join("ward-demo")).unwrap();
        demos.next().unwrap().unwrap().path().join("targets.json")
    }

    /// Runs `ward` with these arguments, about this demo.
    pub(crate) async fn ask(&self, arguments: &[&str]) {
        let mut command = ward(&self.home);
        let asked = command.args(arguments).args(["--server", &self.grpc]).output();
        let output = asked.await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Its members end with it.
        drop(self.process.start_kill());
    }
}

fn ward(home: &TempDir) -> Command {
    let mut command = Command::new(program());
    command
        .env("XDG_RUNTIME_DIR", home.path())
        .env_remove("WARD_SERVER")
        .kill_on_drop(true);
    command
}

/// All alerts that an Alertmanager ever lists, as rule and service; for ever.
async fn collect(alertmanager: &Alertmanager, seen: &mut BTreeSet<String>) {
    loop {
        for alert in alertmanager.list("alerts").await.unwrap_or_default() {
            let label = |name: &str| alert["labels"][name].as_str().unwrap_or("system").to_owned();
            seen.insert(format!("{} {}", label("alertname"), label("service")));
        }
        sleep(GLANCE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_bank_is_one_page_that_says_why_and_one_resolution_and_a_second_failure_pages_too() {
    let Some(program) = alertmanager::program() else {
        return;
    };
    let Some(python) = python() else {
        let wanted = "interpreter with aiosmtpd as $PYTHON or python3";
        return not_run("alerts by mail", wanted);
    };
    let people = People::with_mail(&python).await;
    let alertmanager = Alertmanager::start(program, &people);
    let demo = Demo::open(&alertmanager).await;
    let mut seen = BTreeSet::new();
    let story = async {
        people.page("dead-man", "Watchdog").await;
        demo.ask(&["demo", "break", "bank", "--how", "crash"]).await;
        for to in ["mail", "people"] {
            let page = people.page(to, "firing bank").await;
            for said in [
                "firing ServiceUnhealthy bank: bank is unhealthy",
                "cause: bank\n",
                "evidence: bank",
                "affects: payments, storefront",
            ] {
                assert!(page.text.contains(said), "no {said:?} for {to} in {}", page.text);
            }
        }
        demo.ask(&["demo", "break", "catalog-db", "--how", "crash"]).await;
        for to in ["mail", "people"] {
            let page = people.page(to, "firing catalog-db").await;
            assert!(page.text.contains("cause: catalog-db\n"), "{}", page.text);
        }
        demo.ask(&["demo", "mend", "bank"]).await;
        demo.ask(&["demo", "mend", "catalog-db"]).await;
        people.page("mail", "resolved bank").await;
        people.page("mail", "resolved catalog-db").await;
        people.page("people", "resolved catalog-db").await;
        // The sign of life goes on, and whatever followed has left by then.
        let signs = people.titles("dead-man").len();
        while people.titles("dead-man").len() < signs + 3 {
            sleep(GLANCE).await;
        }
    };
    tokio::select! {
        () = collect(&alertmanager, &mut seen) => {}
        told = timeout(4 * PATIENCE, story) => told.expect("it comes to an end"),
    }
    let expected = [
        "firing bank",
        "firing catalog-db",
        "resolved bank",
        "resolved catalog-db",
    ];
    for to in ["mail", "people"] {
        let mut told = people.titles(to);
        told.sort();
        assert_eq!(told, expected, "to {to}, of {seen:#?}: {:#?}", people.told());
    }
    assert_eq!(people.titles("desk"), [""; 0]);
    let all = [
        "ServiceUnhealthy bank",
        "ServiceUnhealthy catalog-db",
        "Watchdog system",
    ];
    assert_eq!(
        seen.iter().map(String::as_str).collect::<Vec<_>>(),
        all,
        "no more ever left Ward"
    );
    assert!(people.titles("dead-man").iter().all(|title| title == "Watchdog"));
}
