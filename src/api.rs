//! Generated messages, clients and servers, and the descriptor sets they come from.
//!
//! The sets are the raw bytes that the compiler wrote: custom options survive in no other form.

#![allow(missing_docs, reason = "generated; buf checks proto/'s comments")]
#![allow(unreachable_pub, clippy::all, reason = "generated from proto/")]
#![allow(clippy::allow_attributes_without_reason, reason = "generated")]

/// Descriptor set (`google.protobuf.FileDescriptorSet`) of everything that callers outside may see.
pub const PUBLIC_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/public.binpb"));

/// Descriptor set of everything, internal services too. Only policies are read from it.
pub const ALL_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/all.binpb"));

/// The packages, nested as protobuf nests them, since generated code refers to its neighbours by relative path.
pub mod logicore {
    /// `logicore.auth`.
    pub mod auth {
        /// `logicore.auth.v1`.
        pub mod v1 {
            tonic::include_proto!("logicore.auth.v1");
        }
    }
    /// `logicore.user`.
    pub mod user {
        /// `logicore.user.v1`.
        pub mod v1 {
            tonic::include_proto!("logicore.user.v1");
        }
    }
    /// `logicore.admin`.
    pub mod admin {
        /// `logicore.admin.v1`.
        pub mod v1 {
            tonic::include_proto!("logicore.admin.v1");
        }
    }
    /// `logicore.mesh`.
    pub mod mesh {
        /// `logicore.mesh.v1`.
        pub mod v1 {
            tonic::include_proto!("logicore.mesh.v1");
        }
    }
    /// `logicore.policy`.
    pub mod policy {
        /// `logicore.policy.v1`.
        pub mod v1 {
            tonic::include_proto!("logicore.policy.v1");
        }
    }
}
/// `google.api`.
pub mod google {
    /// `google.api`.
    pub mod api {
        tonic::include_proto!("google.api");
    }
}

pub use logicore::{admin::v1 as admin, auth::v1 as auth, mesh::v1 as mesh, policy::v1 as policy, user::v1 as user};
