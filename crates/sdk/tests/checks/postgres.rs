//! PostgreSQL: used up, full, frozen, stopped, read-only, in recovery, and back again.

use std::{fs, path::PathBuf, time::Duration};

use deadpool_postgres::{Manager, Pool};
use tokio_postgres::{Config, NoTls};
use ward_sdk::{
    Check,
    Status::{Healthy, Unhealthy},
    checks::Postgres,
};

use super::{
    becomes, eventually, leaves_nothing,
    program::{Account, Program, find, free_port},
    says,
};

pub(crate) const PASSWORD: &str = "hunter2-of-postgres";
const CONNECTIONS_MOST: usize = 6;

/// A server of its own, with a data directory that outlives stops.
#[derive(Debug)]
pub(crate) struct Server {
    account: Account,
    folder: tempfile::TempDir,
    program: PathBuf,
    pub(crate) port: u16,
    pub(crate) running: Option<Program>,
}

impl Server {
    /// `None` where there is no PostgreSQL.
    pub(crate) async fn start() -> Option<Self> {
        let program = find("postgres", "PG_BIN")?;
        let account = Account::unprivileged();
        let folder = account.folder();
        let secret = folder.path().join("secret");
        fs::write(&secret, PASSWORD).unwrap();
        fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        let made = account
            .command(program.with_file_name("initdb"))
            .args([
                "--username=ward",
                "--auth=scram-sha-256",
                "--no-sync",
                "--locale=C",
                "--encoding=UTF8",
            ])
            .arg("--pwfile")
            .arg(&secret)
            .arg("--pgdata")
            .arg(folder.path().join("data"))
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut server = Self {
            account,
            folder,
            program,
            port: free_port(),
            running: None,
        };
        server.run();
        let check = Postgres::new("x", server.pool(1)).check();
        becomes(&check, Healthy).await;
        Some(server)
    }

    fn data(&self, file: &str) -> PathBuf {
        self.folder.path().join("data").join(file)
    }

    pub(crate) fn run(&mut self) {
        let settings = [
            "listen_addresses=127.0.0.1".into(),
            format!("port={}", self.port),
            "unix_socket_directories=".into(),
            "fsync=off".into(),
            "shared_buffers=8MB".into(),
            format!("max_connections={CONNECTIONS_MOST}"),
            "superuser_reserved_connections=0".into(),
            "max_wal_senders=0".into(),
            "autovacuum=off".into(),
        ];
        let mut arguments = vec!["-D".into(), self.data("").display().to_string()];
        arguments.extend(settings.into_iter().flat_map(|setting| ["-c".into(), setting]));
        let folder = self.folder.path();
        self.running = Some(Program::start(self.account, folder, &self.program, &arguments));
    }

    fn stop(&mut self) {
        self.running.take().unwrap().stop();
    }

    fn frozen(&self, frozen: bool) {
        let running = self.running.as_ref().unwrap();
        if frozen { running.freeze() } else { running.thaw() }
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user("ward")
            .password(PASSWORD)
            .dbname("postgres");
        config
    }

    pub(crate) fn pool(&self, size: usize) -> Pool {
        pool(self.config(), size)
    }
}

pub(crate) fn pool(config: Config, size: usize) -> Pool {
    Pool::builder(Manager::new(config, NoTls))
        .max_size(size)
        .build()
        .unwrap()
}

/// Has time: a login alone takes a tenth of a second where nothing is optimized.
fn patient(pool: &Pool) -> Check {
    let check = Postgres::new("x", pool.clone()).wait(Duration::from_secs(10));
    check.check().timeout(Duration::from_secs(20))
}

/// For what will not be answered.
fn hurried(pool: &Pool) -> Check {
    let check = Postgres::new("x", pool.clone()).wait(Duration::from_millis(100));
    check.check().timeout(Duration::from_millis(300))
}

#[tokio::test]
async fn a_pool_that_is_used_up_is_told_from_a_server_that_is() {
    let Some(server) = Server::start().await else {
        return;
    };
    let pool = server.pool(2);
    let check = Postgres::new("x", pool.clone())
        .writable()
        .signal("pool_ratio")
        .check();
    becomes(&check, Healthy).await;
    let (one, two) = (pool.get().await.unwrap(), pool.get().await.unwrap());
    says(
        &hurried(&pool),
        Unhealthy,
        "the pool is used up: 2 of 2 connections in use for 100ms",
    )
    .await;
    drop(one);
    says(&patient(&pool), Healthy, "1 of 2 connections in use").await;
    drop(two);
    says(&patient(&pool), Healthy, "0 of 2 connections in use").await;
    drop((check, pool));

    // Now the server's own are taken, by others.
    let others = server.pool(CONNECTIONS_MOST);
    let mut taken = Vec::new();
    while taken.len() < CONNECTIONS_MOST {
        // Those that were given up above may take a moment to go.
        taken.extend(others.get().await.ok());
    }
    let check = patient(&server.pool(2));
    says(
        &check,
        Unhealthy,
        "the server has no connection left (max_connections)",
    )
    .await;
    drop((taken, others));
    becomes(&check, Healthy).await;
}

#[tokio::test]
async fn a_frozen_server_costs_no_connection_and_no_task() {
    let Some(server) = Server::start().await else {
        return;
    };
    let pool = server.pool(2);
    says(&patient(&pool), Healthy, "").await;
    let check = hurried(&pool);
    server.frozen(true);
    says(&check, Unhealthy, "timed out").await;
    assert_eq!(
        pool.status().size,
        0,
        "the one that did not answer is not given back"
    );
    says(&check, Unhealthy, "the server gave no connection within 100ms").await;
    leaves_nothing(&check, 10).await;
    assert!(eventually(|| pool.status().waiting == 0 && pool.status().size == 0).await);
    server.frozen(false);
    becomes(&patient(&pool), Healthy).await;
}

#[tokio::test]
async fn a_server_that_stops_comes_back_and_may_take_no_writes() {
    let Some(mut server) = Server::start().await else {
        return;
    };
    let pool = server.pool(2);
    let any = patient(&pool);
    let wait = Duration::from_secs(10);
    let writable = Postgres::new("x", pool.clone())
        .wait(wait)
        .writable()
        .check()
        .timeout(wait);
    says(&writable, Healthy, "").await;
    server.stop();
    let told = becomes(&any, Unhealthy).await;
    assert!(!told.message.is_empty());
    says(&any, Unhealthy, "refused").await;

    fs::write(server.data("standby.signal"), "").unwrap();
    server.run();
    becomes(&any, Healthy).await;
    says(&writable, Unhealthy, "the server is in recovery").await;
    server.stop();
    fs::remove_file(server.data("standby.signal")).unwrap();
    server.run();
    becomes(&any, Healthy).await;
    says(&writable, Healthy, "").await;

    let mut config = server.config();
    config.options("-c default_transaction_read_only=on");
    let read_only = self::pool(config, 1);
    says(
        &Postgres::new("x", read_only.clone()).writable().check(),
        Unhealthy,
        "read-only",
    )
    .await;
    says(&Postgres::new("x", read_only).check(), Healthy, "").await;
    drop((any, writable, pool));
    drop(server.running.take());
}

#[tokio::test]
async fn queries_and_users_are_refused_in_words() {
    let Some(server) = Server::start().await else {
        return;
    };
    let pool = server.pool(1);
    says(&patient(&pool), Healthy, "").await;
    let query = |sql: &str| Postgres::new("x", pool.clone()).query(sql).check();
    says(
        &query("SELECT * FROM orders"),
        Unhealthy,
        "relation \"orders\" does not exist",
    )
    .await;
    says(
        &query("SELECT 1; SELECT 1 / (random() * 0)::int"),
        Unhealthy,
        "division by zero",
    )
    .await;
    says(&query("SELECT g FROM generate_series(1, 200000) g"), Healthy, "").await;
    let full = "DO $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$";
    says(&query(full), Unhealthy, "the server's disk is full").await;
    let slow = Postgres::new("x", pool.clone())
        .query("SELECT pg_sleep(60)")
        .check();
    says(&slow.timeout(Duration::from_millis(100)), Unhealthy, "timed out").await;
    says(&patient(&pool), Healthy, "").await;
    pool.close();
    says(&query("SELECT 1"), Unhealthy, "the pool is closed").await;

    let mut config = server.config();
    config.password("wrong");
    says(
        &patient(&self::pool(config, 1)),
        Unhealthy,
        "the server refuses the user",
    )
    .await;
    let mut config = server.config();
    config.dbname("nowhere");
    says(
        &patient(&self::pool(config, 1)),
        Unhealthy,
        "database \"nowhere\" does not exist",
    )
    .await;
}
