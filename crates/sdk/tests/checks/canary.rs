//! Secrets that checks are given must not be seen: in no message, no `Debug`, no log, no metric.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};
use ward_sdk::{
    Check, Reporter,
    checks::{Certificate, Grpc, Http, Json, Postgres, Redis, Setting, Tcp},
};

use super::{postgres, redis};

const CANARY: &str = "hunter2";

/// Everything that is logged while the tests of this program run.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn unseen(text: &str) {
    assert!(!text.to_lowercase().contains(CANARY), "{text}");
}

/// Of each check: what its builder shows, and what it is.
fn checks(port: u16) -> Vec<(String, Check)> {
    let http = |url: String| {
        Http::get("x", url)
            .header("authorization", "Bearer hunter2")
            .header("x-hunter2-none", "hunter2\u{7f}")
            .json("/up", Json::Exists)
    };
    let key = || Some("hunter2".to_owned());
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(port).user("ward").password(CANARY);
    let sql = Postgres::new("x", postgres::pool(config, 1)).wait(Duration::from_millis(100));
    let open = |url: String| Redis::client("x", ::redis::Client::open(url).unwrap());
    let get = Http::get(
        "x",
        format!("http://hunter2:hunter2@127.0.0.1:{port}/hunter2?key=hunter2"),
    );
    let get = get.header("authorization", "Bearer hunter2");
    let bad = http(format!("ftp://u:hunter2@127.0.0.1:{port}/"));
    let cache = open(format!("redis://user:hunter2@127.0.0.1:{port}/"));
    let number = Setting::of("x", "the key", key).number();
    let url = Setting::of("x", "the key", key).url();
    let grpc = Grpc::new("x", format!("http://u:hunter2@127.0.0.1:{port}"));
    let tcp = Tcp::new("x", format!("127.0.0.1:{port}"));
    let tls = Certificate::of_server("x", format!("127.0.0.1:{port}"));
    vec![
        (format!("{get:?}"), get.check()),
        (format!("{bad:?}"), bad.check()),
        (format!("{sql:?}"), sql.check()),
        (format!("{cache:?}"), cache.check()),
        (format!("{number:?}"), number.check()),
        (format!("{url:?}"), url.check()),
        (format!("{grpc:?}"), grpc.check()),
        (format!("{tcp:?}"), tcp.check()),
        (format!("{tls:?}"), tls.check()),
    ]
}

#[tokio::test]
async fn no_secret_is_shown_whatever_goes_wrong() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("trace"))
        .with_writer(log.clone())
        .finish();
    // For this thread, on which all of a test's tasks run.
    let _logging = tracing::subscriber::set_default(subscriber);

    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let garbage = super::server::Server::start(super::server::answer("500 Oops", "")).await;
    let hangs = super::server::Server::start(super::server::Trick::Hang).await;
    for port in [closed.port(), garbage.addr.port(), hangs.addr.port()] {
        for (builder, check) in checks(port) {
            unseen(&builder);
            unseen(&format!("{check:?}"));
            let verdict = check.clone().timeout(Duration::from_millis(300)).look().await;
            unseen(&format!("{verdict:?}"));
            // What is told of mistakes at the start.
            let start = Reporter::builder("orders").server("127.0.0.1:1").check(check);
            unseen(&format!("{start:?}"));
            if let Err(error) = start.start() {
                let mut error: &dyn std::error::Error = &error;
                while let Some(source) = error.source() {
                    unseen(&error.to_string());
                    error = source;
                }
                unseen(&error.to_string());
            }
        }
    }
    real_servers().await;
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(!log.is_empty(), "nothing was logged: this test sees nothing");
    unseen(&log);
}

/// With the right password and with a wrong one.
async fn real_servers() {
    if let Some(server) = postgres::Server::start().await {
        let mut wrong = server.config();
        wrong.password("hunter2-but-wrong");
        for config in [server.config(), wrong] {
            let check = Postgres::new("x", postgres::pool(config, 1)).check();
            unseen(&format!("{:?} {check:?}", check.look().await));
        }
    }
    if let Some(server) = redis::Server::start(&[]).await {
        let wrong = format!("redis://:hunter2-but-wrong@127.0.0.1:{}/", server.port);
        for client in [server.client(), ::redis::Client::open(wrong).unwrap()] {
            let check = Redis::client("x", client).check();
            unseen(&format!("{:?} {check:?}", check.look().await));
        }
    }
}
