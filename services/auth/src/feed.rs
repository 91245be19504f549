//! What auth tells the access feed: public keys and revocation marks, as resources.

use std::sync::{Arc, OnceLock};

use logicore::{
    api::mesh::{self as pb, RevocationTarget},
    feed::{Producer, resource},
};
use prost_types::Timestamp;

use crate::{
    keys::Key,
    revocations::{Change, Mark, Sink, Target},
};

/// Passes committed changes on to the producer. Before there is one nobody watches, and the first snapshot will hold them.
#[derive(Debug, Default)]
pub(crate) struct Publisher(OnceLock<Arc<Producer>>);

impl Publisher {
    /// Everything committed from now on goes to this producer.
    pub(crate) fn connect(&self, producer: Arc<Producer>) {
        assert!(self.0.set(producer).is_ok(), "a process has one producer of auth");
    }
}

impl Sink for Publisher {
    fn changed(&self, change: Change) {
        let Some(producer) = self.0.get() else { return };
        let upserts = change.raised.iter().map(resource_of_mark).collect();
        let removed = change
            .lowered
            .iter()
            .map(|t| resource::revocation_id(wire_target(t), &t.id()));
        let removed = removed.chain(change.keys_gone.iter().map(|kid| resource::verification_key_id(kid)));
        producer.publish(change.revision, upserts, removed.collect());
    }
}

/// A signing key as a resource; `None` for a shared secret, which is never published.
pub(crate) fn resource_of_key(key: &Key) -> Option<pb::Resource> {
    let jwk = key.material.jwk(&key.kid)?;
    Some(resource::verification_key(pb::VerificationKey {
        kid: key.kid.clone(),
        alg: key.material.name().to_owned(),
        jwk: jwk.to_string(),
    }))
}

/// A mark as a resource.
pub(crate) fn resource_of_mark(mark: &Mark) -> pb::Resource {
    resource::revocation(pb::Revocation {
        target: wire_target(&mark.target).into(),
        id: mark.target.id(),
        revoked: mark.revoked,
        stale: mark.stale,
        expire_time: Some(Timestamp {
            seconds: mark.expire_time.timestamp(),
            nanos: i32::try_from(mark.expire_time.timestamp_subsec_nanos()).unwrap_or_default(),
        }),
    })
}

const fn wire_target(target: &Target) -> RevocationTarget {
    match target {
        Target::Token(_) => RevocationTarget::Token,
        Target::Session(_) => RevocationTarget::Session,
        Target::User(_) => RevocationTarget::User,
        Target::Tenant(_) => RevocationTarget::Tenant,
        Target::All => RevocationTarget::All,
    }
}
