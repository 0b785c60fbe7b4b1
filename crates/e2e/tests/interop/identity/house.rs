//! An aggregator that lets in whom it knows, and ways to call it.

use std::{
    ffi::OsString,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use prost::Message;
use tempfile::TempDir;
use ward_proto::v1;

use super::authority::{Authority, Pair, Valid};
use crate::{
    outside::{Outside, find, not_run},
    ward::{Ward, program},
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/identity.py");

/// Of whom the policy says something.
pub(super) const PAYMENTS: &str = "spiffe://example.org/payments";
pub(super) const WATCHER: &str = "watcher.example.org";

/// The aggregator with its authority; clients are signed by another.
pub(super) struct House {
    pub(super) ward: Ward,
    pub(super) clients: Authority,
    servers: Authority,
    home: TempDir,
}

/// What a client shows.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    pub(super) pair: Option<(PathBuf, PathBuf)>,
    pub(super) token: Option<PathBuf>,
}

impl House {
    pub(super) fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (servers, clients) = (Authority::new(), Authority::new());
        let file = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
        let server = servers.server(Valid::Now);
        file("server-ca.pem", &servers.pem());
        file("server.pem", &server.certificate);
        file("server.key", &server.key);
        file("clients.pem", &clients.pem());
        file("revoked.pem", &clients.revoking(&[666]));
        let path = |name: &str| home.path().join(name).display().to_string();
        let config = format!(
            "[aggregator]\nserver_cert = \"{}\"\nserver_key = \"{}\"\nclient_ca = \"{}\"\nclient_crl = \"{}\"\n\
             [access.\"{PAYMENTS}\"]\nreport = [\"payments\"]\nobserve = [\"bank\"]\n\
             [access.\"{WATCHER}\"]\nwatch = true\n",
            path("server.pem"),
            path("server.key"),
            path("clients.pem"),
            path("revoked.pem")
        );
        file("ward.toml", &config);
        let ward = Ward::configured(&home.path().join("ward.toml"));
        Self {
            ward,
            clients,
            servers,
            home,
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Puts a file in the place of another, as a whole.
    pub(super) fn replace(&self, name: &str, text: &str) {
        let fresh = self.path(".fresh");
        fs::write(&fresh, text).unwrap();
        fs::rename(fresh, self.path(name)).unwrap();
    }

    /// Another certificate for the aggregator.
    pub(super) fn server_pair(&self, valid: Valid) -> Pair {
        self.servers.server(valid)
    }

    pub(super) fn shows(&self, name: &str, pair: &Pair) -> Shown {
        let (certificate, key) = (format!("{name}.pem"), format!("{name}.key"));
        self.replace(&certificate, &pair.certificate);
        self.replace(&key, &pair.key);
        Shown {
            pair: Some((self.path(&certificate), self.path(&key))),
            token: None,
        }
    }

    /// Somebody the client authority knows by this name.
    pub(super) fn known(&self, name: &str) -> Shown {
        self.shows("known", &self.clients.client(&[name], Valid::Now, 7))
    }

    /// A token that `ward token new` made with these arguments.
    pub(super) fn token(&self, file: &str, arguments: &[&str]) -> Shown {
        let done = self.command(&[&["token", "new"], arguments].concat());
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        self.replace(file, &String::from_utf8(done.stdout).unwrap());
        Shown {
            pair: None,
            token: Some(self.path(file)),
        }
    }

    /// `ward` on the data directory of the aggregator.
    pub(super) fn command(&self, arguments: &[&str]) -> std::process::Output {
        Command::new(program())
            .args(arguments)
            .arg("--data-dir")
            .arg(self.ward.data_dir())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// What openssl's client is answered to a GET: the status line, else what the connection came to.
    pub(super) fn get(&self, path: &str, shown: &Shown, options: &[&str]) -> String {
        let (said, error) = self.ask(path, shown, options);
        said.lines().next().map_or(error, str::to_owned)
    }

    fn ask(&self, path: &str, shown: &Shown, options: &[&str]) -> (String, String) {
        let mut openssl = Command::new(openssl().expect("asked for before"));
        let server = self.ward.http.to_string();
        openssl.args([
            "s_client",
            "-connect",
            &server,
            "-servername",
            "localhost",
            "-verify_hostname",
            "localhost",
        ]);
        openssl
            .args(["-verify_return_error", "-quiet", "-CAfile"])
            .arg(self.path("server-ca.pem"));
        if let Some((certificate, key)) = &shown.pair {
            openssl.arg("-cert").arg(certificate).arg("-key").arg(key);
        }
        let mut client = openssl
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let token = shown.token.as_ref().map_or(String::new(), |token| {
            format!(
                "Authorization: Bearer {}\r\n",
                fs::read_to_string(token).unwrap().trim()
            )
        });
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{token}Connection: close\r\n\r\n");
        // One that was refused may have closed its end.
        drop(client.stdin.take().unwrap().write_all(request.as_bytes()));
        let done = client.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&done.stdout), text(&done.stderr))
    }

    /// All of what it is answered.
    pub(super) fn body(&self, path: &str, shown: &Shown) -> String {
        self.ask(path, shown, &[]).0
    }

    fn variables(&self, shown: &Shown) -> Vec<(&'static str, OsString)> {
        let mut variables = vec![("CA", self.path("server-ca.pem").into())];
        if let Some((certificate, key)) = &shown.pair {
            variables.extend([("CERT", certificate.into()), ("KEY", key.into())]);
        }
        variables.extend(shown.token.iter().map(|token| ("TOKEN_FILE", token.into())));
        variables
    }

    /// One call by Python.
    pub(super) async fn call(
        &self,
        python: &Path,
        shown: &Shown,
        method: &str,
        request: &impl Message,
    ) -> String {
        let hex: String = request
            .encode_to_vec()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let server = self.ward.grpc.to_string();
        let arguments = [SCRIPT, &server, "call", method, &hex];
        Outside::start(python, &arguments, &self.variables(shown))
            .line()
            .await
    }

    /// The same over a connection that everybody can read.
    pub(super) async fn call_in_clear(python: &Path, addr: &str, token: &Path) -> String {
        let arguments = [SCRIPT, addr, "call", "GetSystem", ""];
        Outside::start(python, &arguments, &[("TOKEN_FILE", token.into())])
            .line()
            .await
    }

    /// A watch by Python.
    pub(super) fn watch(&self, python: &Path, shown: &Shown, name: &str) -> Outside {
        let server = self.ward.grpc.to_string();
        Outside::start(python, &[SCRIPT, &server, "watch", name], &self.variables(shown))
    }
}

pub(super) fn hello(service: &str, subject: &str) -> v1::ReportOnceRequest {
    let check = v1::CheckDeclaration {
        name: "other".into(),
        subject: subject.into(),
        ..Default::default()
    };
    v1::ReportOnceRequest {
        hello: Some(v1::Hello {
            service: service.into(),
            instance: "one".into(),
            checks: Some(check)
                .filter(|check| !check.subject.is_empty())
                .into_iter()
                .collect(),
            ..Default::default()
        }),
        goodbye: false,
    }
}

pub(super) fn openssl() -> Option<PathBuf> {
    let found = find("OPENSSL", &["openssl"]);
    if found.is_none() {
        not_run("identity by openssl", "openssl on PATH or as $OPENSSL");
    }
    found
}

pub(super) fn python() -> Option<PathBuf> {
    let found = crate::watching::python();
    if found.is_none() {
        not_run(
            "identity by Python",
            "interpreter with grpcio-health-checking as $PYTHON or python3",
        );
    }
    found
}
