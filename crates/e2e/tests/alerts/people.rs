//! Who is told: a receiver that looks like Slack's and like a dead man's switch, and a mail server.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Json, Router, extract, routing::post};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::Command,
    task::AbortHandle,
    time::{Instant, sleep, timeout},
};

use crate::outside::find;

/// How long anything here may take before it counts as broken: ten times what it takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const GLANCE: Duration = Duration::from_millis(50);

const SMTP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/alerts/smtp.py");

/// Something that somebody was told, and how.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// `people`, `desk` and `dead-man` over HTTP, or `mail`.
    pub(crate) to: String,
    pub(crate) title: String,
    pub(crate) text: String,
}

/// All who are told by one Alertmanager. They are gone with their test.
pub(crate) struct People {
    told: Arc<Mutex<Vec<Page>>>,
    pub(crate) address: SocketAddr,
    pub(crate) smtp: Option<u16>,
    tasks: Vec<AbortHandle>,
}

impl People {
    /// Without mail.
    pub(crate) async fn come() -> Self {
        let told: Arc<Mutex<Vec<Page>>> = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::clone(&told);
        let hear = async move |extract::Path(to): extract::Path<String>, Json(said): Json<Value>| {
            heard.lock().unwrap().push(read(to, &said));
            "ok"
        };
        let app = Router::new().route("/{to}", post(hear));
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            told,
            address,
            smtp: None,
            tasks: vec![serving.abort_handle()],
        }
    }

    /// With a mail server.
    pub(crate) async fn with_mail(python: &Path) -> Self {
        let mut people = Self::come().await;
        let mut server = Command::new(python)
            .arg(SMTP)
            // It ends when its input does, so also when this test is killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let port = timeout(PATIENCE, lines.next_line()).await.expect("it listens");
        people.smtp = Some(port.unwrap().expect("it has not ended").parse().unwrap());
        let told = Arc::clone(&people.told);
        let reading = tokio::spawn(async move {
            let _server = server;
            while let Some(line) = lines.next_line().await.unwrap() {
                let mail: Value = serde_json::from_str(&line).unwrap();
                told.lock().unwrap().push(Page {
                    to: "mail".into(),
                    title: text(&mail["title"]),
                    text: text(&mail["text"]),
                });
            }
        });
        people.tasks.push(reading.abort_handle());
        people
    }

    /// All titles that one was told, in order.
    pub(crate) fn titles(&self, to: &str) -> Vec<String> {
        let told = self.told.lock().unwrap();
        let told = told.iter().filter(|page| page.to == to);
        told.map(|page| page.title.clone()).collect()
    }

    /// All that anybody was told, in order.
    pub(crate) fn told(&self) -> Vec<Page> {
        self.told.lock().unwrap().clone()
    }

    /// The first page with that title, once it is there.
    pub(crate) async fn page(&self, to: &str, title: &str) -> Page {
        let end = Instant::now() + PATIENCE;
        loop {
            let told = self.told();
            let found = told.iter().find(|page| page.to == to && page.title == title);
            if let Some(page) = found {
                return page.clone();
            }
            assert!(Instant::now() < end, "no {title:?} for {to} in {told:#?}");
            sleep(GLANCE).await;
        }
    }
}

impl Drop for People {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// What Slack's and a dead man's switch are posted.
fn read(to: String, said: &Value) -> Page {
    let attachment = &said["attachments"][0];
    match attachment.is_object() {
        true => Page {
            to,
            title: text(&attachment["title"]),
            text: text(&attachment["text"]),
        },
        false => Page {
            to,
            title: text(&said["commonLabels"]["alertname"]),
            text: said.to_string(),
        },
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().trim().replace("\r\n", "\n")
}

/// An interpreter that has a mail server.
pub(crate) fn python() -> Option<PathBuf> {
    let has_package = |python: &PathBuf| {
        let import = std::process::Command::new(python)
            .args(["-c", "import aiosmtpd"])
            .output();
        import.is_ok_and(|import| import.status.success())
    };
    find("PYTHON", &["python3"]).filter(has_package)
}
