//! The three places where settings come from, one over the other: a file, the environment, flags.
//!
//! There is no file unless one is named. Places where one is looked for were not taken: what is in force must not depend on
//! a file that somebody forgot.

mod addresses;
mod changed;
mod key;
mod rules;

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use ward_alerts::nearest;

use crate::{
    Auth, Errors, Mistake, Origin, Origins, Place, Receiver, Settings, file,
    mistake::{Mistakes, Text as FileText, escaped},
    value::{Wrong, is_open, masked},
};

pub use self::{changed::changed_rules, key::Key};

/// The variable that names the file.
pub const VARIABLE_OF_FILE: &str = "WARD_CONFIG";
/// Longest file, in bytes. As many services as there may be, with a line for each thing that can be said, have half of it.
pub const FILE_BYTES: u64 = 8 << 20;

/// Variables of Ward that are read elsewhere: by the sdk, by the command, for logs.
const OTHERS: [&str; 7] = [
    "WARD_SERVER",
    "WARD_TLS_CA",
    "WARD_TLS_CERT",
    "WARD_TLS_KEY",
    "WARD_TOKEN_FILE",
    "WARD_LOG",
    "WARD_LOG_DIR",
];

/// Where settings come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// A file that was named on the command line; else the one that `WARD_CONFIG` names, if any.
    pub file: Option<PathBuf>,
    /// Variables of the environment; all but those that begin with `WARD_` are passed over. An empty one counts as not set.
    pub env: Vec<(String, String)>,
    /// What was typed.
    pub flags: Vec<(Key, String)>,
}

/// What was loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What is to be in force.
    pub settings: Settings,
    /// Where it came from.
    pub origins: Origins,
    /// [`Settings::hash`] of it.
    pub hash: String,
    /// The file it came from, if any.
    pub file: Option<PathBuf>,
    /// What is no mistake but odd: lines for people, escaped.
    pub warnings: Vec<String>,
}

impl Source {
    /// Loads all of it.
    ///
    /// # Errors
    ///
    /// All that is wrong, in all three places.
    pub fn load(&self) -> Result<Loaded, Errors> {
        let mut loading = Loading::default();
        let file = self.file();
        if let Some(path) = &file {
            loading.file(path);
        }
        self.variables(&mut loading);
        for (key, text) in &self.flags {
            loading.over(*key, text, Place::Flag(key.flag()), Origin::Flag(key.flag()));
        }
        if loading.mistakes.is_empty() {
            loading.judge();
        }
        if loading.mistakes.is_empty() {
            Ok(Loaded {
                hash: loading.settings.hash(),
                settings: loading.settings,
                origins: loading.origins,
                file,
                warnings: loading.warnings,
            })
        } else {
            Err(Errors::new(loading.mistakes, loading.texts))
        }
    }

    /// The file that is read, if any.
    pub fn file(&self) -> Option<PathBuf> {
        let named = self
            .env
            .iter()
            .find(|(name, value)| name == VARIABLE_OF_FILE && !value.is_empty());
        self.file.clone().or_else(|| named.map(|(_, value)| value.into()))
    }

    fn variables(&self, loading: &mut Loading) {
        let set = self
            .env
            .iter()
            .filter(|(name, value)| name.starts_with("WARD_") && !value.is_empty());
        for (name, value) in set {
            let key = Key::ALL.into_iter().find(|key| key.variable() == *name);
            match key {
                Some(key) => {
                    loading.over(
                        key,
                        value,
                        Place::Variable(name.clone()),
                        Origin::Variable(name.clone()),
                    );
                }
                None => loading.warn_of(name),
            }
        }
    }
}

#[derive(Default)]
struct Loading {
    settings: Settings,
    origins: Origins,
    mistakes: Mistakes,
    warnings: Vec<String>,
    /// The files that were read, the first the one that was named.
    texts: Vec<Arc<FileText>>,
}

impl Loading {
    fn over(&mut self, key: Key, text: &str, place: Place, origin: Origin) {
        // What was no UTF-8 came with this in its place.
        let done = if text.contains(char::REPLACEMENT_CHARACTER) {
            let message = "is no UTF-8".to_owned();
            Err((Wrong { message, help: None }, "text"))
        } else {
            key.set(&mut self.settings, text)
        };
        let path = key.path();
        match done {
            Ok(()) => {
                self.origins.0.insert(path, origin);
            }
            Err((wrong, expected)) => self.mistakes.list.push(Mistake {
                expected: Some(expected.to_owned()),
                help: wrong.help,
                ..Mistake::new(place, path, wrong.message)
            }),
        }
    }

    /// What takes all three places to see: the aggregator would not start with it.
    fn judge(&mut self) {
        let own = &self.settings.aggregator;
        let (grpc, http) = (own.grpc, own.http);
        let permitted = own.insecure || own.server_cert.is_some();
        for (key, addr) in [(Key::Grpc, grpc), (Key::Http, http)] {
            if !permitted && !addr.ip().to_canonical().is_loopback() {
                let message = format!("is {addr}, which other machines can reach");
                let help = "set `server_cert` and `server_key` (`ward cert dev` makes some to try), listen on 127.0.0.1, or \
                            set `insecure`";
                self.wrong(key, message, help);
            }
        }
        self.judge_tls();
        self.judge_store();
        self.judge_receivers();
        if grpc == http && grpc.port() != 0 {
            let said = self.origins.of("aggregator.http") != Origin::Default;
            let (key, other) = if said {
                (Key::Http, "gRPC")
            } else {
                (Key::Grpc, "HTTP")
            };
            let message = format!("is {grpc}, where {other} is served");
            self.wrong(key, message, "choose another port for one of them");
        }
    }

    /// Each file of TLS is of use with another one only.
    fn judge_tls(&mut self) {
        let needs = [
            (Key::ServerCert, Key::ServerKey),
            (Key::ServerKey, Key::ServerCert),
            (Key::ClientCa, Key::ServerCert),
            (Key::ClientCrl, Key::ClientCa),
        ];
        let said = |loading: &Self, key: Key| {
            let tls = loading.settings.aggregator.tls();
            tls.into_iter()
                .any(|(name, path)| name == key.name() && path.is_some())
        };
        for (key, other) in needs {
            if said(self, key) && !said(self, other) {
                let other = other.name();
                self.wrong(
                    key,
                    format!("is there without `{other}`"),
                    &format!("set `{other}` too"),
                );
            }
        }
        let has_rows = !self.settings.access.is_empty();
        if has_rows && !said(self, Key::ServerCert) {
            self.warnings.push(
                "[access] has no effect without server_cert: nobody can prove who they are, and everybody may do everything"
                    .to_owned(),
            );
        }
    }

    /// A variable wins over a file, whichever of the two the file says.
    fn judge_store(&mut self) {
        let by_variable = matches!(self.origins.of("store.url"), Origin::Variable(_));
        let store = &mut self.settings.store;
        if by_variable {
            store.url_file = None;
        }
        if store.url.is_some() && store.url_file.is_some() {
            let message = "is there beside `url_file`".to_owned();
            self.wrong(Key::StoreUrl, message, "leave out one of the two");
        }
        if self.settings.store.keep_days < self.settings.store.keep_history {
            self.warnings.push(
                "[store] keep_days is shorter than keep_history: days are kept as long as transitions"
                    .to_owned(),
            );
        }
    }

    /// Whose names are not theirs alone: those of a file were compared there.
    fn judge_receivers(&mut self) {
        let alerting = &self.settings.alerting;
        let webhooks = alerting.webhooks.iter().map(|webhook| &webhook.receiver);
        let all: Vec<_> = alerting.alertmanagers.iter().chain(webhooks).collect();
        let mut names = BTreeSet::new();
        let twice = all.iter().find(|receiver| !names.insert(&receiver.name));
        let twice = twice.map(|receiver| receiver.name.clone());
        let has_secret =
            |receiver: &&&Receiver| receiver.auth != Auth::None && is_open(receiver.url.expose());
        let warn = |receiver: &&Receiver| {
            let name = escaped(&receiver.name);
            format!("[alerting] {name}: its password or token is sent in clear text, as its url is not https")
        };
        self.warnings.extend(all.iter().filter(has_secret).map(warn));
        self.warnings
            .extend(alerting.rules.iter().filter_map(rules::held_in_vain));
        if let Some(name) = twice {
            let message = format!("makes two receivers that are called \"{name}\"");
            self.wrong(Key::Alertmanagers, message, "name each of them once");
        }
    }

    /// Notes a mistake where the value of `key` came from; in a file, its line.
    fn wrong(&mut self, key: Key, message: String, help: &str) {
        let path = key.path();
        let place = match self.origins.of(&path) {
            Origin::Variable(name) => Place::Variable(name),
            Origin::Flag(flag) => Place::Flag(flag),
            Origin::Default => Place::File(String::new()),
            Origin::File { path, line } => {
                let text = self.texts.first().map_or("", |file| &file.text);
                let above: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
                let shown = text[above..].lines().next().unwrap_or_default();
                let indent = shown.len() - shown.trim_start().len();
                Place::Line {
                    path,
                    line,
                    column: indent + 1,
                    span: above + indent..above + shown.trim_end().len(),
                }
            }
        };
        self.mistakes.list.push(Mistake {
            help: Some(help.to_owned()),
            ..Mistake::new(place, path, message)
        });
    }

    fn warn_of(&mut self, name: &str) {
        if name == VARIABLE_OF_FILE || OTHERS.contains(&name) {
            return;
        }
        let known: Vec<String> = Key::ALL.into_iter().map(Key::variable).collect();
        let known = known
            .iter()
            .map(String::as_str)
            .chain([VARIABLE_OF_FILE])
            .chain(OTHERS);
        let short = |name: &'_ str| name.trim_start_matches("WARD_").to_owned();
        let near = known
            .filter(|known| nearest(&short(name), [short(known).as_str()]).is_some())
            .min();
        if let Some(near) = near {
            let name = escaped(name);
            self.warnings.push(format!(
                "the variable {name} is not known and has no effect: did you mean {near}?"
            ));
        }
    }

    fn file(&mut self, path: &Path) {
        let shown = path.to_string_lossy().into_owned();
        let text = match read(path) {
            Ok(bytes) => self.utf8(&shown, bytes),
            Err(wrong) => {
                let mistake = Mistake::new(Place::File(shown), "", wrong.message);
                self.mistakes.list.push(Mistake {
                    help: wrong.help,
                    ..mistake
                });
                return;
            }
        };
        let Some(text) = text else { return };
        let said = file::read(&shown, &text, &mut self.settings);
        self.mistakes.and(said.mistakes);
        self.came_from(&shown, said.lines);
        self.keep(&shown, &text);
        let mut elsewhere = said.elsewhere;
        self.addresses((&shown, &text), elsewhere.addresses);
        self.rule_files((path, &text), elsewhere.rule_files, &mut elsewhere.rules);
        self.settings.alerting.rules = elsewhere.rules.in_force();
    }

    /// Notes where keys stand. What is said twice is a mistake, and the first stays.
    fn came_from(&mut self, file: &str, lines: impl IntoIterator<Item = (String, usize)>) {
        for (key, line) in lines {
            let path = file.to_owned();
            self.origins.0.entry(key).or_insert(Origin::File { path, line });
        }
    }

    /// Keeps a file to show what is wrong in it: without its passwords.
    fn keep(&mut self, path: &str, text: &str) {
        let (path, text) = (path.to_owned(), masked(text));
        self.texts.push(Arc::new(FileText { path, text }));
    }

    fn utf8(&mut self, path: &str, bytes: Vec<u8>) -> Option<String> {
        let error = match String::from_utf8(bytes) {
            Ok(text) => return Some(text),
            Err(error) => error,
        };
        let at = error.utf8_error().valid_up_to();
        let text = error.into_bytes();
        let bad = text.get(at).copied().unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let span = at..at + char::REPLACEMENT_CHARACTER.len_utf8();
        let mut reading = crate::reading::Reading::new(path, &text);
        let mistake = reading.wrong("", &span, format!("the byte 0x{bad:02x} is no UTF-8"));
        mistake.help = Some("save the file as UTF-8".into());
        self.mistakes.and(reading.mistakes);
        self.keep(path, &text);
        None
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Wrong> {
    let wrong = |message: &str, help: &str| Wrong {
        message: message.to_owned(),
        help: Some(help.to_owned()),
    };
    let cannot = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => wrong("there is no such file", "make one with `ward config init FILE`"),
        io::ErrorKind::IsADirectory => wrong("this is a directory", "name the file in it"),
        _ => Wrong {
            message: format!("cannot be read: {error}"),
            help: None,
        },
    };
    let file = File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() as u64 > FILE_BYTES {
        let message = format!("has more than {} MiB, the most that is read", FILE_BYTES >> 20);
        return Err(wrong(&message, "is this the file you meant?"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
