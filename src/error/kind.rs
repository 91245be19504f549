//! Kinds of errors: the only place that names gRPC codes and HTTP statuses.

use http::StatusCode;
use tonic::Code;

/// How loud the log is about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A caller's mistake: visible when somebody looks for it.
    Debug,
    /// Worth counting, such as a refused login.
    Info,
    /// Something to look at soon.
    Warn,
    /// A defect.
    Error,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// gRPC status code.
    pub code: Code,
    /// HTTP status.
    pub http: StatusCode,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// How loud the log is.
    pub level: Level,
}

impl Row {
    /// The row that stands for a code which came without a reason of ours: the first kind of that code.
    #[must_use]
    pub fn of(code: Code) -> Self {
        let code = match code {
            // Nothing of ours answers UNKNOWN: whoever does has a defect.
            Code::Unknown => Code::Internal,
            Code::OutOfRange => Code::InvalidArgument,
            code => code,
        };
        let mut rows = Kind::ALL.iter().map(|k| k.row());
        rows.find(|row| row.code == code).unwrap_or(Kind::Internal.row())
    }
}

/// Whether a code is a server's fault, as error rates count: its HTTP status is 5xx.
#[must_use]
pub fn servers_fault(code: Code) -> bool {
    code != Code::Ok && Row::of(code).http.is_server_error()
}

/// The code's name in the protocol's documents.
#[must_use]
pub const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The code's name in Connect, and the HTTP status of an error of it (connectrpc.com, "Error codes"). OK is no error and has no
/// name there.
#[must_use]
pub const fn connect_code(code: Code) -> (&'static str, StatusCode) {
    match code {
        Code::Ok => ("ok", StatusCode::OK),
        Code::Cancelled => ("canceled", CLIENT_CLOSED_REQUEST),
        Code::Unknown => ("unknown", StatusCode::INTERNAL_SERVER_ERROR),
        Code::InvalidArgument => ("invalid_argument", StatusCode::BAD_REQUEST),
        Code::DeadlineExceeded => ("deadline_exceeded", StatusCode::GATEWAY_TIMEOUT),
        Code::NotFound => ("not_found", StatusCode::NOT_FOUND),
        Code::AlreadyExists => ("already_exists", StatusCode::CONFLICT),
        Code::PermissionDenied => ("permission_denied", StatusCode::FORBIDDEN),
        Code::ResourceExhausted => ("resource_exhausted", StatusCode::TOO_MANY_REQUESTS),
        Code::FailedPrecondition => ("failed_precondition", StatusCode::BAD_REQUEST),
        Code::Aborted => ("aborted", StatusCode::CONFLICT),
        Code::OutOfRange => ("out_of_range", StatusCode::BAD_REQUEST),
        Code::Unimplemented => ("unimplemented", StatusCode::NOT_IMPLEMENTED),
        Code::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
        Code::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
        Code::DataLoss => ("data_loss", StatusCode::INTERNAL_SERVER_ERROR),
        Code::Unauthenticated => ("unauthenticated", StatusCode::UNAUTHORIZED),
    }
}

/// 499, which no standard names and Connect asks for.
const CLIENT_CLOSED_REQUEST: StatusCode = match StatusCode::from_u16(499) {
    Ok(status) => status,
    Err(_) => StatusCode::REQUEST_TIMEOUT,
};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident => $code:ident, $http:ident, $retry:literal, $level:ident;)*) => {
        /// What sort of thing went wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Kind] = &[$(Kind::$name),*];

            /// The kind's row.
            #[must_use]
            pub const fn row(self) -> Row {
                match self {
                    $(Kind::$name => Row {
                        code: Code::$code,
                        http: StatusCode::$http,
                        retryable: $retry,
                        level: Level::$level,
                    },)*
                }
            }
        }
    };
}

kinds! {
    /// The request is wrong whatever the state of the system.
    InvalidArgument => InvalidArgument, BAD_REQUEST, false, Debug;
    /// No credentials, or none that hold.
    Unauthenticated => Unauthenticated, UNAUTHORIZED, false, Info;
    /// Known, but not allowed.
    PermissionDenied => PermissionDenied, FORBIDDEN, false, Info;
    /// Not there, or not to be seen by this caller.
    NotFound => NotFound, NOT_FOUND, false, Debug;
    /// Somebody has that name already.
    AlreadyExists => AlreadyExists, CONFLICT, false, Debug;
    /// Right, but not in this state.
    FailedPrecondition => FailedPrecondition, BAD_REQUEST, false, Debug;
    /// Somebody else was faster: read again, then write again.
    Aborted => Aborted, CONFLICT, false, Debug;
    /// Too many or too much for now.
    ResourceExhausted => ResourceExhausted, TOO_MANY_REQUESTS, true, Info;
    /// Larger than is taken.
    TooLarge => ResourceExhausted, PAYLOAD_TOO_LARGE, false, Debug;
    /// Headers larger than are taken.
    HeadersTooLarge => ResourceExhausted, REQUEST_HEADER_FIELDS_TOO_LARGE, false, Debug;
    /// No such route or method.
    Unimplemented => Unimplemented, NOT_FOUND, false, Debug;
    /// A call that gRPC knows and that is not made here in this way.
    NotImplemented => Unimplemented, NOT_IMPLEMENTED, false, Debug;
    /// The path is there, the verb is not.
    MethodNotAllowed => Unimplemented, METHOD_NOT_ALLOWED, false, Debug;
    /// A body of a type that is not read here.
    UnsupportedMediaType => InvalidArgument, UNSUPPORTED_MEDIA_TYPE, false, Debug;
    /// A host name that is not served here.
    MisdirectedRequest => PermissionDenied, MISDIRECTED_REQUEST, false, Info;
    /// The caller's time is over.
    DeadlineExceeded => DeadlineExceeded, GATEWAY_TIMEOUT, true, Info;
    /// The caller went away.
    Cancelled => Cancelled, REQUEST_TIMEOUT, true, Debug;
    /// Not now; try again.
    Unavailable => Unavailable, SERVICE_UNAVAILABLE, true, Warn;
    /// Not now, as everybody knows already: what led there was logged when it happened.
    NotNow => Unavailable, SERVICE_UNAVAILABLE, true, Info;
    /// A defect.
    Internal => Internal, INTERNAL_SERVER_ERROR, false, Error;
    /// Data is damaged.
    DataLoss => DataLoss, INTERNAL_SERVER_ERROR, false, Error;
}
