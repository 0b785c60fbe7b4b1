//! Where a test keeps its store: a file of its own, or a PostgreSQL of its own.

use std::{fs, path::PathBuf, time::Duration};

use tokio_postgres::NoTls;
use ward_chassis::Clock;
use ward_store::{Config, Place, Retention, State, Store};

use super::program::{Account, Program, find, free_port};

pub(crate) const PASSWORD: &str = "hunter2-of-the-store";

/// A place, whatever it is in.
#[derive(Debug)]
pub(crate) enum Home {
    Sqlite(tempfile::TempDir),
    Postgres(Box<Server>),
}

impl Home {
    pub(crate) async fn sqlite() -> Option<Self> {
        Some(Self::Sqlite(tempfile::tempdir().unwrap()))
    }

    /// `None` where there is no PostgreSQL.
    pub(crate) async fn postgres() -> Option<Self> {
        Some(Self::Postgres(Box::new(Server::start().await?)))
    }

    pub(crate) fn place(&self) -> Place {
        match self {
            Self::Sqlite(folder) => Place::Sqlite(folder.path().join("ward.db")),
            Self::Postgres(server) => Place::Postgres(server.address().into()),
        }
    }

    pub(crate) fn open_keeping(&self, retention: Retention) -> Store {
        let place = self.place();
        Store::open(Config { place, retention }, Clock::start()).unwrap()
    }

    pub(crate) fn open(&self) -> Store {
        self.open_keeping(Retention::default())
    }

    /// The number that `sql` gives.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        match self {
            Self::Sqlite(folder) => {
                let raw = rusqlite::Connection::open(folder.path().join("ward.db")).unwrap();
                raw.query_row(sql, [], |row| row.get(0)).unwrap()
            }
            Self::Postgres(server) => {
                let (client, connection) = tokio_postgres::connect(&server.address(), NoTls).await.unwrap();
                let talking = tokio::spawn(connection);
                client.batch_execute("SET search_path = ward").await.unwrap();
                let number = client.query_one(sql, &[]).await.unwrap().get(0);
                drop(client);
                drop(talking.await);
                number
            }
        }
    }

    /// Does `sql` behind the store's back.
    pub(crate) async fn behind(&self, sql: &str) {
        match self {
            Self::Sqlite(folder) => {
                let raw = rusqlite::Connection::open(folder.path().join("ward.db")).unwrap();
                raw.busy_timeout(Duration::from_secs(5)).unwrap();
                raw.execute_batch(sql).unwrap();
            }
            Self::Postgres(server) => server.run_sql(&format!("SET search_path = ward; {sql}")).await,
        }
    }
}

/// A PostgreSQL with a data directory that outlives stops.
#[derive(Debug)]
pub(crate) struct Server {
    account: Account,
    folder: tempfile::TempDir,
    program: PathBuf,
    port: u16,
    pub(crate) running: Option<Program>,
}

impl Server {
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
        server.run_sql("SELECT 1").await;
        Some(server)
    }

    pub(crate) fn address(&self) -> String {
        format!("postgresql://ward:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    pub(crate) fn run(&mut self) {
        let settings = [
            "listen_addresses=127.0.0.1".into(),
            format!("port={}", self.port),
            "unix_socket_directories=".into(),
            "fsync=off".into(),
            "shared_buffers=16MB".into(),
            "max_connections=10".into(),
            "max_wal_senders=0".into(),
        ];
        let mut arguments = vec!["-D".into(), self.folder.path().join("data").display().to_string()];
        arguments.extend(settings.into_iter().flat_map(|setting| ["-c".into(), setting]));
        self.running = Some(Program::start(
            self.account,
            self.folder.path(),
            &self.program,
            &arguments,
        ));
    }

    /// From now on it speaks TLS to who wants it; gives back the certificate to trust.
    pub(crate) async fn speak_tls(&self) -> String {
        let made = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()]).unwrap();
        let data = self.folder.path().join("data");
        self.account.write(&data.join("server.crt"), &made.cert.pem());
        self.account
            .write(&data.join("server.key"), &made.signing_key.serialize_pem());
        self.run_sql("ALTER SYSTEM SET ssl = on").await;
        self.run_sql("SELECT pg_reload_conf()").await;
        made.cert.pem()
    }

    /// Tries until it takes connections.
    pub(crate) async fn run_sql(&self, sql: &str) {
        let (client, connection) = loop {
            match tokio_postgres::connect(&self.address(), NoTls).await {
                Ok(connected) => break connected,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        let talking = tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
        drop(client);
        drop(talking.await);
    }
}

/// Waits until it is so; `why` is told if it never is.
pub(crate) async fn until(why: &str, mut so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    done.unwrap_or_else(|_| panic!("in a minute it was not so that {why}"));
}

/// Waits until all that was put is in the database.
pub(crate) async fn written(store: &Store) {
    let done = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let standing = store.standing();
            if standing.state == State::Up && standing.queued == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(done.await.is_ok(), "{:?}", store.standing());
}
