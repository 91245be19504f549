//! The feed in its parts, and as a whole: real producers served by the mesh, real watchers.

mod by_id;
mod disk;
mod history;
mod replica;
mod roles;
mod timed;
mod view;
mod wire;

use std::{borrow::Cow, sync::Arc, time::Duration};

use chrono::DateTime;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    resources::{Resources, Snapshot},
    view::Source,
    *,
};
use crate::{
    access::Principal,
    api::mesh::{
        self as pb, RevocationTarget as Target, feed_service_client::FeedServiceClient, sync_request::Message as Say,
        sync_response::Message,
    },
    context::Context,
    error::Reason,
    ids::{RoleName, TenantId, UserId},
    mesh::Address,
    settings::Role,
    testkit::{self, EPOCH, built_in_roles as built_in, until, upstream},
};

fn revision(epoch: &str, number: u64) -> pb::Revision {
    pb::Revision {
        epoch: epoch.to_owned(),
        number,
    }
}

fn update(number: u64, upserts: Vec<pb::Resource>) -> pb::Update {
    update_of(EPOCH, number, upserts)
}

fn update_of(epoch: &str, number: u64, upserts: Vec<pb::Resource>) -> pb::Update {
    pb::Update {
        revision: Some(revision(epoch, number)),
        upserts,
        ..pb::Update::default()
    }
}

/// All of them, by key.
fn sorted(resources: &Resources) -> Vec<pb::Resource> {
    let mut all: Vec<_> = resources.iter().map(Cow::into_owned).collect();
    all.sort_by(|a, b| a.key.cmp(&b.key));
    all
}

fn removal(number: u64, removed: &[&str]) -> pb::Update {
    pb::Update {
        removed: removed.iter().map(|key| (*key).to_owned()).collect(),
        ..update(number, Vec::new())
    }
}

/// A resource of the plainest kind, told apart by its number.
fn tenant(name: &str, suspended: bool) -> pb::Resource {
    resource::tenant(&tenant_id(name), suspended)
}

fn tenant_id(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn roles(names: &[&str]) -> Vec<RoleName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// A revocation of a user's older tokens; `over` is the second in which it ends.
fn revoked(user: UserId, below: u64, over: i64) -> pb::Resource {
    resource::revocation(pb::Revocation {
        target: Target::User.into(),
        id: user.to_string(),
        revoked: below,
        stale: 0,
        expire_time: Some(prost_types::Timestamp {
            seconds: over,
            nanos: 0,
        }),
    })
}

fn key(kid: &str) -> pb::Resource {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let pair = Ed25519KeyPair::generate().unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key());
    resource::verification_key(pb::VerificationKey {
        kid: kid.to_owned(),
        alg: "EdDSA".to_owned(),
        jwk: serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": x }).to_string(),
    })
}

fn principal(subject: UserId, revision: u64) -> Principal {
    Principal {
        tenant: tenant_id("acme"),
        roles: roles(&["user"]).into(),
        revision,
        ..testkit::principal(subject)
    }
}

fn standing(view: &AccessView, principal: &Principal) -> Option<Reason> {
    view.standing(principal).err().map(|e| e.reason())
}

/// A context whose process proves membership to every other of these tests.
fn context(role: Role) -> Context {
    let mut settings = testkit::settings(role);
    settings.resilience.drain_delay = Duration::ZERO;
    settings.resilience.drain_timeout = Duration::from_millis(1500);
    testkit::context_with(settings)
}

/// A process of this role that watches both producers.
fn watching(role: Role, auth: Address, admin: Address) -> Context {
    let mut ctx = context(role);
    ctx.neighbours.auth = upstream(&ctx, AUTH, auth);
    ctx.neighbours.admin = upstream(&ctx, ADMIN, admin);
    ctx.access.watch(&ctx);
    ctx
}

/// A watcher that says and reads only what a test does.
struct Raw {
    say: mpsc::Sender<pb::SyncRequest>,
    answers: tonic::Streaming<pb::SyncResponse>,
}

impl Raw {
    async fn open(role: Role, address: Address) -> Result<Self, tonic::Status> {
        let ctx = context(role);
        let (say, said) = mpsc::channel(8);
        let answers = FeedServiceClient::new(upstream(&ctx, AUTH, address))
            .max_decoding_message_size(super::watcher::MAX_MESSAGE)
            .sync(ReceiverStream::new(said))
            .await?
            .into_inner();
        Ok(Self { say, answers })
    }

    /// A connected watcher that has got its snapshot.
    async fn hello(id: &str, address: Address) -> Self {
        let mut raw = Self::open(Role::User, address).await.unwrap();
        raw.say(Say::Hello(pb::Hello {
            watcher_id: id.to_owned(),
            role: "user".to_owned(),
            ..pb::Hello::default()
        }))
        .await;
        assert!(matches!(raw.hear().await, Message::Snapshot(_)));
        raw
    }

    async fn say(&self, message: Say) {
        let message = Some(message);
        self.say.send(pb::SyncRequest { message }).await.unwrap();
    }

    async fn acknowledge(&self, number: u64) {
        let revision = Some(revision(EPOCH, number));
        self.say(Say::Ack(pb::Ack { revision })).await;
    }

    async fn hear(&mut self) -> Message {
        self.answers.message().await.unwrap().unwrap().message.unwrap()
    }
}
