//! gRPC reflection (v1 and v1alpha) of everything that is routed, whoever serves it.
//!
//! Descriptor pools are per upstream and two of them may have files of one name. So an answer to a symbol brings all that its file
//! imports, and no client has to ask for a file by a name that means several. Services that are not served are cut out of their
//! files.

use std::{collections::HashSet, pin::Pin};

use futures_util::{Stream, StreamExt};
use prost::{
    Message,
    bytes::Buf,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field},
};
use prost_reflect::{DescriptorPool, FileDescriptor, ServiceDescriptor};
use prost_types::{MethodDescriptorProto, ServiceDescriptorProto};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_reflection::pb::{
    v1::{
        ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse, ServerReflectionRequest,
        ServerReflectionResponse, ServiceResponse,
        server_reflection_request::MessageRequest,
        server_reflection_response::MessageResponse,
        server_reflection_server::{ServerReflection, ServerReflectionServer},
    },
    v1alpha::{self, server_reflection_server::ServerReflectionServer as AlphaServer},
};

use crate::live::{Current, Live};

/// Fields of `FileDescriptorProto` and `ServiceDescriptorProto` (google/protobuf/descriptor.proto).
const SERVICE: u32 = 6;
const METHOD: u32 = 2;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Reflection over the routes in force.
#[derive(Clone, Debug)]
pub(super) struct Reflection(Current);

impl Reflection {
    pub(super) fn v1(live: &Current) -> ServerReflectionServer<Self> {
        ServerReflectionServer::new(Self(live.clone()))
    }

    pub(super) fn v1alpha(live: &Current) -> AlphaServer<Self> {
        AlphaServer::new(Self(live.clone()))
    }

    fn answer(&self, request: ServerReflectionRequest) -> ServerReflectionResponse {
        let answer = match &request.message_request {
            Some(asked) => answer(&self.0.load(), asked),
            None => None,
        };
        let missing = || {
            MessageResponse::ErrorResponse(ErrorResponse {
                error_code: Code::NotFound as i32,
                error_message: "there is nothing of this name".to_owned(),
            })
        };
        ServerReflectionResponse {
            valid_host: request.host.clone(),
            message_response: Some(answer.unwrap_or_else(missing)),
            original_request: Some(request),
        }
    }
}

#[tonic::async_trait]
impl ServerReflection for Reflection {
    type ServerReflectionInfoStream = Answers<ServerReflectionResponse>;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        let this = self.clone();
        let answers = request
            .into_inner()
            .map(move |asked| asked.map(|asked| this.answer(asked)));
        Ok(Response::new(Box::pin(answers)))
    }
}

#[tonic::async_trait]
impl v1alpha::server_reflection_server::ServerReflection for Reflection {
    type ServerReflectionInfoStream = Answers<v1alpha::ServerReflectionResponse>;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<v1alpha::ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        let this = self.clone();
        // The two versions are the same on the wire.
        let answers = request.into_inner().map(move |asked| {
            let asked = ServerReflectionRequest::decode(&*asked?.encode_to_vec());
            let answer = this.answer(asked.map_err(|e| Status::internal(e.to_string()))?);
            v1alpha::ServerReflectionResponse::decode(&*answer.encode_to_vec())
                .map_err(|e| Status::internal(e.to_string()))
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

/// The answer; none where there is nothing of the name.
fn answer(live: &Live, asked: &MessageRequest) -> Option<MessageResponse> {
    Some(match asked {
        MessageRequest::ListServices(_) => MessageResponse::ListServicesResponse(list(live)),
        MessageRequest::FileByFilename(name) => find(live, |pool, _| pool.get_file_by_name(name))?,
        MessageRequest::FileContainingSymbol(symbol) => {
            find(live, |pool, served| of_symbol(live, pool, served, symbol))?
        }
        MessageRequest::FileContainingExtension(of) => find(live, |pool, _| {
            let message = pool.get_message_by_name(&of.containing_type)?;
            let number = u32::try_from(of.extension_number).ok()?;
            message.get_extension(number).map(|extension| extension.parent_file())
        })?,
        MessageRequest::AllExtensionNumbersOfType(name) => {
            let message = live
                .reflected
                .iter()
                .find_map(|(pool, _)| pool.get_message_by_name(name))?;
            let numbers = message.extensions().filter_map(|e| i32::try_from(e.number()).ok());
            MessageResponse::AllExtensionNumbersResponse(ExtensionNumberResponse {
                base_type_name: name.clone(),
                extension_number: numbers.collect(),
            })
        }
    })
}

fn list(live: &Live) -> ListServiceResponse {
    let mut names: Vec<_> = live.reflected.iter().flat_map(|(_, served)| served).cloned().collect();
    names.sort_unstable();
    names.dedup();
    ListServiceResponse {
        service: names.into_iter().map(|name| ServiceResponse { name }).collect(),
    }
}

/// The first file that is found, and what it imports.
fn find(live: &Live, find: impl Fn(&DescriptorPool, &[String]) -> Option<FileDescriptor>) -> Option<MessageResponse> {
    let found = live
        .reflected
        .iter()
        .find_map(|(pool, served)| Some((find(pool, served)?, served)));
    let (file, served) = found?;
    let mut files = Vec::new();
    closure(&file, |file| files.push(cut(live, file, served)));
    Some(MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
        file_descriptor_proto: files,
    }))
}

/// The file first, since clients take the first for the answer.
fn closure(file: &FileDescriptor, mut take: impl FnMut(&FileDescriptor)) {
    let mut seen = HashSet::from([file.name().to_owned()]);
    let mut open = vec![file.clone()];
    // No recursion: how long a chain of imports is, their writer alone decides.
    while let Some(file) = open.pop() {
        take(&file);
        open.extend(
            file.dependencies()
                .filter(|import| seen.insert(import.name().to_owned())),
        );
    }
}

fn of_symbol(live: &Live, pool: &DescriptorPool, served: &[String], symbol: &str) -> Option<FileDescriptor> {
    let service = |name: &str| {
        let service = pool
            .get_service_by_name(name)
            .filter(|s| served.iter().any(|n| n == s.full_name()));
        service.map(|s| s.parent_file())
    };
    let inner = symbol.rsplit_once('.');
    service(symbol)
        .or_else(|| pool.get_message_by_name(symbol).map(|m| m.parent_file()))
        .or_else(|| pool.get_enum_by_name(symbol).map(|e| e.parent_file()))
        .or_else(|| pool.get_extension_by_name(symbol).map(|e| e.parent_file()))
        // A method, a field, or a value of an enum.
        .or_else(|| {
            let (outer, name) = inner?;
            let of_service = || {
                live.table.get(&format!("/{outer}/{name}"))?;
                service(outer)
            };
            let of_message = || {
                let message = pool.get_message_by_name(outer)?;
                message.get_field_by_name(name).map(|_| message.parent_file())
            };
            of_service().or_else(of_message)
        })
}

/// A serialized file without the services and methods that are not served. A file that could not be read would be answered empty;
/// it came from a descriptor that was read.
fn cut(live: &Live, file: &FileDescriptor, served: &[String]) -> Vec<u8> {
    let raw = file.encode_to_vec();
    let routed = |service: &str, method: &str| live.table.get(&format!("/{service}/{method}")).is_some();
    let whole = |s: ServiceDescriptor| {
        served.iter().any(|n| n == s.full_name()) && s.methods().all(|m| routed(s.full_name(), m.name()))
    };
    if file.services().all(whole) {
        return raw;
    }
    let package = file.package_name();
    let service = |raw: &[u8]| {
        let name = ServiceDescriptorProto::decode(raw).ok()?.name.unwrap_or_default();
        let full = if package.is_empty() {
            name
        } else {
            format!("{package}.{name}")
        };
        served.contains(&full).then_some(())?;
        fields(raw, METHOD, |raw| {
            let method = MethodDescriptorProto::decode(raw).ok()?.name.unwrap_or_default();
            routed(&full, &method).then(|| raw.to_vec())
        })
    };
    fields(&raw, SERVICE, service).unwrap_or_default()
}

/// A message with each of its sub-messages in field `number` replaced, or left out; all else stays byte for byte.
fn fields(mut raw: &[u8], number: u32, change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(raw.len());
    while raw.has_remaining() {
        let start = raw;
        let (tag, wire) = decode_key(&mut raw).ok()?;
        if (tag, wire) != (number, WireType::LengthDelimited) {
            skip_field(wire, tag, &mut raw, DecodeContext::default()).ok()?;
            out.extend_from_slice(&start[..start.len() - raw.len()]);
            continue;
        }
        let length = usize::try_from(decode_varint(&mut raw).ok()?).ok()?;
        let (inner, rest) = raw.split_at_checked(length)?;
        raw = rest;
        if let Some(inner) = change(inner) {
            encode_key(number, WireType::LengthDelimited, &mut out);
            encode_varint(inner.len() as u64, &mut out);
            out.extend_from_slice(&inner);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests;
