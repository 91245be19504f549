//! What the methods do.

use std::{
    future::pending,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
};

use http::{HeaderName, HeaderValue};
use tokio::sync::mpsc;
use tonic::{
    Code, Request, Response, Status, Streaming,
    codegen::tokio_stream::{Stream, wrappers::ReceiverStream},
    metadata::MetadataMap,
};

use super::{
    Seen,
    pb::{Heard, Say, shapes_service_server::ShapesService},
};

/// Metadata of a call that comes back in the head of its answer, and in the trailers of its failure.
const ECHOED: [&str; 2] = ["x-echo", "x-echo-bin"];
/// Metadata of a call whose value is a name of metadata that the service claims, wherever it echoes.
const CLAIM: &str = "x-claim";
/// What it says by such a name.
const CLAIMED: HeaderValue = HeaderValue::from_static("claimed");

pub(super) struct Service(pub(super) Arc<Seen>);

type Answers = Pin<Box<dyn Stream<Item = Result<Heard, Status>> + Send>>;

/// Counts a call that waits, until its caller leaves.
struct Waiting(Arc<Seen>);

impl Waiting {
    fn new(seen: &Arc<Seen>) -> Self {
        seen.waiting.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(seen))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Service {
    fn note<T>(&self, request: &Request<T>) -> MetadataMap {
        self.0.metadata().push(request.metadata().clone());
        let mut echoed = MetadataMap::new();
        for name in ECHOED {
            if let Some(value) = request.metadata().as_ref().get(name) {
                echoed.as_mut().insert(name, value.clone());
            }
        }
        for name in request.metadata().as_ref().get_all(CLAIM) {
            if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                echoed.as_mut().insert(name, CLAIMED);
            }
        }
        echoed
    }
}

/// Fails or waits where the message says so.
async fn obey(say: &Say, seen: &Arc<Seen>, echoed: &MetadataMap) -> Result<(), Status> {
    if say.wait {
        let _waiting = Waiting::new(seen);
        pending::<()>().await;
    }
    match Code::from(say.fail) {
        Code::Ok => Ok(()),
        code => Err(Status::with_metadata(
            code,
            format!("told to: {}", say.text),
            echoed.clone(),
        )),
    }
}

fn answered<T>(message: T, echoed: MetadataMap) -> Response<T> {
    let mut response = Response::new(message);
    *response.metadata_mut() = echoed;
    response
}

#[tonic::async_trait]
impl ShapesService for Service {
    type DownStream = Answers;
    type BothStream = Answers;

    async fn unary(&self, request: Request<Say>) -> Result<Response<Heard>, Status> {
        let echoed = self.note(&request);
        let say = request.into_inner();
        obey(&say, &self.0, &echoed).await?;
        Ok(answered(Heard { text: say.text }, echoed))
    }

    async fn down(&self, request: Request<Say>) -> Result<Response<Answers>, Status> {
        let echoed = self.note(&request);
        let (say, seen, trailing) = (request.into_inner(), Arc::clone(&self.0), echoed.clone());
        let (send, answers) = mpsc::channel(4);
        tokio::spawn(async move {
            for _ in 0..say.times.max(1) {
                let heard = Heard { text: say.text.clone() };
                if send.send(Ok(heard)).await.is_err() {
                    return;
                }
            }
            let ended = tokio::select! {
                () = send.closed() => Ok(()),
                ended = obey(&say, &seen, &trailing) => ended,
            };
            if let Err(status) = ended {
                let _ = send.send(Err(status)).await;
            }
        });
        Ok(answered(Box::pin(ReceiverStream::new(answers)) as Answers, echoed))
    }

    async fn up(&self, request: Request<Streaming<Say>>) -> Result<Response<Heard>, Status> {
        let echoed = self.note(&request);
        let mut said = request.into_inner();
        let mut text = String::new();
        while let Some(say) = said.message().await? {
            text.push_str(&say.text);
            obey(&say, &self.0, &echoed).await?;
        }
        Ok(answered(Heard { text }, echoed))
    }

    async fn both(&self, request: Request<Streaming<Say>>) -> Result<Response<Answers>, Status> {
        let echoed = self.note(&request);
        let (mut said, seen, trailing) = (request.into_inner(), Arc::clone(&self.0), echoed.clone());
        let (send, answers) = mpsc::channel(4);
        tokio::spawn(async move {
            let talk = async {
                while let Some(say) = said.message().await? {
                    let _ = send.send(Ok(Heard { text: say.text.clone() })).await;
                    obey(&say, &seen, &trailing).await?;
                }
                Ok::<(), Status>(())
            };
            let ended = tokio::select! {
                () = send.closed() => Ok(()),
                ended = talk => ended,
            };
            if let Err(status) = ended {
                let _ = send.send(Err(status)).await;
            }
        });
        Ok(answered(Box::pin(ReceiverStream::new(answers)) as Answers, echoed))
    }
}
