//! Many callers at once whose bodies do not end, and what is read of them.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use logicore::{
    Error, Reason,
    layer::deadline::DeadlineLayer,
    settings::{Role, Settings},
};
use tokio::task::JoinSet;
use tonic::{Status, body::Body};
use tower::{Layer, ServiceExt, service_fn};

use super::*;
use crate::transcode::TranscodeLayer;

/// A body of these pieces that does not end; it counts those that are read.
pub(crate) fn slow(pieces: Vec<Bytes>, read: &Arc<AtomicUsize>) -> Body {
    let read = Arc::clone(read);
    let pieces = stream::iter(pieces).map(move |piece| {
        read.fetch_add(1, SeqCst);
        Ok::<_, Status>(Frame::data(piece))
    });
    Body::new(StreamBody::new(pieces.chain(stream::pending())))
}

/// A gateway with bounds, where bodies become messages.
pub(crate) struct Attack {
    bounds: Bounds,
    pub(crate) read: Arc<AtomicUsize>,
    calls: JoinSet<Option<Reason>>,
}

impl Attack {
    pub(crate) fn new() -> Self {
        Self {
            bounds: Bounds::new(4 << 20),
            read: Arc::default(),
            calls: JoinSet::new(),
        }
    }

    /// Why a call is refused, of a method with the default deadline or with none.
    pub(crate) fn call(
        &self,
        mut request: Request<Body>,
        caller: &Arc<Principal>,
        deadline: bool,
    ) -> impl Future<Output = Option<Reason>> + Send + 'static {
        let service = service_fn(|request: Request<Body>| async {
            Ok::<Response<Body>, Infallible>(match request.into_body().collect().await {
                Ok(_) => Status::ok("").into_http(),
                Err(status) => status.into_http(),
            })
        });
        request.extensions_mut().insert(Arc::clone(caller));
        let service = TranscodeLayer::new(&self.bounds).layer(service);
        let limited = DeadlineLayer::new(&Settings::defaults(Role::Gateway)).layer(service.clone());
        async move {
            let Ok(answer) = match deadline {
                true => limited.oneshot(request).await,
                false => service.oneshot(request).await,
            };
            Error::reason_of(&Status::from_header_map(answer.headers()).unwrap())
        }
    }

    /// A call of somebody else, which goes on.
    pub(crate) fn begin(&mut self, request: Request<Body>, deadline: bool) {
        let call = self.call(request, &principal(), deadline);
        self.calls.spawn(call);
    }

    /// A call of somebody else, which neither waits nor is refused meanwhile.
    pub(crate) async fn passes(&self, request: Request<Body>, deadline: bool) {
        let call = self.call(request, &principal(), deadline);
        let ended = tokio::time::timeout(Duration::from_millis(10), call);
        assert_eq!(ended.await, Ok(None), "it waits for nobody");
    }

    /// Pieces that were read once nothing more happens.
    pub(crate) async fn settled(&self) -> usize {
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.read.load(SeqCst)
    }

    /// What became of the calls, each of which must end.
    pub(crate) async fn ended(self) -> Vec<Option<Reason>> {
        let ended = tokio::time::timeout(Duration::from_secs(3600), self.calls.join_all());
        ended.await.expect("none lasts for ever")
    }
}
