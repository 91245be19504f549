//! The audit log on the wire: pages out, runs in.

use logicore::{
    Error, Reason,
    api::admin::{self as pb, audit_ingest_service_server::AuditIngestService},
    mesh::Peer,
};
use logicore_store::page;
use tonic::{Request, Response};

use super::{Answer, Rpc, convert};
use crate::{
    app::Admin,
    audit::{self, Batch, Cursor},
    caller::Caller,
    store::AuditQuery,
};

pub(super) async fn list(
    admin: &Admin,
    caller: &Caller,
    request: &pb::ListAuditEventsRequest,
) -> Answer<pb::ListAuditEventsResponse> {
    let size = page::size(request.page_size)?;
    let question = page::Query::new("audit.list")
        .with(caller.tenant().as_str())
        .with(&request.filter);
    let after = question.position::<Cursor>(&request.page_token)?;
    let query = AuditQuery {
        tenant: caller.tenant().clone(),
        conditions: audit::parse(&request.filter)?,
        after,
        limit: size + 1,
    };
    let mut events = admin.store.audit_list(query).await?;
    let more = events.len() > size;
    events.truncate(size);
    let last = events.last().filter(|_| more);
    Ok(Response::new(pb::ListAuditEventsResponse {
        next_page_token: last.map(|event| question.token(&event.cursor())).unwrap_or_default(),
        events: events.into_iter().map(convert::event).collect(),
    }))
}

#[tonic::async_trait]
impl AuditIngestService for Rpc {
    async fn append_audit_events(
        &self,
        request: Request<pb::AppendAuditEventsRequest>,
    ) -> Answer<pb::AppendAuditEventsResponse> {
        let peer = request.extensions().get::<Peer>().cloned();
        let peer = peer.ok_or_else(|| Error::new(Reason::PeerNotTrusted, "only proven peers bring audit events"))?;
        let message = request.into_inner();
        let events = message.events.into_iter();
        let batch = Batch {
            producer: message.producer,
            epoch: message.epoch,
            events: events
                .map(|event| Ok((event.sequence, convert::record(event)?)))
                .collect::<Result<_, Error>>()?,
        };
        let next_sequence = self.0.audit_append(&peer, batch).await?;
        Ok(Response::new(pb::AppendAuditEventsResponse { next_sequence }))
    }
}
