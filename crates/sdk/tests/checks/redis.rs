//! Redis: full, frozen, killed, replicated, and back again.

use std::{path::PathBuf, time::Duration};

use redis::{Client, aio::ConnectionManager, cmd};
use ward_sdk::{
    Status::{Degraded, Healthy, Unhealthy},
    checks::Redis,
};

use super::{
    becomes, leaves_nothing,
    program::{Account, Program, find, free_port},
    says,
};

pub(crate) const PASSWORD: &str = "hunter2-of-redis";

/// A server of its own.
#[derive(Debug)]
pub(crate) struct Server {
    account: Account,
    folder: tempfile::TempDir,
    program: PathBuf,
    pub(crate) port: u16,
    running: Option<Program>,
}

impl Server {
    /// `None` where there is no Redis.
    pub(crate) async fn start(more: &[&str]) -> Option<Self> {
        let program = find("redis-server", "REDIS_SERVER")?;
        let account = Account::unprivileged();
        let mut server = Self {
            account,
            folder: account.folder(),
            program,
            port: free_port(),
            running: None,
        };
        server.run(more);
        becomes(&Redis::client("x", server.client()).check(), Healthy).await;
        Some(server)
    }

    fn run(&mut self, more: &[&str]) {
        let port = self.port.to_string();
        let fixed = [
            "--port",
            &port,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ];
        let login = ["--requirepass", PASSWORD, "--masterauth", PASSWORD];
        let arguments: Vec<String> = [&fixed[..], &login, more]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let folder = self.folder.path();
        self.running = Some(Program::start(self.account, folder, &self.program, &arguments));
    }

    pub(crate) fn client(&self) -> Client {
        Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{}/", self.port)).unwrap()
    }

    async fn manager(&self) -> ConnectionManager {
        self.client().get_connection_manager().await.unwrap()
    }
}

#[tokio::test]
async fn a_full_one_is_told_by_its_memory_and_by_its_refusals() {
    let Some(server) = Server::start(&["--maxmemory", "3mb"]).await else {
        return;
    };
    let mut manager = server.manager().await;
    let same = manager.clone();
    let redis = || Redis::manager("x", same.clone());
    let (memory, writes) = (redis().memory(0.9).check(), redis().writes("health").check());
    says(&memory, Healthy, "").await;
    says(&writes, Healthy, "").await;
    says(&redis().primary().check(), Healthy, "").await;
    let replicated = redis().primary().replication(Duration::from_secs(15));
    says(&replicated.check(), Degraded, "no replica is connected").await;
    let left: i64 = cmd("PTTL").arg("health").query_async(&mut manager).await.unwrap();
    assert!((1..=60_000).contains(&left), "what it writes goes away: {left}");

    let mut number = 0;
    for bytes in [10_000, 1_000, 10] {
        let value = "x".repeat(bytes);
        let mut refusals = 0;
        while refusals < 3 {
            number += 1;
            assert!(number < 100_000, "it never is full");
            let mut set = cmd("SET");
            set.arg(number).arg(&value);
            refusals += i32::from(set.query_async::<()>(&mut manager).await.is_err());
        }
    }
    let told = becomes(&memory, Degraded).await;
    assert!(
        told.message.contains("of maxmemory used, with noeviction"),
        "{told:?}"
    );
    says(&writes, Unhealthy, "has no memory left (maxmemory)").await;
    says(&redis().check(), Healthy, "").await;
    let _: () = cmd("FLUSHALL").query_async(&mut manager).await.unwrap();
    becomes(&writes, Healthy).await;
    becomes(&memory, Healthy).await;
}

#[tokio::test]
async fn a_frozen_one_costs_no_task_and_a_killed_one_comes_back() {
    let Some(mut server) = Server::start(&[]).await else {
        return;
    };
    let by_client = Redis::client("x", server.client()).check();
    let by_manager = Redis::manager("x", server.manager().await).check();
    says(&by_manager, Healthy, "").await;
    server.running.as_ref().unwrap().freeze();
    says(&by_manager, Unhealthy, "").await;
    says(&by_client, Unhealthy, "").await;
    let hurried = by_client.clone().timeout(Duration::from_millis(50));
    leaves_nothing(&hurried, 20).await;
    server.running.as_ref().unwrap().thaw();
    becomes(&by_client, Healthy).await;
    becomes(&by_manager, Healthy).await;

    drop(server.running.take());
    becomes(&by_manager, Unhealthy).await;
    says(&by_client, Unhealthy, "refused").await;
    server.run(&[]);
    becomes(&by_client, Healthy).await;
    becomes(&by_manager, Healthy).await;
}

#[tokio::test]
async fn a_replica_is_told_from_a_primary() {
    let Some(mut primary) = Server::start(&[]).await else {
        return;
    };
    let port = primary.port.to_string();
    let Some(replica) = Server::start(&["--replicaof", "127.0.0.1", &port]).await else {
        return;
    };
    let of = || Redis::client("x", replica.client());
    says(
        &of().primary().check(),
        Unhealthy,
        "is a replica, expected a primary",
    )
    .await;
    says(
        &of().writes("health").check(),
        Unhealthy,
        "does not take writes: is a replica",
    )
    .await;
    let lag = of().replication(Duration::from_secs(20)).check();
    becomes(&lag, Healthy).await;
    let whole = Redis::client("x", primary.client())
        .primary()
        .replication(Duration::from_secs(20));
    says(&whole.check(), Healthy, "").await;
    drop(primary.running.take());
    let told = becomes(&lag, Degraded).await;
    assert!(
        told.message.starts_with("a replica that has lost its primary"),
        "{told:?}"
    );
}

#[tokio::test]
async fn users_that_are_not_let_in_are_told_so() {
    let Some(server) = Server::start(&[]).await else {
        return;
    };
    let at = |login: &str| {
        let client = Client::open(format!("redis://{login}127.0.0.1:{}/", server.port)).unwrap();
        Redis::client("x", client)
    };
    says(&at("").check(), Unhealthy, "does not let the user in").await;
    says(&at(":wrong@").check(), Unhealthy, "").await;
    let mut connection = server.manager().await;
    let user = ["SETUSER", "prober", "on", ">secret", "+ping", "+client"];
    let _: () = cmd("ACL")
        .arg(&user[..])
        .query_async(&mut connection)
        .await
        .unwrap();
    says(&at("prober:secret@").check(), Healthy, "").await;
    says(
        &at("prober:secret@").primary().check(),
        Unhealthy,
        "allow PING, and INFO and SET",
    )
    .await;
}
