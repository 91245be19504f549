//! The audit log: runs in, pages out.

use logicore::{
    Reason,
    api::admin::{self as pb, audit_ingest_service_client::AuditIngestServiceClient},
    settings::Role,
    testkit::{Caller, PATIENCE, reason},
    upstream::Upstream,
};
use logicore_store::{
    Db, Error,
    outbox::{self, AuditRecord, append_in_tx},
};
use prost_types::Timestamp;
use tonic::{Code, Request};

use crate::deployment::Deployment;

fn admin() -> Caller {
    Caller::new("default", &["admin"])
}

fn event(sequence: u64) -> pb::AuditEvent {
    pb::AuditEvent {
        sequence,
        time: Some(Timestamp {
            seconds: 1_800_000_000,
            nanos: 0,
        }),
        tenant: "default".to_owned(),
        action: "auth.login".to_owned(),
        outcome: "success".to_owned(),
        ..pb::AuditEvent::default()
    }
}

fn run(producer: &str, places: std::ops::Range<u64>) -> pb::AppendAuditEventsRequest {
    pb::AppendAuditEventsRequest {
        producer: producer.to_owned(),
        epoch: "e1".to_owned(),
        events: places.map(event).collect(),
    }
}

impl Deployment {
    /// The log as a peer of the deployment reaches it.
    fn ingest(&self, role: Role) -> AuditIngestServiceClient<Upstream> {
        AuditIngestServiceClient::new(self.process(role).neighbours.admin)
    }

    async fn page(
        &mut self,
        by: &Caller,
        list: pb::ListAuditEventsRequest,
    ) -> Result<pb::ListAuditEventsResponse, tonic::Status> {
        let request = self.by(by, list);
        Ok(self.admin.list_audit_events(request).await?.into_inner())
    }

    async fn events(&mut self, filter: &str) -> Vec<pb::AuditEvent> {
        let list = pb::ListAuditEventsRequest {
            page_size: 1000,
            filter: filter.to_owned(),
            ..pb::ListAuditEventsRequest::default()
        };
        self.page(&admin(), list).await.unwrap().events
    }
}

#[tokio::test]
async fn only_proven_peers_bring_events_and_only_their_own() {
    let mut on = Deployment::start().await;
    for (role, producer, wanted) in [
        (Role::Auth, "auth", None),
        (Role::User, "user", None),
        (Role::Gateway, "gateway-7f", None),
        (Role::User, "auth", Some(Reason::PeerNotAllowed)),
        (Role::Gateway, "user", Some(Reason::PeerNotAllowed)),
        (Role::Admin, "admin", Some(Reason::PeerNotAllowed)),
        (Role::Cli, "auth", Some(Reason::PeerNotAllowed)),
    ] {
        let answer = on.ingest(role).append_audit_events(run(producer, 1..3)).await;
        assert_eq!(
            answer.err().map(|status| reason(&status)),
            wanted,
            "{producer} by {role:?}"
        );
    }
    let mut stranger = on.process(Role::Auth);
    stranger.identity = logicore::mesh::Identity::new(Role::Auth, &logicore::secret::Secret::new("another secret"));
    let operator = Caller::new("default", &["admin", "operator"]);
    for signed in [false, true] {
        let mut request = Request::new(run("auth", 3..4));
        if signed {
            request = on.by(&operator, run("auth", 3..4));
        }
        request.metadata_mut().insert(
            "x-logicore-mesh",
            stranger.identity.header().to_str().unwrap().parse().unwrap(),
        );
        let refused = on.bare().append_audit_events(request).await.unwrap_err();
        assert_eq!(reason(&refused), Reason::PeerNotTrusted);
        let mut request = Request::new(run("auth", 3..4));
        if signed {
            request = on.by(&operator, run("auth", 3..4));
        }
        let refused = on.bare().append_audit_events(request).await.unwrap_err();
        assert_eq!(
            reason(&refused),
            Reason::PeerNotTrusted,
            "a caller's token proves no peer"
        );
    }
    assert_eq!(on.events("").await.len(), 6);
}

#[tokio::test]
async fn a_run_is_stored_once_in_sequence() {
    let mut on = Deployment::start().await;
    let mut auth = on.ingest(Role::Auth);
    for (places, next) in [(1..4, 4), (2..6, 6), (1..3, 6)] {
        let answer = auth
            .append_audit_events(run("auth", places))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(answer.next_sequence, next);
    }
    let gap = auth.append_audit_events(run("auth", 9..11)).await.unwrap_err();
    assert_eq!(
        (gap.code(), reason(&gap)),
        (Code::FailedPrecondition, Reason::StateForbids)
    );
    let places: Vec<_> = on.events("").await.iter().map(|e| e.sequence).collect();
    assert_eq!(places, [5, 4, 3, 2, 1]);
    let mut timeless = run("auth", 6..7);
    timeless.events[0].time = None;
    assert_eq!(
        reason(&auth.append_audit_events(timeless).await.unwrap_err()),
        Reason::InvalidField
    );
}

#[tokio::test]
async fn facts_come_back_as_they_were_brought() {
    let mut on = Deployment::start().await;
    let record = AuditRecord::new("default".parse().unwrap(), "test.change", "thing/1")
        .with("text", "für alle")
        .with("whole", 7)
        .with("part", 0.5)
        .with("flag", true)
        .with("list", serde_json::json!(["a", 1, null, {"b": []}]));
    let _folder = deliver(&on, vec![record]).await;
    let found = settled(&mut on, 1).await.remove(0);
    let fields = found.details.unwrap().fields;
    let text = |name: &str| format!("{:?}", fields[name].kind);
    assert!(text("text").contains("für alle") && text("flag").contains("true"));
    assert!(text("whole").contains("7.0") && text("part").contains("0.5"));
    assert!(text("list").contains("StructValue") && text("list").contains("NullValue"));
}

/// Commits the records and starts the delivery, as a service of production does.
async fn deliver(on: &Deployment, records: Vec<AuditRecord>) -> tempfile::TempDir {
    let user = on.process(Role::User);
    let folder = tempfile::tempdir().unwrap();
    let none = sqlx::migrate::Migrator::DEFAULT;
    let db = Db::open(&folder.path().join("user.db"), &none, &user.clock, &user.metrics)
        .await
        .unwrap();
    let appended: Result<(), Error> = db
        .write("append", move |tx| {
            Box::pin(async move {
                for record in &records {
                    append_in_tx(tx, record).await?;
                }
                Ok(())
            })
        })
        .await;
    appended.unwrap();
    outbox::dispatch(&user, &db, "user");
    folder
}

/// Asks until so many events of the outbox are in the log.
async fn settled(on: &mut Deployment, count: usize) -> Vec<pb::AuditEvent> {
    let wait = async {
        loop {
            let events = on.events(r#"producer = "user""#).await;
            if events.len() == count {
                return events;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the events arrive")
}

#[tokio::test]
async fn an_outbox_arrives_whole_and_in_order() {
    let mut on = Deployment::start().await;
    let record = |n: usize| AuditRecord::new("default".parse().unwrap(), "test.change", format!("thing/{n}"));
    let _folder = deliver(&on, (0..450).map(record).collect()).await;
    let mut events = settled(&mut on, 450).await;
    events.sort_by_key(|e| e.sequence);
    for (n, event) in events.iter().enumerate() {
        assert_eq!(
            (event.sequence, event.target.as_str()),
            (n as u64 + 1, format!("thing/{n}").as_str())
        );
    }
}

#[tokio::test]
async fn what_admin_does_itself_is_in_its_log() {
    let mut on = Deployment::start().await;
    let by = admin();
    let role = pb::Role {
        name: "editor".to_owned(),
        ..pb::Role::default()
    };
    let request = on.by(&by, pb::CreateRoleRequest { role: Some(role) });
    on.admin.create_role(request).await.unwrap();
    let grant = pb::GrantRoleRequest {
        user_id: on.auth.add("default"),
        role: "operator".to_owned(),
    };
    let request = on.by(&by, grant);
    on.admin.grant_role(request).await.unwrap_err();
    let events = on.events("").await;
    let rows: Vec<_> = events
        .iter()
        .map(|e| (e.action.as_str(), e.outcome.as_str(), e.reason.as_str()))
        .collect();
    assert_eq!(
        rows,
        [
            ("role.grant", "denied", "GRANT_EXCEEDS_OWN"),
            ("role.create", "success", "")
        ]
    );
    for event in &events {
        assert_eq!(
            (event.actor.clone(), event.session.clone()),
            (by.id.to_string(), by.session.to_string())
        );
        assert_eq!(
            (event.request_id.as_str(), event.address.as_str()),
            (Caller::REQUEST_ID, Caller::ADDRESS)
        );
        assert_eq!((event.producer.as_str(), event.tenant.as_str()), ("admin", "default"));
        assert!(!event.id.is_empty());
    }
}

#[tokio::test]
async fn pages_hold_each_event_once() {
    let mut on = Deployment::start().await;
    on.ingest(Role::Auth)
        .append_audit_events(run("auth", 1..8))
        .await
        .unwrap();
    on.ingest(Role::User)
        .append_audit_events(run("user", 1..4))
        .await
        .unwrap();
    let mut list = pb::ListAuditEventsRequest {
        page_size: 3,
        filter: r#"action = "auth.login""#.to_owned(),
        ..pb::ListAuditEventsRequest::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = on.page(&admin(), list.clone()).await.unwrap();
        seen.extend(page.events.into_iter().map(|e| (e.producer, e.sequence)));
        list.page_token = page.next_page_token;
        if list.page_token.is_empty() {
            break;
        }
        let other = pb::ListAuditEventsRequest {
            filter: r#"producer = "auth""#.to_owned(),
            ..list.clone()
        };
        assert_eq!(
            reason(&on.page(&admin(), other).await.unwrap_err()),
            Reason::InvalidPageToken
        );
        let stranger = Caller::new("acme", &["admin"]);
        assert_eq!(
            reason(&on.page(&stranger, list.clone()).await.unwrap_err()),
            Reason::InvalidPageToken
        );
    }
    let auth = (1..8).map(|n| ("auth".to_owned(), n));
    let mut wanted: Vec<_> = auth.chain((1..4).map(|n| ("user".to_owned(), n))).collect();
    wanted.reverse();
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn each_tenant_reads_its_own_events() {
    let mut on = Deployment::start().await;
    let mut batch = run("auth", 1..4);
    batch.events[1].tenant = "acme".to_owned();
    on.ingest(Role::Auth).append_audit_events(batch).await.unwrap();
    let list = pb::ListAuditEventsRequest::default;
    let theirs = on.page(&Caller::new("acme", &["admin"]), list()).await.unwrap();
    let places = |page: pb::ListAuditEventsResponse| page.events.iter().map(|e| e.sequence).collect::<Vec<_>>();
    assert_eq!(places(theirs), [2]);
    let ours = on
        .page(&Caller::new("default", &["admin", "operator"]), list())
        .await
        .unwrap();
    assert_eq!(places(ours), [3, 1], "an operator's own tenant too");
    let bad = pb::ListAuditEventsRequest {
        filter: "tenant = acme".to_owned(),
        ..list()
    };
    assert_eq!(
        reason(&on.page(&admin(), bad).await.unwrap_err()),
        Reason::InvalidFilter
    );
}
