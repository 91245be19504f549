//! Taking events in from the other services.

use logicore::{Error, Reason, ids::EventId, mesh::Peer};

use super::{PRODUCER, Record};
use crate::app::Admin;

/// The first place of a sequence.
pub const SEQUENCE_START: u64 = 1;

/// Most events of one call.
const EVENTS_MAX: usize = 1000;

/// The last place that a run may start at: the store counts in 63 bits.
const SEQUENCE_MAX: u64 = i64::MAX as u64 - EVENTS_MAX as u64;

/// Longest value of a field, in bytes. A longer one is cut: refusing it would hold up its producer for ever.
const FIELD_MAX: usize = 512;

/// Largest facts of an event as JSON, in bytes. Larger ones are left out, and that is said.
const DETAILS_MAX: usize = 16 << 10;

/// A run of events of one producer.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The producer.
    pub producer: String,
    /// Epoch of its store.
    pub epoch: String,
    /// Events with their places, in order and without a gap.
    pub events: Vec<(u64, Record)>,
}

impl Admin {
    /// Stores a run of events; returns the place that the log waits for. Events that are there already are passed over.
    ///
    /// # Errors
    /// `STATE_FORBIDS` with `next_sequence` when events before these are missing; `INVALID_FIELD` for a run that is none;
    /// `PEER_NOT_ALLOWED` for a producer that the peer does not speak for.
    pub async fn audit_append(&self, peer: &Peer, batch: Batch) -> Result<u64, Error> {
        check_producer(peer, &batch.producer)?;
        if batch.epoch.is_empty() || batch.epoch.len() > FIELD_MAX {
            return Err(Error::field("epoch", "is empty or too long"));
        }
        if batch.events.len() > EVENTS_MAX {
            return Err(Error::field("events", format!("are more than {EVENTS_MAX}")));
        }
        let first = batch.events.first().map_or(SEQUENCE_START, |(sequence, _)| *sequence);
        let places = batch.events.iter().map(|(sequence, _)| *sequence);
        // Bounds first: beyond them the count of places would overflow.
        let bounded = (SEQUENCE_START..=SEQUENCE_MAX).contains(&first);
        if !bounded || !places.zip(first..).all(|(place, wanted)| place == wanted) {
            return Err(Error::field(
                "events",
                "their sequence starts out of bounds or has a gap",
            ));
        }
        self.store.audit_append(batch, self.clock.now()).await
    }
}

/// A peer speaks for itself; a gateway for `gateway` or `gateway-...`. Nobody speaks for admin, which writes by itself.
fn check_producer(peer: &Peer, producer: &str) -> Result<(), Error> {
    let part = producer.split_once('-').map_or(producer, |(part, _)| part);
    let known = matches!(producer, "auth" | "user") || part == "gateway";
    if known && producer.len() <= FIELD_MAX && producer != PRODUCER && peer.is(part) {
        return Ok(());
    }
    let text = format!(
        "a peer `{}` brings no events of `{}`",
        peer.role.as_str(),
        producer.escape_debug()
    );
    Err(Error::new(Reason::PeerNotAllowed, text))
}

/// The record with every value cut to its bound, and with an id.
#[must_use]
pub fn bounded(mut record: Record) -> Record {
    let fields = [
        &mut record.id,
        &mut record.tenant,
        &mut record.actor,
        &mut record.action,
        &mut record.target,
        &mut record.outcome,
        &mut record.reason,
        &mut record.request_id,
        &mut record.address,
        &mut record.session,
    ];
    for field in fields {
        field.truncate(field.floor_char_boundary(FIELD_MAX));
    }
    if record.id.is_empty() {
        record.id = EventId::generate().to_string();
    }
    let size = serde_json::to_string(&record.details).map_or(usize::MAX, |json| json.len());
    if size > DETAILS_MAX {
        record.details.clear();
        record.details.insert("left_out_bytes".to_owned(), size.into());
    }
    record
}
