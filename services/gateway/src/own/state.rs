//! `logicore.mesh.v1.GatewayService`: what a gateway says of itself.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use logicore::{
    Context, Error, Reason, VERSION,
    api::{
        auth::{GetAuthStatisticsRequest, account_service_client::AccountServiceClient},
        mesh::{self as pb, gateway_service_server::GatewayService, get_health_metrics_response::Latency},
    },
    server::Phase,
    telemetry::resident_bytes,
};
use pb::get_readiness_response::Check;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::live::{State as Routes, Upstreams};

/// A producer of the access feed that has been silent for longer is late: it speaks twice a second.
const LATE: Duration = Duration::from_secs(5);
/// How long the auth service may take to tell its statistics: the breakers are what is asked for.
const STATISTICS_IN: Duration = Duration::from_millis(1000);

/// The service.
#[derive(Debug)]
pub(super) struct State {
    ctx: Context,
    upstreams: Upstreams,
    /// What came of reading the routes of other services.
    routes: Arc<ArcSwap<Routes>>,
    started: Instant,
}

impl State {
    pub(super) fn new(ctx: &Context, upstreams: Upstreams, routes: Arc<ArcSwap<Routes>>) -> Self {
        Self {
            ctx: ctx.clone(),
            upstreams,
            routes,
            started: Instant::now(),
        }
    }

    fn uptime(&self) -> Option<prost_types::Duration> {
        self.started.elapsed().try_into().ok()
    }

    /// What readiness looks at. An error is what makes a gateway take no requests.
    fn checks(&self) -> Result<Vec<Check>, Error> {
        let refuse = |why: &'static str| Err(Error::new(Reason::NotReady, why).retry_after(Duration::from_secs(1)));
        match self.ctx.lifecycle.phase() {
            Phase::Starting => return refuse("the gateway starts"),
            Phase::Draining | Phase::Closing => return refuse("the gateway is shutting down"),
            Phase::Serving => {}
        }
        if !self.ctx.access.ready() {
            return refuse("what decides about tokens and permissions has not arrived yet");
        }
        let feeds = self.ctx.access.ages().map(|(producer, age)| feed(producer, age));
        let state = self.routes.load();
        let upstreams = self.upstreams.all().into_iter().map(|upstream| {
            let pending = state.pending.iter().any(|(name, _)| name == upstream.name());
            let problem = match (upstream.closed(), pending) {
                (false, _) => Some("its circuit breaker is not closed"),
                (true, true) => Some("its descriptors are not known yet"),
                (true, false) => None,
            };
            check(format!("upstream/{}", upstream.name()), problem)
        });
        let checks = feeds.into_iter().chain(upstreams);
        Ok(checks
            .chain(self.ctx.settings.routes.iter().map(|_| routes(&state)))
            .collect())
    }
}

/// Strangers may ask for it, so it names no file of ours; the log does.
fn routes(state: &Routes) -> Check {
    let refused = state.problems.first().map(|first| {
        let first = first.rsplit_once('/').map_or(&**first, |(_, rest)| rest);
        format!("what was last read is refused and the routes before serve: {first}")
    });
    check("routes".to_owned(), refused.as_deref())
}

fn feed(producer: &str, age: Option<Duration>) -> Check {
    let late = age.is_none_or(|age| age > LATE);
    check(
        format!("feed/{producer}"),
        late.then_some("not heard for a while; what was last known is in force"),
    )
}

fn check(name: String, problem: Option<&str>) -> Check {
    Check {
        name,
        status: if problem.is_some() { "degraded" } else { "ok" }.to_owned(),
        detail: problem.unwrap_or_default().to_owned(),
    }
}

#[tonic::async_trait]
impl GatewayService for State {
    async fn get_health(&self, _: Request<pb::GetHealthRequest>) -> Result<Response<pb::GetHealthResponse>, Status> {
        Ok(Response::new(pb::GetHealthResponse {
            status: "ok".to_owned(),
            version: VERSION.to_owned(),
            uptime: self.uptime(),
        }))
    }

    async fn get_readiness(
        &self,
        _: Request<pb::GetReadinessRequest>,
    ) -> Result<Response<pb::GetReadinessResponse>, Status> {
        let checks = self.checks()?;
        let degraded = checks.iter().any(|c| c.status != "ok");
        Ok(Response::new(pb::GetReadinessResponse {
            status: if degraded { "degraded" } else { "ready" }.to_owned(),
            checks,
        }))
    }

    async fn get_health_metrics(
        &self,
        _: Request<pb::GetHealthMetricsRequest>,
    ) -> Result<Response<pb::GetHealthMetricsResponse>, Status> {
        let recent = self.ctx.metrics.recent();
        let (requests, errors) = self.ctx.metrics.requests.totals();
        let millis = |d: Duration| d.as_secs_f64() * 1e3;
        let ages = self.ctx.access.ages().into_iter();
        Ok(Response::new(pb::GetHealthMetricsResponse {
            uptime: self.uptime(),
            resident_memory_bytes: resident_bytes().unwrap_or_default(),
            requests_total: requests,
            errors_total: errors,
            request_rate: recent.requests_per_second,
            error_rate: recent.error_ratio,
            latency_ms: Some(Latency {
                p50: millis(recent.p50),
                p95: millis(recent.p95),
                p99: millis(recent.p99),
            }),
            breakers: self.upstreams.breakers(),
            access_feed_age_seconds: ages
                .map(|(producer, age)| {
                    (
                        producer.to_owned(),
                        age.unwrap_or_else(|| self.started.elapsed()).as_secs_f64(),
                    )
                })
                .collect(),
        }))
    }

    async fn get_circuit_breaker_status(
        &self,
        _: Request<pb::GetCircuitBreakerStatusRequest>,
    ) -> Result<Response<pb::GetCircuitBreakerStatusResponse>, Status> {
        let mut request = Request::new(GetAuthStatisticsRequest::default());
        request.set_timeout(STATISTICS_IN);
        let mut auth = AccountServiceClient::new(self.ctx.neighbours.auth.clone());
        // Read after the call, which may have changed them.
        let statistics = auth.get_auth_statistics(request).await;
        Ok(Response::new(pb::GetCircuitBreakerStatusResponse {
            breakers: self.upstreams.breakers(),
            auth: statistics.ok().and_then(|answer| answer.into_inner().statistics),
        }))
    }
}
