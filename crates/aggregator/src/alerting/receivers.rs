//! Who is told, by the configuration.

use ward_config::{Alerting, Auth, Receiver};
use ward_model::Severity;
use ward_notify::{Config, Kind};

/// In the words of who delivers; `id` is of this installation alone.
pub(super) fn receivers(settings: &Alerting, id: String) -> Config {
    let alertmanagers = settings.alertmanagers.iter();
    let alertmanagers = alertmanagers.map(|named| receiver(named, Kind::Alertmanager, Severity::None));
    let webhooks = settings.webhooks.iter().map(|webhook| {
        let watchdog = webhook.watchdog;
        receiver(
            &webhook.receiver,
            Kind::Webhook { watchdog },
            webhook.least_severity,
        )
    });
    Config {
        id,
        receivers: alertmanagers.chain(webhooks).collect(),
        labels: settings.labels.clone(),
        external_url: settings.external_url.clone(),
    }
}

fn receiver(named: &Receiver, kind: Kind, least: Severity) -> ward_notify::Receiver {
    ward_notify::Receiver {
        name: named.name.clone(),
        kind,
        url: named.url.expose().to_owned(),
        auth: match named.auth.clone() {
            Auth::None => ward_notify::Auth::None,
            Auth::Basic {
                username,
                password_file,
            } => ward_notify::Auth::Basic {
                username,
                password_file,
            },
            Auth::Bearer { token_file } => ward_notify::Auth::Bearer { token_file },
        },
        ca: named.ca.clone(),
        identity: named.identity.clone(),
        timeout: named.timeout,
        least,
    }
}
