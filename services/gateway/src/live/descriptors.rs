//! Descriptors of an upstream: from a file, or from its own gRPC reflection (v1, or v1alpha where it knows no other).

use std::{fs, io::Read, path::Path, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use logicore::{
    settings::routes::{Descriptors, Upstream as Settings},
    upstream::Upstream,
};
use prost::Message;
use prost_reflect::DescriptorPool;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming};
use tonic_reflection::pb::{
    v1::{
        ServerReflectionRequest, ServerReflectionResponse, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    },
    v1alpha::{self, server_reflection_client::ServerReflectionClient as AlphaClient},
};

use super::set::{self, MOST_BYTES, Set};

/// How long reflection may take as a whole.
const TIME: Duration = Duration::from_secs(10);

/// Descriptors, and the bytes that they were read from.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    pub(crate) raw: Bytes,
    pub(crate) pool: DescriptorPool,
}

impl Fetched {
    /// Descriptors that are what they were before are not read again.
    fn new(raw: Bytes, before: Option<&Self>) -> Result<Self, String> {
        if let Some(before) = before.filter(|before| before.raw == raw) {
            return Ok(before.clone());
        }
        let pool =
            DescriptorPool::decode(raw.clone()).map_err(|e| format!("the descriptors do not hold together: {e}"))?;
        if pool.services().len() == 0 {
            return Err("the descriptors have no service".to_owned());
        }
        Ok(Self { raw, pool })
    }
}

/// Reads the descriptors of an upstream, which had `before`.
///
/// # Errors
/// A sentence without the upstream's name.
pub(crate) async fn fetch(
    settings: &Settings,
    upstream: &Upstream,
    before: Option<&Fetched>,
) -> Result<Fetched, String> {
    let before = before.cloned();
    // Files and large sets take longer than a request may wait for its thread.
    let read = match &settings.descriptors {
        Descriptors::File(path) => {
            let path = path.clone();
            tokio::task::spawn_blocking(move || Fetched::new(read(&path)?, before.as_ref()))
        }
        Descriptors::Reflection => {
            let set = tokio::time::timeout(TIME, reflect(upstream)).await;
            let set = set.map_err(|_| format!("reflection took longer than {} s", TIME.as_secs()))??;
            tokio::task::spawn_blocking(move || Fetched::new(set.encode(), before.as_ref()))
        }
    };
    read.await.map_err(|e| e.to_string())?
}

fn read(path: &Path) -> Result<Bytes, String> {
    let problem = |why: String| format!("{}: {why}", path.display());
    let file = fs::File::open(path).map_err(|e| problem(e.to_string()))?;
    let mut raw = Vec::new();
    let read = file.take(MOST_BYTES as u64 + 1).read_to_end(&mut raw);
    read.map_err(|e| problem(e.to_string()))?;
    match raw.len() > MOST_BYTES {
        true => Err(problem(format!("more than {MOST_BYTES} bytes"))),
        false => Ok(raw.into()),
    }
}

async fn reflect(upstream: &Upstream) -> Result<Set, String> {
    let mut talk = Talk::begin(upstream).await?;
    let mut set = Set::default();
    let services = match talk.ask(MessageRequest::ListServices(String::new())).await? {
        MessageResponse::ListServicesResponse(list) => list.service,
        other => return Err(unexpected(&other)),
    };
    for service in services {
        match talk
            .ask(MessageRequest::FileContainingSymbol(service.name.clone()))
            .await?
        {
            MessageResponse::FileDescriptorResponse(files) => take(&mut set, files.file_descriptor_proto)?,
            // Some servers list what they cannot describe.
            MessageResponse::ErrorResponse(error) => {
                tracing::debug!(
                    service = service.name,
                    error = error.error_message,
                    "service without descriptors"
                );
            }
            other => return Err(unexpected(&other)),
        }
    }
    while let Some(name) = set.missing() {
        match talk.ask(MessageRequest::FileByFilename(name.clone())).await? {
            MessageResponse::FileDescriptorResponse(files) => take(&mut set, files.file_descriptor_proto)?,
            _ => set.add(
                set::well_known(&name)
                    .ok_or_else(|| format!("reflection does not know `{name}`, which others import"))?,
            )?,
        }
    }
    Ok(set)
}

fn take(set: &mut Set, files: Vec<Vec<u8>>) -> Result<(), String> {
    files.into_iter().try_for_each(|raw| set.add(raw.into()))
}

fn unexpected(response: &MessageResponse) -> String {
    match response {
        MessageResponse::ErrorResponse(error) => format!("reflection failed: {}", error.error_message),
        _ => "reflection gave another answer than was asked for".to_owned(),
    }
}

/// A stream of questions and answers.
struct Talk {
    questions: mpsc::Sender<ServerReflectionRequest>,
    answers: Answers,
}

enum Answers {
    V1(Streaming<ServerReflectionResponse>),
    Alpha(Streaming<v1alpha::ServerReflectionResponse>),
}

impl Talk {
    async fn begin(upstream: &Upstream) -> Result<Self, String> {
        match Self::v1(upstream).await {
            Err(status) if status.code() == Code::Unimplemented => Self::alpha(upstream).await,
            begun => begun,
        }
        .map_err(|s| failed(&s))
    }

    async fn v1(upstream: &Upstream) -> Result<Self, Status> {
        let (questions, asked) = begun();
        let answer = ServerReflectionClient::new(upstream.clone())
            .server_reflection_info(Request::new(asked))
            .await?;
        let answers = Answers::V1(answer.into_inner());
        Self { questions, answers }.warmed().await
    }

    async fn alpha(upstream: &Upstream) -> Result<Self, Status> {
        let (questions, asked) = begun();
        let asked = asked.map(|q| as_alpha(&q));
        let answer = AlphaClient::new(upstream.clone())
            .server_reflection_info(Request::new(asked))
            .await?;
        let answers = Answers::Alpha(answer.into_inner());
        Self { questions, answers }.warmed().await
    }

    /// Takes the answer to the first question.
    async fn warmed(mut self) -> Result<Self, Status> {
        self.answer().await.map(|_| self)
    }

    async fn ask(&mut self, what: MessageRequest) -> Result<MessageResponse, String> {
        let sent = self.questions.send(question(what)).await;
        sent.map_err(|_| "reflection ended early".to_owned())?;
        self.answer().await.map_err(|s| failed(&s))
    }

    async fn answer(&mut self) -> Result<MessageResponse, Status> {
        let answer = match &mut self.answers {
            Answers::V1(stream) => stream.message().await?,
            Answers::Alpha(stream) => stream.message().await?.as_ref().and_then(of_alpha),
        };
        let answer = answer.and_then(|a| a.message_response);
        answer.ok_or_else(|| Status::unavailable("the stream ended early"))
    }
}

/// A stream of questions with the first one in it: servers may wait for that before they send the head of their answer.
fn begun() -> (
    mpsc::Sender<ServerReflectionRequest>,
    ReceiverStream<ServerReflectionRequest>,
) {
    let (questions, asked) = mpsc::channel(1);
    let _ = questions.try_send(question(MessageRequest::ListServices(String::new())));
    (questions, ReceiverStream::new(asked))
}

fn failed(status: &Status) -> String {
    format!(
        "reflection failed: {} ({})",
        status.message(),
        logicore::error::code_name(status.code())
    )
}

fn question(what: MessageRequest) -> ServerReflectionRequest {
    ServerReflectionRequest {
        host: String::new(),
        message_request: Some(what),
    }
}

/// The two versions are the same on the wire.
fn as_alpha(question: &ServerReflectionRequest) -> v1alpha::ServerReflectionRequest {
    v1alpha::ServerReflectionRequest::decode(&*question.encode_to_vec()).unwrap_or_default()
}

fn of_alpha(answer: &v1alpha::ServerReflectionResponse) -> Option<ServerReflectionResponse> {
    ServerReflectionResponse::decode(&*answer.encode_to_vec()).ok()
}
