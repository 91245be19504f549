//! Reasons: names that never change, each of one kind.

use super::Kind;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal => $kind:ident;)*) => {
        /// Why a request failed, for programs. The name is stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[doc = $doc])+ $name,)* }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Reason] = &[$(Reason::$name),*];

            /// The name on the wire (`google.rpc.ErrorInfo.reason`).
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$name => $text,)* }
            }

            /// What it means, in a sentence for people (`docs/errors.md`).
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Reason::$name => concat!($($doc),+).trim_ascii(),)* }
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
    /// What should be an id (a UUID) is none.
    InvalidId = "INVALID_ID" => InvalidArgument;
    /// What should be the name of a tenant or of a role is none.
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
    /// A call that takes or gives one message had none, or several.
    MessageCount = "MESSAGE_COUNT" => NotImplemented;
    /// The messages are compressed in a way that is not read here.
    EncodingUnknown = "ENCODING_UNKNOWN" => NotImplemented;
    /// A header is not what its standard says.
    MalformedHeader = "MALFORMED_HEADER" => InvalidArgument;
    /// The page token belongs to another question, or is none of ours.
    InvalidPageToken = "INVALID_PAGE_TOKEN" => InvalidArgument;
    /// The filter cannot be read.
    InvalidFilter = "INVALID_FILTER" => InvalidArgument;
    /// The order cannot be read.
    InvalidOrderBy = "INVALID_ORDER_BY" => InvalidArgument;
    /// The mask names a field that is not there or cannot be written.
    InvalidFieldMask = "INVALID_FIELD_MASK" => InvalidArgument;
    /// The password is too short, too long or well known.
    PasswordUnacceptable = "PASSWORD_UNACCEPTABLE" => InvalidArgument;
    /// No route has this path.
    RouteNotFound = "ROUTE_NOT_FOUND" => Unimplemented;
    /// There is no such gRPC method.
    MethodUnknown = "METHOD_UNKNOWN" => Unimplemented;
    /// The path does not take this verb; `Allow` names those that it takes.
    MethodNotAllowed = "METHOD_NOT_ALLOWED" => MethodNotAllowed;
    /// The content type is not read here.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE" => UnsupportedMediaType;
    /// The body or message is larger than is taken.
    MessageTooLarge = "MESSAGE_TOO_LARGE" => TooLarge;
    /// The headers are larger than is taken.
    HeadersTooLarge = "HEADERS_TOO_LARGE" => HeadersTooLarge;
    /// The host name is not served here.
    HostNotServed = "HOST_NOT_SERVED" => MisdirectedRequest;
    /// The method needs an access token and none came.
    AuthTokenMissing = "AUTH_TOKEN_MISSING" => Unauthenticated;
    /// The access token is none of ours.
    AuthTokenInvalid = "AUTH_TOKEN_INVALID" => Unauthenticated;
    /// The access token is past its time: refresh it.
    AuthTokenExpired = "AUTH_TOKEN_EXPIRED" => Unauthenticated;
    /// The access token was revoked: sign in again.
    AuthTokenRevoked = "AUTH_TOKEN_REVOKED" => Unauthenticated;
    /// The access token is from before a change of the account's rights: refresh it.
    AuthTokenStale = "AUTH_TOKEN_STALE" => Unauthenticated;
    /// The email is unknown or the password is wrong.
    AuthInvalidCredentials = "AUTH_INVALID_CREDENTIALS" => Unauthenticated;
    /// The refresh token is none, is over or was revoked: sign in again.
    AuthRefreshInvalid = "AUTH_REFRESH_INVALID" => Unauthenticated;
    /// The refresh token was used before, so its session is ended: sign in again.
    AuthRefreshReplayed = "AUTH_REFRESH_REPLAYED" => Unauthenticated;
    /// The code is none, is over or was used.
    AuthCodeInvalid = "AUTH_CODE_INVALID" => Unauthenticated;
    /// Too many attempts have failed: wait.
    AuthThrottled = "AUTH_THROTTLED" => ResourceExhausted;
    /// Too many passwords are to be checked at once: wait.
    AuthHashQueueFull = "AUTH_HASH_QUEUE_FULL" => ResourceExhausted;
    /// The caller lacks a permission, which the metadata names.
    PermissionMissing = "PERMISSION_MISSING" => PermissionDenied;
    /// The caller would give away what it does not hold.
    GrantExceedsOwn = "GRANT_EXCEEDS_OWN" => PermissionDenied;
    /// The message names another tenant than the caller's.
    TenantMismatch = "TENANT_MISMATCH" => PermissionDenied;
    /// The tenant is suspended.
    TenantSuspended = "TENANT_SUSPENDED" => PermissionDenied;
    /// The method has no policy, so it is denied.
    PolicyMissing = "POLICY_MISSING" => PermissionDenied;
    /// The peer is no proven part of this deployment.
    PeerNotTrusted = "PEER_NOT_TRUSTED" => Unauthenticated;
    /// The peer is a proven part of this deployment that may not call this.
    PeerNotAllowed = "PEER_NOT_ALLOWED" => PermissionDenied;
    /// It is not there, or not to be seen by this caller.
    ResourceNotFound = "RESOURCE_NOT_FOUND" => NotFound;
    /// Somebody has that name already.
    ResourceExists = "RESOURCE_EXISTS" => AlreadyExists;
    /// The request is right, but not in this state.
    StateForbids = "STATE_FORBIDS" => FailedPrecondition;
    /// The role is granted to somebody.
    RoleInUse = "ROLE_IN_USE" => FailedPrecondition;
    /// What is built in cannot be changed.
    BuiltIn = "BUILT_IN" => FailedPrecondition;
    /// Somebody else has changed it first: read it again.
    EtagMismatch = "ETAG_MISMATCH" => Aborted;
    /// More requests came than the limit allows.
    RateLimited = "RATE_LIMITED" => ResourceExhausted;
    /// The caller has as many calls of the upstream at once as one caller may.
    TooManyCalls = "TOO_MANY_CALLS" => ResourceExhausted;
    /// Too much goes on here at once.
    Overloaded = "OVERLOADED" => Unavailable;
    /// The deadline passed.
    DeadlineExceeded = "DEADLINE_EXCEEDED" => DeadlineExceeded;
    /// The caller went away.
    CallerGone = "CALLER_GONE" => Cancelled;
    /// The breaker of the upstream is Open.
    CircuitOpen = "CIRCUIT_OPEN" => NotNow;
    /// The upstream has as many calls at once as the routes let it have.
    UpstreamFull = "UPSTREAM_FULL" => NotNow;
    /// The upstream cannot be reached or broke off.
    UpstreamUnavailable = "UPSTREAM_UNAVAILABLE" => Unavailable;
    /// The upstream answered something that is no gRPC.
    UpstreamMalformed = "UPSTREAM_MALFORMED" => Internal;
    /// The process is not ready yet, or drains.
    NotReady = "NOT_READY" => NotNow;
    /// The access feed has been silent for too long for this method.
    AccessFeedStale = "ACCESS_FEED_STALE" => Unavailable;
    /// The store cannot be reached or is full.
    StoreUnavailable = "STORE_UNAVAILABLE" => Unavailable;
    /// A defect; the request id finds it in the log.
    Internal = "INTERNAL" => Internal;
    /// Stored data cannot be read back.
    DataCorrupt = "DATA_CORRUPT" => DataLoss;
}
