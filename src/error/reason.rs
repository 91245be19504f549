//! Reasons: names that never change, each of one kind.

use super::Kind;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal => $kind:ident;)*) => {
        /// Why a request failed, for programs. The name is stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Reason] = &[$(Reason::$name),*];

            /// The name on the wire (`google.rpc.ErrorInfo.reason`).
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$name => $text,)* }
            }

            /// The kind that the reason belongs to.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Reason::$name => Kind::$kind,)* }
            }
        }
    };
}

reasons! {
    /// A field of the request is wrong.
    InvalidField = "INVALID_FIELD" => InvalidArgument;
    /// Not an id.
    InvalidId = "INVALID_ID" => InvalidArgument;
    /// Not a name.
    InvalidName = "INVALID_NAME" => InvalidArgument;
    /// The body is not JSON.
    MalformedJson = "MALFORMED_JSON" => InvalidArgument;
    /// The body, or the query, names a field that the request does not have.
    UnknownField = "UNKNOWN_FIELD" => InvalidArgument;
    /// The method takes a body and none came.
    MissingBody = "MISSING_BODY" => InvalidArgument;
    /// The method takes no body and one came.
    UnexpectedBody = "UNEXPECTED_BODY" => InvalidArgument;
    /// The path or query is not valid percent-encoded UTF-8.
    MalformedPath = "MALFORMED_PATH" => InvalidArgument;
    /// The message is not valid protobuf or not framed as gRPC frames it.
    MalformedMessage = "MALFORMED_MESSAGE" => InvalidArgument;
    /// A header is not what its standard says.
    MalformedHeader = "MALFORMED_HEADER" => InvalidArgument;
    /// Page token of another question, or none of ours.
    InvalidPageToken = "INVALID_PAGE_TOKEN" => InvalidArgument;
    /// Filter that cannot be read.
    InvalidFilter = "INVALID_FILTER" => InvalidArgument;
    /// Order that cannot be read.
    InvalidOrderBy = "INVALID_ORDER_BY" => InvalidArgument;
    /// Mask that names a field that is not there or cannot be written.
    InvalidFieldMask = "INVALID_FIELD_MASK" => InvalidArgument;
    /// Password too short, too long or well known.
    PasswordUnacceptable = "PASSWORD_UNACCEPTABLE" => InvalidArgument;
    /// No route.
    RouteNotFound = "ROUTE_NOT_FOUND" => Unimplemented;
    /// No such gRPC method.
    MethodUnknown = "METHOD_UNKNOWN" => Unimplemented;
    /// The path has no such verb.
    MethodNotAllowed = "METHOD_NOT_ALLOWED" => MethodNotAllowed;
    /// Content type that is not read here.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE" => UnsupportedMediaType;
    /// Body or message too large.
    MessageTooLarge = "MESSAGE_TOO_LARGE" => TooLarge;
    /// Headers too large.
    HeadersTooLarge = "HEADERS_TOO_LARGE" => HeadersTooLarge;
    /// Host name that is not served here.
    HostNotServed = "HOST_NOT_SERVED" => MisdirectedRequest;
    /// No token.
    AuthTokenMissing = "AUTH_TOKEN_MISSING" => Unauthenticated;
    /// Token that is no token of ours.
    AuthTokenInvalid = "AUTH_TOKEN_INVALID" => Unauthenticated;
    /// Token past its time.
    AuthTokenExpired = "AUTH_TOKEN_EXPIRED" => Unauthenticated;
    /// Token that was revoked: sign in again.
    AuthTokenRevoked = "AUTH_TOKEN_REVOKED" => Unauthenticated;
    /// Token from before a change of the account's rights: refresh it.
    AuthTokenStale = "AUTH_TOKEN_STALE" => Unauthenticated;
    /// Unknown email or wrong password.
    AuthInvalidCredentials = "AUTH_INVALID_CREDENTIALS" => Unauthenticated;
    /// Refresh token that is none, is over or was revoked.
    AuthRefreshInvalid = "AUTH_REFRESH_INVALID" => Unauthenticated;
    /// Refresh token that was used before: its session is ended.
    AuthRefreshReplayed = "AUTH_REFRESH_REPLAYED" => Unauthenticated;
    /// Code that is none, is over or was used.
    AuthCodeInvalid = "AUTH_CODE_INVALID" => Unauthenticated;
    /// Too many failures: wait.
    AuthThrottled = "AUTH_THROTTLED" => ResourceExhausted;
    /// Too many passwords to hash at once: wait.
    AuthHashQueueFull = "AUTH_HASH_QUEUE_FULL" => ResourceExhausted;
    /// The caller lacks a permission, which the metadata names.
    PermissionMissing = "PERMISSION_MISSING" => PermissionDenied;
    /// The caller would give away what it does not hold.
    GrantExceedsOwn = "GRANT_EXCEEDS_OWN" => PermissionDenied;
    /// Another tenant's.
    TenantMismatch = "TENANT_MISMATCH" => PermissionDenied;
    /// The tenant is suspended.
    TenantSuspended = "TENANT_SUSPENDED" => PermissionDenied;
    /// The method has no policy, so it is denied.
    PolicyMissing = "POLICY_MISSING" => PermissionDenied;
    /// The peer is no proven part of this deployment, or one that may not call this.
    PeerNotTrusted = "PEER_NOT_TRUSTED" => Unauthenticated;
    /// A proven part of this deployment that may not call this.
    PeerNotAllowed = "PEER_NOT_ALLOWED" => PermissionDenied;
    /// Not there, or not to be seen.
    ResourceNotFound = "RESOURCE_NOT_FOUND" => NotFound;
    /// Somebody has that name already.
    ResourceExists = "RESOURCE_EXISTS" => AlreadyExists;
    /// Not in this state.
    StateForbids = "STATE_FORBIDS" => FailedPrecondition;
    /// A role that somebody holds.
    RoleInUse = "ROLE_IN_USE" => FailedPrecondition;
    /// A built-in thing that cannot be changed.
    BuiltIn = "BUILT_IN" => FailedPrecondition;
    /// Somebody else was faster.
    EtagMismatch = "ETAG_MISMATCH" => Aborted;
    /// More requests than the limit.
    RateLimited = "RATE_LIMITED" => ResourceExhausted;
    /// Too many at once here.
    Overloaded = "OVERLOADED" => Unavailable;
    /// The deadline passed.
    DeadlineExceeded = "DEADLINE_EXCEEDED" => DeadlineExceeded;
    /// The caller went away.
    CallerGone = "CALLER_GONE" => Cancelled;
    /// The breaker of the upstream is open.
    CircuitOpen = "CIRCUIT_OPEN" => Unavailable;
    /// The upstream cannot be reached or broke off.
    UpstreamUnavailable = "UPSTREAM_UNAVAILABLE" => Unavailable;
    /// The upstream answered something that is no gRPC.
    UpstreamMalformed = "UPSTREAM_MALFORMED" => Internal;
    /// Not ready yet, or draining.
    NotReady = "NOT_READY" => Unavailable;
    /// The access feed has been silent for too long for this method.
    AccessFeedStale = "ACCESS_FEED_STALE" => Unavailable;
    /// The store cannot be reached or is full.
    StoreUnavailable = "STORE_UNAVAILABLE" => Unavailable;
    /// A defect.
    Internal = "INTERNAL" => Internal;
    /// Stored data cannot be read back.
    DataCorrupt = "DATA_CORRUPT" => DataLoss;
}
