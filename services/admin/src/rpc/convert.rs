//! Between the domain's types and the wire's.

use chrono::{DateTime, Utc};
use logicore::{
    Error,
    api::{admin as pb, policy::Scope as PbScope},
    policy::Scope,
};
use prost_types::{ListValue, Struct, Timestamp, Value as PbValue, value::Kind};
use serde_json::{Map, Number, Value};

use crate::{
    audit::{Event, Record},
    overview::Overview,
    permissions::{Catalogue, Entry},
    roles::{Listed, Role},
};

/// What a built-in role shows as its etag: it never changes.
const BUILT_IN_ETAG: &str = "built-in";

pub(super) fn timestamp(time: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}

pub(super) fn listed(catalogue: &Catalogue, role: Listed) -> pb::Role {
    match role {
        Listed::Own(own) => role_own(own),
        Listed::BuiltIn(built_in) => pb::Role {
            name: built_in.name.to_owned(),
            description: built_in.description.to_owned(),
            permissions: built_in.permissions(catalogue).map(str::to_owned).collect(),
            built_in: true,
            create_time: None,
            update_time: None,
            etag: BUILT_IN_ETAG.to_owned(),
        },
    }
}

pub(super) fn role_own(role: Role) -> pb::Role {
    pb::Role {
        name: role.name.to_string(),
        description: role.description,
        permissions: role.permissions,
        built_in: false,
        create_time: Some(timestamp(role.created)),
        update_time: Some(timestamp(role.updated)),
        etag: role.etag,
    }
}

pub(super) fn permission((name, entry): (&str, &Entry)) -> pb::Permission {
    let scope = match entry.scope {
        Scope::Tenant => PbScope::Tenant,
        Scope::Platform => PbScope::Platform,
    };
    pb::Permission {
        name: name.to_owned(),
        scope: scope.into(),
        methods: entry.methods.clone(),
    }
}

pub(super) fn overview(o: Overview) -> pb::GetOverviewResponse {
    pb::GetOverviewResponse {
        auth: Some(o.auth),
        roles: i64::try_from(o.roles).unwrap_or(i64::MAX),
        audit_events: i64::try_from(o.audit_events).unwrap_or(i64::MAX),
        gateways: i32::try_from(o.gateways).unwrap_or(i32::MAX),
        breakers_not_closed: i32::try_from(o.breakers_not_closed).unwrap_or(i32::MAX),
        as_of: Some(timestamp(o.as_of)),
    }
}

pub(super) fn event(event: Event) -> pb::AuditEvent {
    let r = event.record;
    pb::AuditEvent {
        id: r.id,
        time: Some(timestamp(r.time)),
        tenant: r.tenant,
        actor: r.actor,
        action: r.action,
        target: r.target,
        outcome: r.outcome,
        reason: r.reason,
        request_id: r.request_id,
        address: r.address,
        session: r.session,
        details: Some(structure(r.details)).filter(|s| !s.fields.is_empty()),
        producer: event.producer,
        sequence: event.sequence,
    }
}

/// The record that came over the wire. The time must be there: the producer knows it and nobody else does.
pub(super) fn record(event: pb::AuditEvent) -> Result<Record, Error> {
    let time = event
        .time
        .and_then(|t| DateTime::from_timestamp(t.seconds, u32::try_from(t.nanos).ok()?))
        .ok_or_else(|| Error::field("events.time", "is missing or no time"))?;
    Ok(Record {
        id: event.id,
        time,
        tenant: event.tenant,
        actor: event.actor,
        action: event.action,
        target: event.target,
        outcome: event.outcome,
        reason: event.reason,
        request_id: event.request_id,
        address: event.address,
        session: event.session,
        details: event.details.map(map).unwrap_or_default(),
    })
}

fn structure(map: Map<String, Value>) -> Struct {
    let fields = map.into_iter().map(|(name, value)| (name, to_wire(value)));
    Struct {
        fields: fields.collect(),
    }
}

fn to_wire(value: Value) -> PbValue {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(b) => Kind::BoolValue(b),
        Value::Number(n) => Kind::NumberValue(n.as_f64().unwrap_or_default()),
        Value::String(s) => Kind::StringValue(s),
        Value::Array(values) => Kind::ListValue(ListValue {
            values: values.into_iter().map(to_wire).collect(),
        }),
        Value::Object(map) => Kind::StructValue(structure(map)),
    };
    PbValue { kind: Some(kind) }
}

fn map(structure: Struct) -> Map<String, Value> {
    let fields = structure.fields.into_iter();
    fields.map(|(name, value)| (name, from_wire(value))).collect()
}

fn from_wire(value: PbValue) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(b)) => Value::Bool(b),
        Some(Kind::NumberValue(n)) => number(n),
        Some(Kind::StringValue(s)) => Value::String(s),
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(from_wire).collect()),
        Some(Kind::StructValue(structure)) => Value::Object(map(structure)),
    }
}

/// Whole numbers stay whole, as protobuf's JSON prints them.
fn number(n: f64) -> Value {
    /// Above it not every whole number is a double.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if n.fract() == 0.0 && n.abs() < EXACT {
        #[allow(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        let whole = n as i64;
        return Value::Number(whole.into());
    }
    Number::from_f64(n).map_or(Value::Null, Value::Number)
}
