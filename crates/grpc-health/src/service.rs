//! The three calls, on top of the registry.

use std::{fmt, sync::Arc};

use futures_util::{future::BoxFuture, stream::BoxStream};
use tonic::{Extensions, Request, Response, Status};

use crate::{
    registry::{Refused, Registry, response},
    v1::{
        HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
        health_server::{Health, HealthServer},
    },
    watching,
};

/// Longest request. A name that is longer than any that is known is still answered by the specification; one of
/// megabytes is somebody's attempt at our memory.
const REQUEST_BYTES: usize = 16 << 10;

/// Makes the future that ends a watch, from the extensions of its request, or refuses it.
pub(crate) type Ending = Arc<dyn Fn(&Extensions) -> Result<BoxFuture<'static, ()>, Status> + Send + Sync>;

/// The implementation of the generated trait, made by [`crate::Health::server`].
#[derive(Clone)]
pub struct Service {
    registry: Arc<Registry>,
    ending: Option<Ending>,
}

impl Service {
    pub(crate) fn new(registry: Arc<Registry>, ending: Option<Ending>) -> Self {
        Self { registry, ending }
    }

    pub(crate) fn into_server(self) -> HealthServer<Self> {
        HealthServer::new(self).max_decoding_message_size(REQUEST_BYTES)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

#[tonic::async_trait]
impl Health for Service {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match self.registry.status(&request.into_inner().service) {
            Some(status) => Ok(Response::new(response(Some(status)))),
            None => Err(Status::not_found(
                "no service is named so: List tells those there are",
            )),
        }
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        let list = self.registry.list();
        list.map(Response::new)
            .map_err(|too_large| Status::resource_exhausted(too_large.to_string()))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let ending = self.ending.as_ref();
        let ending = ending.map(|ending| ending(request.extensions())).transpose()?;
        let watched = self.registry.watch(&request.into_inner().service);
        let watched = watched.map_err(|refused| match refused {
            Refused::TooMany(_) => Status::resource_exhausted(refused.to_string()),
            Refused::TooLong(_) => Status::invalid_argument(refused.to_string()),
        })?;
        Ok(Response::new(Box::pin(watching::stream(watched, ending))))
    }
}
