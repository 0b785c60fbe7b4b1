//! The tables of `ward.toml`, and how they become settings.
//!
//! What can be said about one key alone is judged where it is read (`value`); what takes two of them to see, here.

mod access;
mod alerting;
mod service;
mod store;
mod syntax;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
};

use serde_json::{Value as Json, json};
use toml::de::{DeTable, DeValue};
use ward_model::{Name, bounds};

use crate::{
    Errors,
    mistake::{Mistakes, Text as FileText},
    reading::{At, Node, Reading, Value, joined, quoted_key, table},
    settings::{Aggregator, Settings},
    value::{FilePath, HostName, ServiceName, Text, WebOrigin},
};

use access::Access;
use alerting::AlertingTable;
pub(crate) use alerting::{Changes, Elsewhere, alertmanagers};
use service::ServiceTable;
use store::StoreTable;

/// Most origins whose pages may read the API: each request is compared with them.
const ORIGINS: usize = 64;
/// Most names of this server: each request is compared with them.
const HOSTS: usize = 64;

table! {
    /// What Ward is told by its operator. Everything may be left out: services that register are taken with what they
    /// declare themselves.
    struct File {
        /// How the aggregator itself is run.
        "aggregator" aggregator: AggregatorTable,
        /// What is remembered, and for how long.
        "store" store: StoreTable,
        /// What is said about services, by their names. It wins over what they say themselves, and the difference is
        /// shown. A service that is named here and never registers is missing.
        "services" services: Services,
        /// Who may do what, where callers prove who they are (`server_cert`): a table for each identity, by the name in its
        /// certificate, and `anonymous` for those who prove nothing. Tokens carry their own rights.
        "access" access: Access,
        /// Which alerts there are, and who is told of them.
        "alerting" alerting: AlertingTable,
    }
}

table! {
    /// How the aggregator itself is run.
    struct AggregatorTable {
        /// Where gRPC is served: reporters, watchers, `ward status`. Default "127.0.0.1:7700". Beyond loopback it needs
        /// `server_cert`, or `insecure`. A change needs a restart.
        "grpc" grpc: SocketAddr,
        /// Where HTTP is served: the API, /health, /metrics. Default "127.0.0.1:7780". A change needs a restart.
        "http" http: SocketAddr,
        /// A directory of its own, held while the aggregator runs. Default: the data directory of the user. A change needs
        /// a restart.
        "data_dir" data_dir: PathBuf,
        /// Listen beyond loopback although nobody has to prove who they are: anybody who gets there may report. Default
        /// false. A change needs a restart.
        "insecure" insecure: bool,
        /// The certificate of the aggregator, with its chain, in PEM: both listeners then speak TLS, callers have to prove
        /// who they are, and addresses beyond loopback are permitted. Read again when it changes. Default none. Another path
        /// needs a restart, as for the three below.
        "server_cert" server_cert: FilePath,
        /// The key of that certificate, in PEM.
        "server_key" server_key: FilePath,
        /// Certificates of authorities, in PEM: clients prove who they are by certificates that these signed.
        "client_ca" client_ca: FilePath,
        /// What those authorities have revoked, in PEM.
        "client_crl" client_crl: FilePath,
        /// Tell clients the details of internal errors. Default false. A change needs a restart.
        "debug" debug: bool,
        /// Tell clients of grpc.health.v1 that a service that is degraded is SERVING. Default true.
        "degraded_is_serving" degraded_is_serving: bool,
        /// Web pages of these origins may read the HTTP API; "*" for all. Default none. A change needs a restart.
        "cors_origins" cors_origins: List<WebOrigin, ORIGINS>,
        /// Names that this server is asked for by over HTTP, beside IP addresses, localhost and names without a dot;
        /// "*.internal" for all below one, "*" for all. Others are refused, so that no web page gets in by a name of its
        /// own. Default none. A change needs a restart.
        "hosts" hosts: List<HostName, HOSTS>,
    }
}

/// An array of at most so many.
#[derive(Clone, Debug)]
pub(crate) struct List<T, const MOST: usize>(pub(crate) Vec<At<T>>);

impl<T: Value, const MOST: usize> Value for List<T, MOST> {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let items = reading.items(node, MOST)?;
        let read = |item: &Node<'_>| reading.read(item, item.span.clone());
        Some(Self(items.iter().filter_map(read).collect()))
    }

    fn schema() -> Json {
        json!({ "type": "array", "items": T::schema(), "maxItems": MOST })
    }
}

/// The tables below `services`.
#[derive(Clone, Debug)]
pub(crate) struct Services(BTreeMap<Name, ServiceTable>);

impl Value for Services {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let table = reading.table(node)?;
        if table.len() > bounds::SERVICES {
            let message = format!("names {} services", table.len());
            reading.wrong(&node.path, &node.span, message).expected =
                Some(format!("at most {}", bounds::SERVICES));
            return None;
        }
        let mut read = BTreeMap::new();
        for (key, _) in table {
            let text = key.get_ref().as_ref();
            let service: Option<At<ServiceTable>> = reading.take(node, table, text);
            match ServiceName::parse(text) {
                Ok(name) => {
                    let Some(service) = service else { continue };
                    service.value.judge(&name.0, reading);
                    read.insert(name.0, service.value);
                }
                Err(wrong) => {
                    let path = joined(&node.path, text);
                    let mistake = reading.wrong(&path, &key.span(), wrong.message);
                    mistake.expected = Some(ServiceName::EXPECTED.into());
                    mistake.help = wrong.help;
                    let lower = text.to_lowercase();
                    if let Some((other, _)) = table.get_key_value(lower.as_str()).filter(|_| lower != text) {
                        mistake.message = format!("differs from `{}` by case alone", quoted_key(&lower));
                        mistake.help = Some(
                            "names are lower-case: make the two tables one, or choose another name".into(),
                        );
                        mistake.beside = Some((other.span(), "the other one"));
                    }
                }
            }
        }
        let needed = read.values().flat_map(ServiceTable::needed);
        let named: BTreeSet<&Name> = read.keys().chain(needed).collect();
        if named.len() > bounds::SERVICES {
            let message = format!("names {} services, with those that they need", named.len());
            let expected = format!("at most {}", bounds::SERVICES);
            reading.wrong(&node.path, &node.span, message).expected = Some(expected);
        }
        Some(Self(read))
    }

    fn schema() -> Json {
        json!({
            "type": "object",
            "propertyNames": <ServiceName as Value>::schema(),
            "additionalProperties": ServiceTable::schema(),
            "maxProperties": bounds::SERVICES,
        })
    }
}

/// The JSON Schema of `ward.toml`, for editors: pretty-printed, ending in a newline.
pub fn schema() -> String {
    let mut schema = File::schema();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("ward.toml");
    let text = serde_json::to_string_pretty(&schema).expect("JSON of strings and numbers");
    text + "\n"
}

/// What a file of this text says, over defaults that are the same on every machine: for fuzz targets and tests. Files of
/// rules that it names are not read.
///
/// # Errors
///
/// All that is wrong in it.
#[doc(hidden)]
pub fn read_text(text: &str) -> Result<Settings, Errors> {
    let mut settings = Settings {
        aggregator: Aggregator::new("/data"),
        ..Settings::default()
    };
    let path = "ward.toml";
    let said = read(path, text, &mut settings);
    if !said.mistakes.is_empty() {
        let (path, text) = (path.to_owned(), text.to_owned());
        return Err(Errors::new(
            said.mistakes,
            vec![Arc::new(FileText { path, text })],
        ));
    }
    settings.alerting.rules = said.elsewhere.rules.in_force();
    Ok(settings)
}

/// What a file says beside its settings.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) mistakes: Mistakes,
    /// On which line each key stands.
    pub(crate) lines: BTreeMap<String, usize>,
    /// What other files have to say.
    pub(crate) elsewhere: Elsewhere,
}

/// Reads `text` over `settings`, but for the rules.
pub(crate) fn read(path: &str, text: &str, settings: &mut Settings) -> Said {
    let mut elsewhere = Elsewhere::default();
    let (mistakes, lines) = walk(path, text, |whole, reading| {
        let file = File::read(whole, reading).unwrap_or_default();
        elsewhere = file.over(settings, reading);
    });
    Said {
        mistakes,
        lines,
        elsewhere,
    }
}

/// Reads a file of rules.
pub(crate) fn read_rules(path: &str, text: &str, rules: &mut Changes) -> (Mistakes, BTreeMap<String, usize>) {
    walk(path, text, |whole, reading| {
        alerting::read_rules(whole, rules, reading)
    })
}

/// Has a file read from its root, and returns what is wrong in it and on which line each key stands.
fn walk(
    path: &str,
    text: &str,
    read: impl FnOnce(&Node<'_>, &mut Reading<'_>),
) -> (Mistakes, BTreeMap<String, usize>) {
    let (tree, broken) = DeTable::parse_recoverable(text);
    let mut reading = Reading::new(path, text);
    syntax::blame(&mut reading, text, &broken);
    let root = DeValue::Table(tree.into_inner());
    let whole = Node {
        path: String::new(),
        value: &root,
        span: 0..0,
    };
    read(&whole, &mut reading);
    (reading.mistakes, reading.lines)
}

impl File {
    fn over(self, settings: &mut Settings, reading: &mut Reading<'_>) -> Elsewhere {
        if let Some(services) = self.services {
            let settled = services.value.0.into_iter();
            settings.services = settled.map(|(name, service)| (name, service.settle())).collect();
        }
        if let Some(access) = self.access {
            settings.access = access.value.settle();
        }
        if let Some(store) = self.store {
            store.value.over(&mut settings.store);
        }
        if let Some(aggregator) = self.aggregator {
            aggregator.value.over(&mut settings.aggregator);
        }
        let alerting = self.alerting.map(|alerting| alerting.value).unwrap_or_default();
        alerting.over(&mut settings.alerting, reading)
    }
}

impl AggregatorTable {
    fn over(self, settings: &mut Aggregator) {
        fn set<T>(place: &mut T, said: Option<At<T>>) {
            if let Some(said) = said {
                *place = said.value;
            }
        }
        set(&mut settings.grpc, self.grpc);
        set(&mut settings.http, self.http);
        set(&mut settings.data_dir, self.data_dir);
        set(&mut settings.insecure, self.insecure);
        let file = |said: Option<At<FilePath>>| said.map(|said| said.map(|path| Some(path.0)));
        set(&mut settings.server_cert, file(self.server_cert));
        set(&mut settings.server_key, file(self.server_key));
        set(&mut settings.client_ca, file(self.client_ca));
        set(&mut settings.client_crl, file(self.client_crl));
        set(&mut settings.debug, self.debug);
        set(&mut settings.degraded_is_serving, self.degraded_is_serving);
        if let Some(origins) = self.cors_origins {
            settings.cors_origins = origins.value.0.into_iter().map(|origin| origin.value.0).collect();
        }
        if let Some(hosts) = self.hosts {
            settings.hosts = hosts.value.0.into_iter().map(|host| host.value.0).collect();
        }
    }
}

#[cfg(test)]
mod tests;
