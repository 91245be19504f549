//! Stand-in of admin's audit log: takes what comes in sequence.

use std::{sync::Mutex, time::Duration};

use logicore::{
    api::admin::{
        AppendAuditEventsRequest, AppendAuditEventsResponse, AuditEvent,
        audit_ingest_service_server::AuditIngestService,
    },
    mesh::Peer,
};
use tokio::sync::Notify;
use tonic::{Request, Response, Status};

/// What arrived.
#[derive(Debug, Default)]
pub(crate) struct Log {
    events: Mutex<Vec<AuditEvent>>,
    grown: Notify,
}

impl Log {
    /// Waits until `count` events are there.
    pub(crate) async fn events(&self, count: usize) -> Vec<AuditEvent> {
        let enough = async {
            loop {
                let grown = self.grown.notified();
                let events = self.events.lock().unwrap().clone();
                if events.len() >= count {
                    return events;
                }
                grown.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), enough)
            .await
            .expect("the records arrive")
    }
}

#[tonic::async_trait]
impl AuditIngestService for Log {
    async fn append_audit_events(
        &self,
        request: Request<AppendAuditEventsRequest>,
    ) -> Result<Response<AppendAuditEventsResponse>, Status> {
        assert!(request.extensions().get::<Peer>().unwrap().is("user"));
        let batch = request.into_inner();
        assert!(batch.producer == "user" && !batch.epoch.is_empty());
        let mut events = self.events.lock().unwrap();
        for event in batch.events {
            if event.sequence > events.len() as u64 {
                assert_eq!(event.sequence, events.len() as u64 + 1, "no gap");
                events.push(event);
            }
        }
        let next_sequence = events.len() as u64 + 1;
        drop(events);
        self.grown.notify_waiters();
        Ok(Response::new(AppendAuditEventsResponse { next_sequence }))
    }
}
