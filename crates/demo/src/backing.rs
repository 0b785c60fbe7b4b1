//! What a member keeps its things in where there is a real database for it: what to check about that, and what to show.
//!
//! Whatever is behind, a member without it serves what it can. So its check about the other is advisory: the other is
//! unhealthy, the member is degraded, and the cause is the other. What would be wrong without a fault of the other's is
//! the member's own and has a check without a subject.

use std::{future::ready, sync::Arc};

use secrecy::SecretString;
use tokio::task::JoinSet;
use ward_chassis::Clock;
use ward_sdk::{Check, Status, Verdict};

use crate::{
    carts::Carts,
    catalogue::Catalogue,
    database::Database,
    metrics::{Metrics, Pooled},
    plan::{Member, Need, POSTGRES, REDIS, Role},
    service::ServiceError,
};

/// Where real ones are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Urls {
    pub(crate) database: Option<SecretString>,
    pub(crate) redis: Option<SecretString>,
}

/// What one member has; neither, where what it needs are members of the shop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backing {
    pub(crate) catalogue: Option<Catalogue>,
    pub(crate) carts: Option<Carts>,
}

impl Backing {
    /// That of `member`, which begins to be read by `tasks`. On a tokio runtime.
    pub(crate) fn open(
        member: &Member,
        urls: &Urls,
        clock: &Clock,
        metrics: &Metrics,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self, ServiceError> {
        let mut backing = Self::default();
        match (member.role, &urls.database, &urls.redis) {
            (Role::Catalog, Some(url), _) => {
                let database = Database::new(url, clock.clone(), metrics.clone());
                let database = database.map_err(|error| ServiceError::url("DATABASE_URL", error))?;
                let catalogue = Catalogue::new(database, clock.clone(), metrics.clone());
                catalogue.fill(tasks);
                backing.catalogue = Some(catalogue);
            }
            (Role::Cart, _, Some(url)) => {
                let carts = Carts::new(url, clock.clone(), metrics.clone());
                backing.carts = Some(carts.map_err(|error| ServiceError::url("REDIS_URL", error))?);
            }
            _ => {}
        }
        Ok(backing)
    }

    /// What stands in for a member that is needed.
    pub(crate) fn replaces(&self, need: &Need) -> bool {
        let is_backed = self.catalogue.is_some() || self.carts.is_some();
        is_backed && Member::find(need.name).is_some_and(|needed| needed.role == Role::Store)
    }

    pub(crate) fn pools(&self) -> Vec<Arc<dyn Pooled>> {
        let database = self.catalogue.as_ref().map(Catalogue::database);
        let database = database.map(|database| Arc::new(database.clone()) as Arc<dyn Pooled>);
        let carts = self.carts.clone().map(|carts| Arc::new(carts) as Arc<dyn Pooled>);
        database.into_iter().chain(carts).collect()
    }

    /// To be given a rhythm by whoever runs them.
    pub(crate) fn checks(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        if let Some(catalogue) = &self.catalogue {
            let database = catalogue.database().clone();
            let (seen, without) = (database.clone(), catalogue.clone());
            let look = move || {
                let seen = seen.clone();
                async move { seen.check().await }
            };
            checks.push(about(POSTGRES, move || without.without_database(), look));
            let pool = move || ready(database.check_pool());
            checks.push(Check::new("pool", pool).advisory());
            let catalogue = catalogue.clone();
            checks.push(Check::new("catalogue", move || ready(catalogue.check())));
        }
        if let Some(carts) = self.carts.clone() {
            let look = move || {
                let carts = carts.clone();
                async move { carts.check().await }
            };
            checks.push(about(REDIS, || "carts are read-only", look));
        }
        checks
    }
}

/// About something that does not speak to Ward itself. `then` says what its absence comes to.
fn about<F, R>(
    name: &'static str,
    then: impl Fn() -> &'static str + Clone + Send + Sync + 'static,
    look: F,
) -> Check
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Verdict> + Send + 'static,
{
    let check = Check::new(name, move || {
        let (look, then) = (look(), then.clone());
        async move {
            let told = look.await;
            match told.status {
                Status::Healthy => told,
                status => Verdict::new(status, format!("{}; {}", told.message, then())),
            }
        }
    });
    check.subject(name).advisory()
}
