//! Sets up what the process logs and traces.

use std::{
    io::{IsTerminal, Stderr},
    sync::OnceLock,
    time::Duration,
};

use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, fmt::MakeWriter, layer::SubscriberExt, registry::LookupSpan,
    util::SubscriberInitExt,
};

use super::{json::Json, sink::Sink};
use crate::{
    error::{Error, Reason},
    settings::{LogFormat, Settings, Telemetry},
};

/// Longest wait for one export, and for the last one when the process ends.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// Crates below ours: their frames and headers are nobody's log, whatever the level, unless the settings name them.
const QUIET: &str = "h2=warn,hyper=warn,hyper_util=warn,rustls=warn,tokio_rustls=warn,tonic=warn,tower=warn,sqlx=warn,\
                     opentelemetry=warn,opentelemetry_sdk=warn,opentelemetry-otlp=warn";

/// Where the process's log goes.
static LOG: OnceLock<Sink<Stderr>> = OnceLock::new();

/// Keeps the exporter alive; dropping it sends the last spans and writes the log's last lines, each within 3 s.
#[derive(Debug)]
pub struct Guard {
    provider: Option<SdkTracerProvider>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(provider) = &self.provider
            && let Err(error) = provider.shutdown_with_timeout(EXPORT_TIMEOUT)
        {
            tracing::warn!(%error, "last spans could not be exported");
        }
        flush();
    }
}

/// Returns when the log is written as far as there is one, within 3 s: for the ends of a process behind which nothing runs.
pub fn flush() {
    if let Some(log) = LOG.get() {
        log.flush();
    }
}

/// Sets up logs (to standard error) and, where an endpoint is set, traces. Called once by the binary, within its runtime.
///
/// # Errors
/// When the filter or the endpoint cannot be used, or logs are set up already.
pub fn init(settings: &Settings) -> Result<Guard, Error> {
    let log = Sink::new(std::io::stderr());
    let (subscriber, guard) = subscriber(settings, log.clone(), std::io::stderr().is_terminal())?;
    subscriber
        .try_init()
        .map_err(|e| Error::new(Reason::StateForbids, "logs are set up already").because(e))?;
    let _ = LOG.set(log);
    Ok(guard)
}

/// What [`init`] makes the process's own; apart from it, so that a test can have one of its own.
pub(super) fn subscriber<W>(
    settings: &Settings,
    writer: W,
    terminal: bool,
) -> Result<(impl Subscriber + Send + Sync + for<'a> LookupSpan<'a>, Guard), Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let json = match settings.telemetry.log_format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal,
    };
    let log = if json {
        Json::new(writer).boxed()
    } else {
        let text = tracing_subscriber::fmt::layer().with_writer(writer);
        text.with_ansi(terminal).boxed()
    };
    let provider = provider(settings)?;
    let traces = provider.as_ref().map(|provider| {
        // Ours alone: the exporter's own calls would be exported, which makes calls.
        let ours = filter_fn(|meta| meta.target().starts_with("logicore"));
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("logicore"))
            .with_location(false)
            .with_threads(false)
            .with_filter(ours)
    });
    let subscriber = tracing_subscriber::registry()
        .with(traces)
        .with(log.with_filter(filter(&settings.telemetry)?));
    Ok((subscriber, Guard { provider }))
}

fn filter(telemetry: &Telemetry) -> Result<EnvFilter, Error> {
    // What is said last about a target holds.
    let directives = format!("{QUIET},{}", telemetry.log_level);
    EnvFilter::try_new(&directives).map_err(|e| {
        Error::new(
            Reason::StateForbids,
            format!("`{}` is no filter of logs: {e}", telemetry.log_level),
        )
        .because(e)
    })
}

fn provider(settings: &Settings) -> Result<Option<SdkTracerProvider>, Error> {
    let Some(endpoint) = &settings.telemetry.otlp_endpoint else {
        return Ok(None);
    };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint.as_str())
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|e| Error::new(Reason::StateForbids, format!("`{endpoint}` cannot be exported to: {e}")).because(e))?;
    let role = settings.role.as_str();
    let resource = Resource::builder()
        .with_service_name(format!("logicore-{role}"))
        .with_attribute(KeyValue::new("service.version", crate::VERSION))
        .build();
    let ratio = Sampler::TraceIdRatioBased(settings.telemetry.trace_ratio);
    Ok(Some(
        SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(ratio)))
            .with_resource(resource)
            .build(),
    ))
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    };
    use tokio::sync::mpsc;
    use tonic::{Request, Response, Status};

    use super::*;
    use crate::{settings::Role, telemetry::capture};

    struct Collector(mpsc::UnboundedSender<ExportTraceServiceRequest>);

    #[tonic::async_trait]
    impl TraceService for Collector {
        async fn export(
            &self,
            request: Request<ExportTraceServiceRequest>,
        ) -> Result<Response<ExportTraceServiceResponse>, Status> {
            let _ = self.0.send(request.into_inner());
            Ok(Response::new(ExportTraceServiceResponse::default()))
        }
    }

    fn exporting_to(endpoint: String) -> Settings {
        let mut settings = Settings::defaults(Role::Auth);
        settings.telemetry.otlp_endpoint = Some(endpoint);
        settings.telemetry.log_level = "off".to_owned();
        settings
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn spans_of_ours_reach_the_collector_when_the_guard_goes() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, mut received) = mpsc::unbounded_channel();
        let routes = tonic::service::Routes::new(TraceServiceServer::new(Collector(sender)));
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_routes(routes)
                .serve_with_incoming(incoming),
        );

        capture::share();
        let (subscriber, guard) = subscriber(&exporting_to(format!("http://{address}")), std::io::sink, false).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::error_span!("rpc", otel.name = "auth Login", logicore.role = "auth").in_scope(|| {
                let _theirs = tracing::info_span!(target: "h2::client", "frame").entered();
                let _ours = tracing::info_span!("store commit").entered();
            });
        });
        tokio::task::spawn_blocking(move || drop(guard)).await.unwrap();
        let export = received.recv().await.unwrap();
        let resource = &export.resource_spans[0];
        let attributes = format!("{:?}", resource.resource);
        assert!(attributes.contains("logicore-auth"), "{attributes}");
        let spans: Vec<_> = resource.scope_spans.iter().flat_map(|s| &s.spans).collect();
        let mut names: Vec<_> = spans.iter().map(|s| s.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["auth Login", "store commit"]);
        assert!(spans.iter().all(|s| s.trace_id == spans[0].trace_id));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_collector_that_is_gone_holds_the_end_for_seconds_only() {
        // Takes connections and never speaks.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = exporting_to(format!("http://{}", listener.local_addr().unwrap()));
        capture::share();
        let (subscriber, guard) = subscriber(&settings, std::io::sink, false).unwrap();
        tracing::subscriber::with_default(subscriber, || tracing::info_span!("lost").in_scope(|| {}));
        let started = tokio::time::Instant::now();
        tokio::task::spawn_blocking(move || drop(guard)).await.unwrap();
        assert!(
            started.elapsed() < EXPORT_TIMEOUT + Duration::from_secs(2),
            "{:?}",
            started.elapsed()
        );
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_refused() {
        let mut settings = Settings::defaults(Role::Auth);
        settings.telemetry.log_level = "loud=very".to_owned();
        let refused = subscriber(&settings, std::io::sink, false).err().unwrap();
        assert!(refused.message().contains("loud=very"), "{refused}");
    }
}
