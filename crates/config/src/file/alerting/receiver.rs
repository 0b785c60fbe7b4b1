//! What may be said about one receiver of alerts.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use ward_model::Severity;

use crate::{
    Auth, Receiver, Webhook,
    reading::{At, Node, Reading, Value, joined, table},
    value::{
        BaseUrl, FilePath, HookUrl, ReceiverName, ReceiverUrl, Text, Timeout, Username, Wrong, host_and_port,
    },
};

table! {
    /// An Alertmanager.
    struct AlertmanagerTable {
        /// Where it is, without "/api/v2".
        "url" url: BaseUrl,
        /// A file with that address in it, instead of the address itself. It is read when this file is; `name` is needed then.
        "url_file" url_file: FilePath,
        /// What it is called in logs and metrics. Default: the host and the port of `url`.
        "name" name: ReceiverName,
        /// The name to log in with, by HTTP basic.
        "username" username: Username,
        /// The file with the password for that. It is read for each request.
        "password_file" password_file: FilePath,
        /// The file with a bearer token. It is read for each request.
        "token_file" token_file: FilePath,
        /// Certificates of authorities to believe instead of those of the system, in PEM.
        "ca" ca: FilePath,
        /// The certificate to show, with its chain, in PEM.
        "cert" cert: FilePath,
        /// The key of that certificate, in PEM.
        "key" key: FilePath,
        /// How long one request may take, "100ms" to "1m". Default "10s".
        "timeout" timeout: Timeout,
    }
}

table! {
    /// A receiver of CloudEvents 1.0 over HTTP, each alert when it fires and when it is resolved.
    struct WebhookTable {
        /// Where it is. Of what is behind the first part of its path nothing is shown.
        "url" url: HookUrl,
        /// A file with that address in it, instead of the address itself: it may hold a secret. It is read when this file is;
        /// `name` is needed then.
        "url_file" url_file: FilePath,
        /// What it is called in logs and metrics. Default: the host and the port of `url`.
        "name" name: ReceiverName,
        /// The name to log in with, by HTTP basic.
        "username" username: Username,
        /// The file with the password for that. It is read for each request.
        "password_file" password_file: FilePath,
        /// The file with a bearer token. It is read for each request.
        "token_file" token_file: FilePath,
        /// Certificates of authorities to believe instead of those of the system, in PEM.
        "ca" ca: FilePath,
        /// The certificate to show, with its chain, in PEM.
        "cert" cert: FilePath,
        /// The key of that certificate, in PEM.
        "key" key: FilePath,
        /// How long one request may take, "100ms" to "1m". Default "10s".
        "timeout" timeout: Timeout,
        /// Send it the sign of life (`Watchdog`) every minute as well, for a dead man's switch. Default false.
        "watchdog" watchdog: bool,
        /// Send it what is at least so urgent: "critical", "warning" or "info". Default "info".
        "least_severity" least_severity: Severity,
    }
}

/// What has an address, here or in a file: for a schema that says so.
#[derive(Clone, Debug)]
pub(crate) struct Addressed<T>(pub(super) T);

impl<T: Value> Value for Addressed<T> {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        T::read(node, reading).map(Self)
    }

    fn schema() -> Json {
        let mut schema = T::schema();
        schema["oneOf"] = json!([{ "required": ["url"] }, { "required": ["url_file", "name"] }]);
        schema
    }
}

/// A receiver, and what it is called, with where that was said.
pub(super) struct Named<T> {
    pub(super) name: At<String>,
    pub(super) url_file: Option<At<FilePath>>,
    pub(super) receiver: T,
}

/// What is said about receivers of either kind.
struct Said {
    url: Option<At<String>>,
    url_file: Option<At<FilePath>>,
    name: Option<At<ReceiverName>>,
    username: Option<At<Username>>,
    password_file: Option<At<FilePath>>,
    token_file: Option<At<FilePath>>,
    ca: Option<At<FilePath>>,
    cert: Option<At<FilePath>>,
    key: Option<At<FilePath>>,
    timeout: Option<At<Timeout>>,
}

impl AlertmanagerTable {
    /// `None` if it has no address. `at` is where it stands.
    pub(super) fn settle(self, at: &At<()>, reading: &mut Reading<'_>) -> Option<Named<Receiver>> {
        let said = Said {
            url: self.url.map(|url| url.map(|url| url.0)),
            url_file: self.url_file,
            name: self.name,
            username: self.username,
            password_file: self.password_file,
            token_file: self.token_file,
            ca: self.ca,
            cert: self.cert,
            key: self.key,
            timeout: self.timeout,
        };
        said.settle(at, reading)
    }
}

impl WebhookTable {
    /// `None` if it has no address. `at` is where it stands.
    pub(super) fn settle(self, at: &At<()>, reading: &mut Reading<'_>) -> Option<Named<Webhook>> {
        let said = Said {
            url: self.url.map(|url| url.map(|url| url.0)),
            url_file: self.url_file,
            name: self.name,
            username: self.username,
            password_file: self.password_file,
            token_file: self.token_file,
            ca: self.ca,
            cert: self.cert,
            key: self.key,
            timeout: self.timeout,
        };
        let Named {
            name,
            url_file,
            receiver,
        } = said.settle(at, reading)?;
        let receiver = Webhook {
            receiver,
            watchdog: self.watchdog.is_some_and(|said| said.value),
            least_severity: self.least_severity.map_or(Webhook::LEAST, |said| said.value),
        };
        Some(Named {
            name,
            url_file,
            receiver,
        })
    }
}

impl Said {
    fn settle(self, at: &At<()>, reading: &mut Reading<'_>) -> Option<Named<Receiver>> {
        self.judge(reading);
        let name = self.named(at, reading)?;
        let path = |said: Option<At<FilePath>>| said.map(|said| said.value.0);
        let auth = match (self.username, path(self.password_file), path(self.token_file)) {
            (_, _, Some(token_file)) => Auth::Bearer { token_file },
            (Some(username), Some(password_file), None) => Auth::Basic {
                username: username.value.0,
                password_file,
            },
            _ => Auth::None,
        };
        let receiver = Receiver {
            name: name.value.clone(),
            url: ReceiverUrl(self.url.map(|url| url.value).unwrap_or_default()),
            url_file: self.url_file.as_ref().map(|file| file.value.0.clone()),
            auth,
            ca: path(self.ca),
            identity: path(self.cert).zip(path(self.key)),
            timeout: self.timeout.map_or(Receiver::TIMEOUT, |said| said.value.0),
        };
        let url_file = self.url_file;
        Some(Named {
            name,
            url_file,
            receiver,
        })
    }

    /// What it is called; `None` after saying that nobody can know.
    fn named(&self, at: &At<()>, reading: &mut Reading<'_>) -> Option<At<String>> {
        let (path, span) = (&at.path, &at.span);
        let is_said = |key: &str| reading.lines.contains_key(&joined(path, key));
        match (&self.name, &self.url, &self.url_file) {
            (Some(name), Some(_), None) | (Some(name), None, Some(_)) => {
                Some(name.clone().map(|name| name.0))
            }
            (None, Some(url), None) => Some(url.clone().map(|url| host_and_port(&url))),
            (_, Some(url), Some(file)) => {
                let mistake = reading.wrong(&url.path, &url.span, "is there beside `url_file`");
                mistake.help = Some("leave out one of the two".into());
                mistake.beside = Some((file.span.clone(), "the other one"));
                None
            }
            // What is there and wrong was said.
            _ if is_said("url") || (is_said("url_file") && is_said("name")) => None,
            (None, None, Some(_)) => {
                let mistake = reading.wrong(path, span, "has a `url_file` and no `name`");
                mistake.help = Some("name it: what is in the file may be secret".into());
                None
            }
            (_, None, None) => {
                let mistake = reading.wrong(path, span, "has no `url`");
                mistake.help = Some("say where it is, by `url` or `url_file`".into());
                None
            }
        }
    }

    /// What takes two keys to see.
    fn judge(&self, reading: &mut Reading<'_>) {
        fn place<T>(said: &Option<At<T>>) -> Option<At<()>> {
            let said = said.as_ref()?;
            Some(At {
                value: (),
                path: said.path.clone(),
                span: said.span.clone(),
            })
        }
        let (user, password, token) = (
            place(&self.username),
            place(&self.password_file),
            place(&self.token_file),
        );
        let (ca, cert, key) = (place(&self.ca), place(&self.cert), place(&self.key));
        let pairs = [
            (&user, &password, "password_file"),
            (&password, &user, "username"),
            (&cert, &key, "key"),
            (&key, &cert, "cert"),
        ];
        for (said, other, name) in pairs {
            if let (Some(said), None) = (said, other) {
                let mistake = reading.wrong(&said.path, &said.span, format!("is there without `{name}`"));
                mistake.help = Some(format!("set `{name}` too"));
            }
        }
        if let (Some(token), Some(other)) = (&token, user.as_ref().or(password.as_ref())) {
            let mistake = reading.wrong(
                &token.path,
                &token.span,
                "is there beside a name and its password",
            );
            mistake.help = Some("leave out one of the two".into());
            mistake.beside = Some((other.span.clone(), "the other one"));
        }
        if let Some(url) = self.url.as_ref().filter(|url| url.value.starts_with("http://")) {
            for said in [ca, cert, key].into_iter().flatten() {
                let mistake = reading.wrong(&said.path, &said.span, "is there, and `url` is not `https`");
                mistake.help = Some("write \"https://\", or leave it out".into());
                mistake.beside = Some((url.span.clone(), "in clear text"));
            }
        }
    }
}

/// What is said of one must not be taken for the other.
pub(super) fn unique<'a>(names: impl Iterator<Item = &'a At<String>>, reading: &mut Reading<'_>) {
    let mut known: BTreeMap<&str, &At<String>> = BTreeMap::new();
    for name in names {
        if let Some(first) = known.insert(&name.value, name) {
            let message = format!("makes two receivers that are called \"{}\"", name.value);
            let mistake = reading.wrong(&name.path, &name.span, message);
            mistake.help = Some("give one of them another `name`".into());
            mistake.beside = Some((first.span.clone(), "the first one"));
        }
    }
}

/// Alertmanagers of whom the addresses are said, and nothing else: in a variable or a flag.
pub(crate) fn alertmanagers<'a>(
    urls: impl Iterator<Item = &'a str>,
) -> Result<Vec<Receiver>, (Wrong, &'static str)> {
    let receiver = |url: &str| {
        let url = BaseUrl::parse(url).map_err(|wrong| (wrong, BaseUrl::EXPECTED))?.0;
        Ok(Receiver {
            name: host_and_port(&url),
            url: ReceiverUrl(url),
            url_file: None,
            auth: Auth::None,
            ca: None,
            identity: None,
            timeout: Receiver::TIMEOUT,
        })
    };
    urls.map(receiver).collect()
}
