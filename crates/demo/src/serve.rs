//! Processes of the shop by themselves, as in a container: `ward demo serve` and `ward demo customers`.
//!
//! The same members as in `ward demo`, without its leash and its faults: who ends them sends a signal, and who breaks them
//! stops the container. Where the others are is told, since nobody here knows all of them.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use secrecy::SecretString;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use ward_chassis::{Clock, Shutdown};

use crate::{
    address::{Authority, Place},
    backing::Urls,
    customers::{Sales, come},
    health::Reports,
    metrics::Metrics,
    plan::Member,
    process::{Process, Setting, client, plain_probes, serve_until},
    registry::Registry,
    service::{Logging, ServiceError, begin_telling},
};

/// Where a member listens that nobody said anything about.
const PORT: u16 = 8080;
/// How long requests may take to end: longer than the storefront waits for all it needs. The goodbye goes on meanwhile. Telemetry
/// may take some three seconds behind it, so that a container wants more than the usual ten: docker-compose.yml gives it 15.
const DRAIN: Duration = Duration::from_secs(7);

/// How one member is run by itself.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Which.
    pub name: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where those are that it calls; `NAME:8080` of the others.
    pub upstreams: Vec<Place>,
    /// Which instance of the service it is.
    pub instance: String,
    /// The URL of a PostgreSQL for the catalog.
    pub database: Option<SecretString>,
    /// The URL of a Redis for the cart.
    pub redis: Option<SecretString>,
    /// How it logs.
    pub logging: Logging,
}

/// How customers come.
#[derive(Clone, Debug)]
pub struct CustomersOptions {
    /// Where their metrics are.
    pub listen: SocketAddr,
    /// Where the storefront is.
    pub storefront: Authority,
    /// How they log.
    pub logging: Logging,
}

/// Runs one member until `shutdown`. It reports to the aggregator that the environment names.
pub async fn serve(options: ServeOptions, shutdown: Shutdown) -> Result<(), ServiceError> {
    let _telling = begin_telling(&options.name, "info", &options.logging)?;
    let member = ServiceError::member(&options.name)?;
    let setting = Setting {
        member,
        listen: options.listen,
        registry: Registry::told(places(member, options.upstreams)?),
        reports: Reports::Environment {
            instance: options.instance,
        },
        urls: Urls {
            database: options.database,
            redis: options.redis,
        },
    };
    // Kept until the end: nobody breaks it.
    let (_whole, fault) = watch::channel(None);
    let process = Process::open(&setting, fault).await?;
    tracing::info!(service = member.name, "serving");
    tokio::select! {
        done = process.run(shutdown.triggered(), DRAIN) => done,
        () = shutdown.aborted() => Ok(()),
    }
}

/// Sends customers until `shutdown`.
pub async fn customers(options: CustomersOptions, shutdown: Shutdown) -> Result<(), ServiceError> {
    let _telling = begin_telling("customers", "info", &options.logging)?;
    let listening = |error| ServiceError::Listen(options.listen, error);
    let listener = TcpListener::bind(options.listen).await.map_err(listening)?;
    let registry = Registry::told(BTreeMap::from([("storefront", options.storefront)]));
    let sales = Sales::new(Clock::start(), Metrics::default());
    let app = sales.routes();
    let mut coming = JoinSet::new();
    coming.spawn(come(registry, client().map_err(ServiceError::Client)?, sales));
    tokio::select! {
        done = serve_until(listener, app, shutdown.triggered(), coming.shutdown(), DRAIN) => done,
        () = shutdown.aborted() => Ok(()),
    }
}

impl Sales {
    /// Probes and metrics of whoever sends customers.
    pub(crate) fn routes(&self) -> axum::Router {
        plain_probes().merge(self.metrics().routes(Vec::new(), None))
    }
}

fn places(
    member: &'static Member,
    told: Vec<Place>,
) -> Result<BTreeMap<&'static str, Authority>, ServiceError> {
    let default = |name: &str| {
        format!("{name}:{PORT}")
            .parse()
            .expect("a name and a port are an address")
    };
    let mut places: BTreeMap<_, _> = member
        .needs
        .iter()
        .map(|need| (need.name, default(need.name)))
        .collect();
    for place in told {
        match places.get_mut(place.name.as_str()) {
            Some(at) => *at = place.at,
            None => {
                let needs: Vec<_> = places.into_keys().collect();
                return Err(ServiceError::NotNeeded {
                    name: member.name,
                    upstream: place.name,
                    needs: if needs.is_empty() {
                        "nobody".into()
                    } else {
                        needs.join(", ")
                    },
                });
            }
        }
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_where_they_are_said_to_be_or_at_their_names() {
        let payments = Member::find("payments").unwrap();
        let at = |told: &[&str]| {
            let told = told.iter().map(|place| place.parse().unwrap()).collect();
            places(payments, told).map(|places| places["bank"].to_string())
        };
        assert_eq!(at(&[]).unwrap(), "bank:8080");
        assert_eq!(at(&["bank=10.0.0.1:80"]).unwrap(), "10.0.0.1:80");
        let said = at(&["cart=cart:80"]).unwrap_err().to_string();
        assert_eq!(said, "payments does not call \"cart\", but: bank");
        let bank = Member::find("bank").unwrap();
        assert!(places(bank, Vec::new()).unwrap().is_empty());
    }
}
