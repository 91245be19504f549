//! Requests whose body is not collected: streams of messages as NDJSON, and `google.api.HttpBody`, whose bytes are the body.
//!
//! What path and query bind is in every message of a stream, so that each of them can be judged alone.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request, header, request::Parts};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, StreamBody};
use logicore::{
    Error, Reason,
    framing::PREFIX,
    layer::guard::{Memory, in_time},
};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use tokio::sync::oneshot;
use tonic::{Status, body::Body};

use super::{
    Match,
    binding::BodyRule,
    decode::{bind_bodiless, broken, message, request, too_large},
    frames::prefix,
    inflate,
    lines::Lines,
    zero,
};
use crate::bodies::Bounds;

/// Fields of `google.api.HttpBody`.
const CONTENT_TYPE: u32 = 1;
const DATA: u32 = 2;

/// The gRPC request, and what becomes wrong with its body while the call goes on; nothing comes of the second while all is
/// well.
///
/// # Errors
/// What is wrong from the start.
pub(crate) async fn upload(
    route: &Match,
    parts: Parts,
    body: Body,
    bounds: &Bounds,
) -> Result<(Request<Body>, oneshot::Receiver<Error>), Error> {
    let (tell, told) = oneshot::channel();
    let source = source(route, &parts, body, bounds).await?;
    let state = Sending {
        route: route.clone(),
        source,
        tell: Some(tell),
    };
    let frames = futures_util::stream::unfold(state, |mut state| async {
        let frame = state.next().await?;
        Some((frame.map(Frame::data), state))
    });
    let request = request(route, parts, Body::new(StreamBody::new(frames)))?;
    Ok((request, told))
}

/// Where the bytes of a request come from.
enum Source {
    /// A message for each line.
    Lines(Lines, String),
    /// A message for each piece of data.
    Pieces(Pieces),
    /// One message, begun by these bytes, of which so many are still to come.
    Whole { begin: Bytes, body: Body, left: usize },
}

async fn source(route: &Match, parts: &Parts, body: Body, bounds: &Bounds) -> Result<Source, Error> {
    let limit = bounds.longest(&parts.extensions);
    let binding = &*route.binding;
    let query = parts.uri.query().unwrap_or_default();
    let body = inflate::inflated(&parts.headers, body)?;
    if !binding.takes_raw() {
        content_type(&parts.headers)?;
        // What is wrong with path or query is told before anything is sent.
        bind_bodiless(route, query)?;
        return Ok(Source::Lines(
            Lines::new(body, limit, bounds.quota(&parts.extensions)),
            query.to_owned(),
        ));
    }
    let raw = Raw::new(route, query, &parts.headers)?;
    if binding.method.is_client_streaming() {
        return Ok(Source::Pieces(Pieces {
            raw,
            body,
            limit,
            unread: None,
        }));
    }
    let announced = body.size_hint().exact().and_then(|n| usize::try_from(n).ok());
    match announced {
        Some(length) => Ok(Source::Whole {
            begin: raw.begin(length, limit)?,
            body,
            left: length,
        }),
        None => {
            let place = bounds.take(&parts.extensions, limit).await;
            let data = in_time(Bounds::until(&place), super::decode::collect(body, limit)).await?;
            Ok(Source::Whole {
                begin: raw.begin(data.len(), limit)?,
                left: data.len(),
                body: Body::new(http_body_util::Full::from(data)),
            })
        }
    }
}

/// NDJSON, by the names that it goes by.
fn content_type(headers: &HeaderMap) -> Result<(), Error> {
    let text = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let media = text.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    let names = ["application/x-ndjson", "application/ndjson", "application/jsonl"];
    match names.iter().any(|name| media.eq_ignore_ascii_case(name)) {
        true => Ok(()),
        false => Err(Error::new(
            Reason::UnsupportedMediaType,
            "this method takes a stream: send `content-type: application/x-ndjson`, one JSON object a line",
        )),
    }
}

/// A request on its way.
struct Sending {
    route: Match,
    source: Source,
    /// Empty once something was wrong.
    tell: Option<oneshot::Sender<Error>>,
}

impl Sending {
    async fn next(&mut self) -> Option<Result<Bytes, Status>> {
        match self.source.next(&self.route).await {
            Ok(bytes) => bytes.map(Ok),
            Err(error) => Some(Err(self.wrong(error).await)),
        }
    }

    async fn wrong(&mut self, error: Error) -> Status {
        match self.tell.take().map(|tell| tell.send(error)) {
            // The call is being dropped; it must not see an error that it would take for the upstream's.
            Some(Ok(())) => std::future::pending().await,
            Some(Err(error)) => {
                let status = Status::from(error);
                let _ = self.route.wrong.set(status.clone());
                status
            }
            None => Status::cancelled("the request broke off"),
        }
    }
}

impl Source {
    async fn next(&mut self, route: &Match) -> Result<Option<Bytes>, Error> {
        match self {
            Self::Lines(lines, query) => match lines.next().await? {
                Some((number, line)) => {
                    let message = message(route, query, &line);
                    message.map(Some).map_err(|e| e.with("line", number.to_string()))
                }
                None => Ok(None),
            },
            Self::Pieces(pieces) => pieces.next().await,
            Self::Whole { begin, .. } if !begin.is_empty() => Ok(Some(std::mem::take(begin))),
            Self::Whole { body, left, .. } => whole(body, left).await,
        }
    }
}

async fn whole(body: &mut Body, left: &mut usize) -> Result<Option<Bytes>, Error> {
    let gone = || Error::new(Reason::CallerGone, "the body has another length than was announced");
    match data(body).await? {
        Some(data) => {
            *left = left.checked_sub(data.len()).ok_or_else(gone)?;
            Ok(Some(data))
        }
        None if *left > 0 => Err(gone()),
        None => Ok(None),
    }
}

/// The next data that is some.
async fn data(body: &mut Body) -> Result<Option<Bytes>, Error> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(broken)?.into_data()
            && !data.is_empty()
        {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// A message around bytes that are not JSON.
struct Raw {
    /// Fields that path and query bind, encoded.
    bound: Vec<u8>,
    /// The field that holds the body; none where the message is itself one.
    field: Option<u32>,
    /// The content type, encoded as a field.
    content_type: Vec<u8>,
}

impl Raw {
    fn new(route: &Match, query: &str, headers: &HeaderMap) -> Result<Self, Error> {
        let mut bound = Vec::new();
        zero::encode(&bind_bodiless(route, query)?, &mut bound);
        let field = match &route.binding.body {
            BodyRule::Field(field) => Some(field.number()),
            _ => None,
        };
        let text = headers.get(header::CONTENT_TYPE).map(|v| v.to_str()).transpose();
        let text = text.map_err(|_| Error::new(Reason::MalformedHeader, "content-type: must be printable ASCII"))?;
        let mut content_type = Vec::new();
        if let Some(text) = text {
            prost::encoding::string::encode(CONTENT_TYPE, &text.to_owned(), &mut content_type);
        }
        Ok(Self {
            bound,
            field,
            content_type,
        })
    }

    /// What stands before so much data: prefix of the frame, bound fields, the body's own fields.
    fn begin(&self, data: usize, limit: usize) -> Result<Bytes, Error> {
        let mut inner = self.content_type.clone();
        encode_key(DATA, WireType::LengthDelimited, &mut inner);
        encode_varint(data as u64, &mut inner);
        let body = inner.len() + data;
        let mut outer = self.bound.clone();
        if let Some(field) = self.field {
            encode_key(field, WireType::LengthDelimited, &mut outer);
            encode_varint(body as u64, &mut outer);
        }
        let length = outer.len() + body;
        if length > limit {
            return Err(too_large(limit));
        }
        let mut begin = BytesMut::with_capacity(PREFIX + outer.len() + inner.len());
        begin.put_slice(&prefix(length));
        begin.put_slice(&outer);
        begin.put_slice(&inner);
        Ok(begin.freeze())
    }

    /// The most data that fits into a message.
    fn room(&self, limit: usize) -> usize {
        // Two keys and two lengths at most, beside what is known.
        let around = self.bound.len() + self.content_type.len() + 2 * (encoded_len_varint(u64::MAX) + 5);
        limit.saturating_sub(around).max(1)
    }
}

/// A stream of messages, one for each piece of data that comes.
struct Pieces {
    raw: Raw,
    body: Body,
    limit: usize,
    /// Data whose message was begun, or is to be begun; none before the first.
    unread: Option<(bool, Bytes)>,
}

impl Pieces {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if let Some((true, data)) = &mut self.unread {
            let data = data.split_to(self.raw.room(self.limit).min(data.len()));
            return Ok(Some(self.sent(data)));
        }
        let first = self.unread.is_none();
        let rest = self.unread.take().map(|(_, rest)| rest).filter(|rest| !rest.is_empty());
        let data = match rest {
            Some(rest) => rest,
            None => match data(&mut self.body).await? {
                Some(data) => data,
                // What path and query bind is told even where there is no data.
                None if first => Bytes::new(),
                None => return Ok(None),
            },
        };
        let piece = self.raw.room(self.limit).min(data.len());
        let begin = self.raw.begin(piece, self.limit)?;
        self.unread = Some((piece > 0, data));
        Ok(Some(begin))
    }

    /// Notes that the data of a message is sent, so that the next one begins.
    fn sent(&mut self, data: Bytes) -> Bytes {
        if let Some((begun, _)) = &mut self.unread {
            *begun = false;
        }
        data
    }
}
