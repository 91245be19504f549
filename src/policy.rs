//! What each method needs, read once from the descriptors that are compiled in.
//!
//! The table is built from the raw descriptor set at start. A method without a policy is in the table with access
//! [`Access::Denied`], so that forgetting one is safe and a test can find it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, Value,
};

use crate::api;

/// Who may call a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nobody: the method has no policy.
    Denied,
    /// Anyone.
    Public,
    /// Anyone with a valid token.
    Authenticated,
    /// The subject itself, or a holder of the permission.
    SelfOrPermission(Arc<str>),
    /// A holder of the permission.
    Permission(Arc<str>),
    /// The mesh peers named.
    Internal(Vec<String>),
}

/// How far a permission reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The caller's tenant.
    Tenant,
    /// The whole platform.
    Platform,
}

/// protobuf's `idempotency_level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idempotency {
    /// Not said: may have effects that add up.
    Unknown,
    /// Reads only.
    NoSideEffects,
    /// Twice is like once.
    Idempotent,
}

/// What a method does while the access feed is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedStale {
    /// Serves.
    Serve,
    /// Refuses.
    Refuse,
}

/// A method and its policy.
#[derive(Clone, Debug)]
pub struct Method {
    /// Path on the wire: `/logicore.auth.v1.AuthService/Login`.
    pub path: Arc<str>,
    /// Full name of the service.
    pub service: Arc<str>,
    /// Name within the service.
    pub name: Arc<str>,
    /// Who may call.
    pub access: Access,
    /// How far the permission reaches.
    pub scope: Scope,
    /// Request field (name, number) that names the subject.
    pub subject_field: Option<(String, u32)>,
    /// Request field (name, number) that names the tenant.
    pub tenant_field: Option<(String, u32)>,
    /// Whether calls are audited.
    pub audited: bool,
    /// Units of the rate limit that a call takes, at least 1.
    pub rate_cost: u32,
    /// Deadline where the caller gives none.
    pub deadline: Option<Duration>,
    /// What repeating the call does.
    pub idempotency: Idempotency,
    /// The service honours an idempotency key.
    pub idempotency_key: bool,
    /// A last good answer may stand in.
    pub fallback: bool,
    /// May be shed.
    pub sheddable: bool,
    /// What happens while the access feed is silent.
    pub feed_stale: FeedStale,
    /// The caller streams.
    pub client_streaming: bool,
    /// The service streams.
    pub server_streaming: bool,
}

impl Method {
    /// Whether the method may be sent again after a failure that leaves its effect unknown.
    #[must_use]
    pub fn repeatable(&self) -> bool {
        self.idempotency != Idempotency::Unknown
    }

    /// Whether neither side streams.
    #[must_use]
    pub fn unary(&self) -> bool {
        !self.client_streaming && !self.server_streaming
    }

    /// The permission that opens the method, if one does.
    #[must_use]
    pub fn permission(&self) -> Option<&str> {
        match &self.access {
            Access::Permission(p) | Access::SelfOrPermission(p) => Some(p),
            _ => None,
        }
    }
}

/// Every method by its path.
#[derive(Clone, Debug, Default)]
pub struct Table(HashMap<Arc<str>, Arc<Method>>);

impl Table {
    /// Everything that is compiled in, internal methods too.
    #[must_use]
    pub fn compiled_in() -> Self {
        let pool = DescriptorPool::decode(api::ALL_DESCRIPTORS).expect("the compiler wrote valid descriptors");
        Self::from_pool(&pool)
    }

    /// Every method of a pool.
    #[must_use]
    pub fn from_pool(pool: &DescriptorPool) -> Self {
        let methods = pool.services().flat_map(|s| s.methods().collect::<Vec<_>>());
        Self(
            methods
                .map(|m| {
                    let method = Arc::new(read(pool, &m));
                    (method.path.clone(), method)
                })
                .collect(),
        )
    }

    /// The method at a path.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Arc<Method>> {
        self.0.get(path)
    }

    /// All methods, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Method>> {
        self.0.values()
    }

    /// Every permission that a method asks for, with its scope and the methods, by name.
    #[must_use]
    pub fn permissions(&self) -> Vec<(String, Scope, Vec<String>)> {
        let mut map: std::collections::BTreeMap<String, (Scope, Vec<String>)> = Default::default();
        for m in self.iter() {
            if let Some(p) = m.permission() {
                let entry = map.entry(p.to_owned()).or_insert_with(|| (m.scope, Vec::new()));
                entry.1.push(format!("{}/{}", m.service, m.name));
            }
        }
        // Asked for by AdminService.RevokeTokens itself when the target is every tenant.
        map.entry(REVOKE_ALL.to_owned()).or_insert_with(|| {
            (
                Scope::Platform,
                vec!["logicore.admin.v1.AdminService/RevokeTokens".to_owned()],
            )
        });
        map.into_iter()
            .map(|(name, (scope, mut methods))| {
                methods.sort();
                (name, scope, methods)
            })
            .collect()
    }
}

/// Longest name of a permission, in bytes.
const LONGEST_PERMISSION: usize = 128;

/// Whether a permission can have this name: words of lower-case letters, digits, `_` and `-`, two at least, joined by dots, such as
/// `shipments.read`.
#[must_use]
pub fn is_permission(name: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
    };
    name.len() <= LONGEST_PERMISSION && name.contains('.') && name.split('.').all(word)
}

/// Permission to revoke the tokens of every tenant.
pub const REVOKE_ALL: &str = "tokens.revoke_all";

/// The field of this name, if it can name a subject or a tenant: one string, and no member of a oneof, which another member would
/// take away again behind the check.
#[must_use]
pub fn checked_field(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    let field = message.get_field_by_name(name)?;
    let alone = field.containing_oneof().is_none_or(|oneof| oneof.is_synthetic());
    (field.kind() == Kind::String && !field.is_list() && alone).then_some(field)
}

fn read(pool: &DescriptorPool, m: &MethodDescriptor) -> Method {
    let service: Arc<str> = m.parent_service().full_name().into();
    let options = m.options();
    let policy = pool
        .get_extension_by_name("logicore.policy.v1.method")
        .filter(|e| options.has_extension(e))
        .map(|e| options.get_extension(&e).into_owned());
    let policy = policy.as_ref().and_then(Value::as_message);
    let idempotency = idempotency(&options);
    let named = |name: &str| policy.map(|p| text(p, name)).filter(|v| !v.is_empty());
    let field = |name: &str| {
        let value = named(name)?;
        let number = checked_field(&m.input(), &value)?.number();
        Some((value, number))
    };
    // A field that cannot be held against the caller must not leave the method without what it asks for.
    let unchecked = |name: &str| named(name).is_some() && field(name).is_none();
    let denies = unchecked("subject_field") || unchecked("tenant_field");
    Method {
        path: format!("/{service}/{}", m.name()).into(),
        name: m.name().into(),
        access: policy.filter(|_| !denies).map_or(Access::Denied, access),
        scope: match policy.map_or(0, |p| number(p, "scope")) {
            2 => Scope::Platform,
            _ => Scope::Tenant,
        },
        subject_field: field("subject_field"),
        tenant_field: field("tenant_field"),
        audited: policy.is_some_and(|p| flag(p, "audited")),
        rate_cost: policy.map_or(1, |p| uint(p, "rate_cost").max(1)),
        deadline: policy.and_then(deadline),
        idempotency,
        idempotency_key: policy.is_some_and(|p| flag(p, "idempotency_key")),
        fallback: policy.is_some_and(|p| flag(p, "fallback")),
        sheddable: policy.is_some_and(|p| flag(p, "sheddable")),
        feed_stale: feed_stale(policy, idempotency),
        client_streaming: m.is_client_streaming(),
        server_streaming: m.is_server_streaming(),
        service,
    }
}

fn idempotency(options: &DynamicMessage) -> Idempotency {
    match number(options, "idempotency_level") {
        1 => Idempotency::NoSideEffects,
        2 => Idempotency::Idempotent,
        _ => Idempotency::Unknown,
    }
}

/// As it is said; else reading goes on by old knowledge, and changes wait for new.
fn feed_stale(policy: Option<&DynamicMessage>, idempotency: Idempotency) -> FeedStale {
    match policy.map_or(0, |p| number(p, "feed_stale")) {
        1 => FeedStale::Serve,
        2 => FeedStale::Refuse,
        _ if idempotency == Idempotency::NoSideEffects => FeedStale::Serve,
        _ => FeedStale::Refuse,
    }
}

fn access(policy: &DynamicMessage) -> Access {
    let permission = text(policy, "permission");
    match number(policy, "access") {
        1 => Access::Public,
        2 => Access::Authenticated,
        // A permission that has no name can be held by nobody, so such a policy denies.
        3 | 4 if permission.is_empty() => Access::Denied,
        3 => Access::SelfOrPermission(permission.into()),
        4 => Access::Permission(permission.into()),
        5 => Access::Internal(
            policy
                .get_field_by_name("peers")
                .and_then(|v| {
                    v.as_list()
                        .map(|l| l.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                })
                .unwrap_or_default(),
        ),
        _ => Access::Denied,
    }
}

fn deadline(policy: &DynamicMessage) -> Option<Duration> {
    if !policy.has_field_by_name("deadline") {
        return None;
    }
    let value = policy.get_field_by_name("deadline")?;
    let value = value.as_message()?;
    let seconds = value.get_field_by_name("seconds")?.as_i64()?;
    let nanos = value.get_field_by_name("nanos")?.as_i32()?;
    Some(Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?))
}

fn text(m: &DynamicMessage, field: &str) -> String {
    m.get_field_by_name(field)
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn number(m: &DynamicMessage, field: &str) -> i32 {
    m.get_field_by_name(field)
        .and_then(|v| v.as_enum_number())
        .unwrap_or_default()
}

fn uint(m: &DynamicMessage, field: &str) -> u32 {
    m.get_field_by_name(field).and_then(|v| v.as_u32()).unwrap_or_default()
}

fn flag(m: &DynamicMessage, field: &str) -> bool {
    m.get_field_by_name(field).and_then(|v| v.as_bool()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_a_policy() {
        let table = Table::compiled_in();
        let denied: Vec<_> = table
            .iter()
            .filter(|m| m.access == Access::Denied)
            .map(|m| &m.path)
            .collect();
        assert!(denied.is_empty(), "methods without a policy: {denied:?}");
        assert!(table.iter().count() > 40);
    }

    #[test]
    fn every_subject_field_exists() {
        for m in Table::compiled_in().iter() {
            if matches!(m.access, Access::SelfOrPermission(_)) {
                assert!(m.subject_field.is_some(), "{}", m.path);
            }
        }
    }

    #[test]
    fn no_public_file_holds_an_internal_method() {
        let pool = DescriptorPool::decode(api::PUBLIC_DESCRIPTORS).expect("valid");
        for m in Table::from_pool(&pool).iter() {
            assert!(!matches!(m.access, Access::Internal(_)), "{}", m.path);
        }
    }

    #[test]
    fn policies_are_read() {
        let table = Table::compiled_in();
        let login = table.get("/logicore.auth.v1.AuthService/Login").expect("there");
        assert_eq!(
            (&login.access, login.rate_cost, login.feed_stale),
            (&Access::Public, 5, FeedStale::Serve)
        );
        let user = table.get("/logicore.user.v1.UserService/GetUser").expect("there");
        assert_eq!(user.permission(), Some("users.read"));
        assert_eq!(user.idempotency, Idempotency::NoSideEffects);
    }
}
