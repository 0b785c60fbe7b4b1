//! `/api/v1/watch` and the `eventsource` package under Node: it follows through broken connections and a restart of the
//! aggregator, by itself, losing nothing and being told nothing twice.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::Duration,
};

use serde_json::Value;
use ward_model::Status;
use ward_sdk::Reporter;

use crate::{
    outside::{find, not_run},
    relay::Relay,
    ward::Ward,
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/event_source.js");

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lines that may wait to be looked at: more than a test makes.
const LINES: usize = 10_000;

/// The client under Node, and what it has told so far. It fails where one of the promises is broken.
struct EventSource {
    process: Child,
    lines: Receiver<Value>,
    state: BTreeMap<String, Value>,
    gathered: Vec<Value>,
    at: (String, u64),
    /// Event and epoch of each whole step.
    steps: Vec<(String, String)>,
    /// Each verdict about `bank` that was told, in order.
    bank: Vec<String>,
    opened: usize,
}

impl EventSource {
    /// `None` without Node or the package.
    fn start(address: SocketAddr, query: &str) -> Option<Self> {
        let modules =
            env::var_os("EVENTSOURCE").filter(|modules| Path::new(modules).join("eventsource").is_dir());
        let (Some(node), Some(modules)) = (find("NODE", &["node", "nodejs"]), modules) else {
            not_run(
                "EventSource",
                "node, or folder of the package eventsource as $EVENTSOURCE",
            );
            return None;
        };
        let mut process = Command::new(node)
            .arg(SCRIPT)
            .arg(format!("http://{address}/api/v1/watch{query}"))
            .env("EVENTSOURCE", modules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = sync_channel(LINES);
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        Some(Self {
            process,
            lines,
            state: BTreeMap::new(),
            gathered: Vec::new(),
            at: (String::new(), 0),
            steps: Vec::new(),
            bank: Vec::new(),
            opened: 0,
        })
    }

    /// Takes what comes until it is so.
    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        while !is_so(self) {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("{what}: not after {:?}; it knows {:#?}", self.steps, self.state));
            self.take(&line);
        }
    }

    fn take(&mut self, line: &Value) {
        let (event, data) = (line["event"].as_str().unwrap(), &line["data"]);
        match event {
            "snapshot" | "revision" | "coalesced" => self.take_delta(event, data),
            // The package has begun anew: what was not whole comes again.
            "open" => {
                self.opened += 1;
                self.gathered.clear();
            }
            "bookmark" => {
                assert_eq!(data["epoch"], *self.at.0);
                let revision = data["revision"].as_u64().unwrap();
                assert!(revision >= self.at.1, "ordered");
                self.at.1 = revision;
            }
            _ => return,
        }
        if event != "open" && data["last"] != false {
            assert_eq!(line["id"], format!("{}-{}", self.at.0, self.at.1));
        }
    }

    fn take_delta(&mut self, event: &str, data: &Value) {
        let (epoch, to) = (data["epoch"].as_str().unwrap(), data["to"].as_u64().unwrap());
        if event == "snapshot" {
            assert_ne!(
                epoch, self.at.0,
                "a snapshot is told once an epoch, or something was lost"
            );
        } else {
            assert_eq!(
                (epoch, data["from"].as_u64().unwrap()),
                (&*self.at.0, self.at.1),
                "a gap or a repeat"
            );
            assert!(to > self.at.1);
        }
        self.gathered
            .extend(data["entities"].as_array().unwrap().iter().cloned());
        if data["last"] == false {
            return;
        }
        if event == "snapshot" {
            self.state.clear();
        }
        for entity in std::mem::take(&mut self.gathered) {
            self.apply(&entity);
        }
        self.at = (epoch.to_owned(), to);
        self.steps.push((event.to_owned(), epoch.to_owned()));
    }

    fn apply(&mut self, entity: &Value) {
        let Some(state) = entity.get("service") else {
            return;
        };
        let name = state["name"].as_str().unwrap();
        if name == "bank"
            && self
                .state
                .get(name)
                .is_none_or(|before| before["condition"]["status"] != state["condition"]["status"])
        {
            self.bank
                .push(state["condition"]["status"].as_str().unwrap().to_owned());
        }
        self.state.insert(name.to_owned(), state.clone());
    }

    fn knows(&self, service: &str, status: &str) -> bool {
        self.state
            .get(service)
            .is_some_and(|state| state["condition"]["status"] == status)
    }
}

impl Drop for EventSource {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn reporter(ward: &Ward, service: &str) -> Reporter {
    let builder = Reporter::builder(service)
        .server(ward.grpc.to_string())
        .instance("one");
    builder.interval(Duration::from_millis(500)).start().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_follows_through_broken_connections_and_a_restart() {
    let mut ward = Ward::start();
    let relay = Relay::to(ward.http).await;
    let Some(mut client) = EventSource::start(relay.addr, "") else {
        return;
    };
    let (bank, _shop) = (reporter(&ward, "bank"), reporter(&ward, "shop"));
    client.until("both are healthy", |client| {
        client.knows("bank", "healthy") && client.knows("shop", "healthy")
    });

    // What happens while it is away is told when it is back, each change of it and none twice.
    client.bank.clear();
    let opened = client.opened;
    for (status, word) in [
        (Status::Degraded, "degraded"),
        (Status::Unhealthy, "unhealthy"),
        (Status::Healthy, "healthy"),
    ] {
        relay.break_connections();
        bank.set_status(status, "for a test");
        client.until(word, |client| client.knows("bank", word));
    }
    client.until("it came back each time", |client| client.opened >= opened + 3);
    assert_eq!(client.bank, ["degraded", "unhealthy", "healthy"]);
    let snapshots = |client: &EventSource| {
        client
            .steps
            .iter()
            .filter(|(event, _)| event == "snapshot")
            .count()
    };
    assert_eq!(snapshots(&client), 1, "resumed: {:?}", client.steps);

    ward.kill();
    bank.set_status(Status::Unhealthy, "while nobody looked");
    let epoch = client.at.0.clone();
    ward.start_again();
    client.until("what happened meanwhile is told", |client| {
        client.at.0 != epoch && client.knows("bank", "unhealthy") && client.knows("shop", "healthy")
    });
    assert_eq!(
        snapshots(&client),
        2,
        "a snapshot tells of the restart: {:?}",
        client.steps
    );

    // And it ends with what somebody is told who comes now.
    let mut anew = EventSource::start(ward.http, "").unwrap();
    anew.until("a snapshot", |anew| !anew.steps.is_empty());
    let at = anew.at.clone();
    client.until("as far", |client| client.at.1 >= at.1);
    let statuses = |client: &EventSource| -> Vec<_> {
        let status = |(name, state): (&String, &Value)| (name.clone(), state["condition"].clone());
        client.state.iter().map(status).collect()
    };
    assert_eq!(statuses(&client), statuses(&anew));
}
