//! Addresses of receivers that stand in files of their own, because they are secret.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use super::Loading;
use crate::{
    reading::{At, Reading},
    value::{BaseUrl, FilePath, HookUrl, ReceiverUrl, Text, Wrong},
};

/// Longer than any address.
const BYTES: u64 = 4_096;

impl Loading {
    /// Reads the addresses of the receivers of these names, which the file of this text says stand elsewhere.
    pub(super) fn addresses(&mut self, (shown, text): (&str, &str), said: Vec<(String, At<FilePath>)>) {
        let mut reading = Reading::new(shown, text);
        for (name, file) in said {
            let alerting = &mut self.settings.alerting;
            let alertmanager = alerting.alertmanagers.iter_mut().find(|one| one.name == name);
            let webhook = alerting.webhooks.iter_mut().find(|one| one.receiver.name == name);
            let read = match (alertmanager, webhook) {
                (Some(receiver), _) => {
                    address::<BaseUrl>(&file.value.0).map(|url| receiver.url = ReceiverUrl(url.0))
                }
                (_, Some(webhook)) => {
                    address::<HookUrl>(&file.value.0).map(|url| webhook.receiver.url = ReceiverUrl(url.0))
                }
                // Two of one name were told of.
                (None, None) => Ok(()),
            };
            if let Err(wrong) = read {
                reading.wrong(&file.path, &file.span, wrong.message).help = wrong.help;
            }
        }
        self.mistakes.and(reading.mistakes);
    }
}

/// The address in a file. Of its text nothing is told.
fn address<T: Text>(path: &Path) -> Result<T, Wrong> {
    let cannot = |error: io::Error| Wrong {
        message: format!("names a file that cannot be read: {error}"),
        help: Some("write the address into it, for the user of the aggregator alone to read".to_owned()),
    };
    // A pipe or a device can be read once, or without an end.
    if !fs::metadata(path).map_err(cannot)?.is_file() {
        return Err(Wrong {
            message: "names a pipe, a device or a directory".to_owned(),
            help: Some("name a file".to_owned()),
        });
    }
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(BYTES).read_to_string(&mut text));
    read.map_err(cannot)?;
    let wrong = |_| Wrong {
        message: "names a file with no address in it".to_owned(),
        help: Some(format!("write {} into it, and nothing else", T::EXPECTED)),
    };
    T::parse(text.trim()).map_err(wrong)
}
