//! What can be said in a variable or a flag, and what that sets.

use std::{net::SocketAddr, path::PathBuf};

use crate::{
    Settings,
    file::alertmanagers,
    mistake::escaped,
    value::{DatabaseUrl, FilePath, HostName, Text, WebOrigin, Wrong},
};

/// What can be said in a variable or a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Where gRPC is served.
    Grpc,
    /// Where HTTP is served.
    Http,
    /// Where data is kept.
    DataDir,
    /// Listen beyond loopback without authentication.
    Insecure,
    /// The certificate that is shown.
    ServerCert,
    /// Its key.
    ServerKey,
    /// Authorities of clients.
    ClientCa,
    /// What those have revoked.
    ClientCrl,
    /// Tell details of internal errors.
    Debug,
    /// Degraded is serving.
    DegradedIsServing,
    /// Origins of web pages, separated by commas.
    CorsOrigins,
    /// Names of this server, separated by commas.
    Hosts,
    /// The database that things are remembered in. Holds a password: no flag of any command sets it.
    StoreUrl,
    /// Alertmanagers, by their addresses, separated by commas.
    Alertmanagers,
}

impl Key {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Grpc,
        Self::Http,
        Self::DataDir,
        Self::Insecure,
        Self::ServerCert,
        Self::ServerKey,
        Self::ClientCa,
        Self::ClientCrl,
        Self::Debug,
        Self::DegradedIsServing,
        Self::CorsOrigins,
        Self::Hosts,
        Self::StoreUrl,
        Self::Alertmanagers,
    ];

    /// The key with the table it is in, as the file has it.
    pub fn path(self) -> String {
        match self {
            Self::StoreUrl => "store.url".into(),
            Self::Alertmanagers => "alerting.alertmanagers".into(),
            key => format!("aggregator.{}", key.name()),
        }
    }

    /// What it is called: in the file, if it stands in `[aggregator]`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
            Self::DataDir => "data_dir",
            Self::Insecure => "insecure",
            Self::ServerCert => "server_cert",
            Self::ServerKey => "server_key",
            Self::ClientCa => "client_ca",
            Self::ClientCrl => "client_crl",
            Self::Debug => "debug",
            Self::DegradedIsServing => "degraded_is_serving",
            Self::CorsOrigins => "cors_origins",
            Self::Hosts => "hosts",
            Self::StoreUrl => "store_url",
            Self::Alertmanagers => "alertmanagers",
        }
    }

    /// The variable: `WARD_DATA_DIR`.
    pub fn variable(self) -> String {
        format!("WARD_{}", self.name().to_uppercase())
    }

    /// The flag: `--data-dir`.
    pub fn flag(self) -> String {
        match self {
            // Given once for each of them.
            Self::Alertmanagers => "--alertmanager".into(),
            key => format!("--{}", key.name().replace('_', "-")),
        }
    }

    pub(super) fn set(self, settings: &mut Settings, text: &str) -> Result<(), (Wrong, &'static str)> {
        fn parsed<T: Text>(text: &str) -> Result<T, (Wrong, &'static str)> {
            T::parse(text).map_err(|wrong| (wrong, T::EXPECTED))
        }
        let own = &mut settings.aggregator;
        match self {
            Self::Grpc => own.grpc = parsed::<SocketAddr>(text)?,
            Self::Http => own.http = parsed::<SocketAddr>(text)?,
            Self::DataDir => own.data_dir = parsed::<PathBuf>(text)?,
            Self::Insecure => own.insecure = truth(text)?,
            Self::ServerCert => own.server_cert = Some(parsed::<FilePath>(text)?.0),
            Self::ServerKey => own.server_key = Some(parsed::<FilePath>(text)?.0),
            Self::ClientCa => own.client_ca = Some(parsed::<FilePath>(text)?.0),
            Self::ClientCrl => own.client_crl = Some(parsed::<FilePath>(text)?.0),
            Self::Debug => own.debug = truth(text)?,
            Self::DegradedIsServing => own.degraded_is_serving = truth(text)?,
            Self::CorsOrigins => {
                let origins: Result<Vec<_>, _> = separated(text).map(parsed::<WebOrigin>).collect();
                own.cors_origins = origins?.into_iter().map(|origin| origin.0).collect();
            }
            Self::Hosts => {
                let hosts: Result<Vec<_>, _> = separated(text).map(parsed::<HostName>).collect();
                own.hosts = hosts?.into_iter().map(|host| host.0).collect();
            }
            Self::StoreUrl => settings.store.url = Some(parsed::<DatabaseUrl>(text)?),
            Self::Alertmanagers => settings.alerting.alertmanagers = alertmanagers(separated(text))?,
        }
        Ok(())
    }
}

/// What stands between commas; nothing is nothing.
fn separated(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn truth(text: &str) -> Result<bool, (Wrong, &'static str)> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => {
            let message = format!("is \"{}\"", escaped(text));
            Err((Wrong { message, help: None }, "true or false"))
        }
    }
}
