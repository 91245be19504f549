//! `grpc.health.v1`, answered by what is so at the moment of asking.
//!
//! The decision to question: nobody reports. A probe that comes right after readiness sees what readiness saw, since both look at the
//! same state; only a Watch, which nobody asks again, looks now and then for its caller.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt, stream};
use tonic::{Request, Response, Status};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_server::{Health, HealthServer},
};

use crate::error::{Error, Reason};

/// Name of the service whose health is that the process answers, for liveness probes.
pub const LIVENESS: &str = "liveness";
/// How often a Watch looks: whoever balances by it sees no difference to an event.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Whether a service of this name serves; `None` where there is none. The empty name is the whole.
type Serves = dyn Fn(&str) -> Option<bool> + Send + Sync;

/// The health service over a state.
#[derive(Clone)]
pub struct State(Arc<Serves>);

/// The service; [`LIVENESS`] always serves.
pub fn service(serves: impl Fn(&str) -> Option<bool> + Send + Sync + 'static) -> HealthServer<State> {
    HealthServer::new(State(Arc::new(serves)))
}

impl State {
    fn of(&self, name: &str) -> ServingStatus {
        let serves = if name == LIVENESS { Some(true) } else { (self.0)(name) };
        match serves {
            Some(true) => ServingStatus::Serving,
            Some(false) => ServingStatus::NotServing,
            None => ServingStatus::ServiceUnknown,
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("State").finish_non_exhaustive()
    }
}

#[tonic::async_trait]
impl Health for State {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        match self.of(&request.into_inner().service) {
            ServingStatus::ServiceUnknown => {
                Err(Error::new(Reason::ResourceNotFound, "there is no such service").into())
            }
            status => Ok(Response::new(answer(status))),
        }
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (state, name) = (self.clone(), request.into_inner().service);
        let changes = stream::unfold(None, move |told| {
            let (state, name) = (state.clone(), name.clone());
            async move {
                loop {
                    let now = state.of(&name);
                    if told != Some(now) {
                        return Some((answer(now), Some(now)));
                    }
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        });
        Ok(Response::new(changes.map(Ok).boxed()))
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status as i32 }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use tonic::Code;

    use super::*;

    fn asked(name: &str) -> Request<HealthCheckRequest> {
        let service = name.to_owned();
        Request::new(HealthCheckRequest { service })
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_sees_what_is_so_and_a_watch_what_changes() {
        let ready = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ready);
        let state = State(Arc::new(move |name: &str| {
            (name.is_empty()).then(|| seen.load(Relaxed))
        }));
        let check = async |name: &str| {
            let answer = state.check(asked(name)).await;
            answer.map(|a| a.into_inner().status()).map_err(|s| s.code())
        };
        assert_eq!(check("").await, Ok(ServingStatus::NotServing));
        assert_eq!(check(LIVENESS).await, Ok(ServingStatus::Serving));
        assert_eq!(check("x.Y").await, Err(Code::NotFound));

        let mut watch = state.watch(asked("")).await.unwrap().into_inner();
        let mut unknown = state.watch(asked("x.Y")).await.unwrap().into_inner();
        assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
        assert_eq!(
            unknown.next().await.unwrap().unwrap().status(),
            ServingStatus::ServiceUnknown
        );
        ready.store(true, Relaxed);
        assert_eq!(check("").await, Ok(ServingStatus::Serving), "at once");
        assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::Serving);
        let again = tokio::time::timeout(Duration::from_secs(60), watch.next()).await;
        assert!(again.is_err(), "nothing changed");
    }
}
