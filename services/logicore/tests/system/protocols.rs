//! Every shape of call in every protocol, through the gateway to a service of other people.

#[path = "protocols/connect.rs"]
mod connect;
#[path = "protocols/grpc.rs"]
mod grpc;
#[path = "protocols/grpc_web.rs"]
mod grpc_web;
#[path = "protocols/rest.rs"]
mod rest;

use std::net::SocketAddr;

use logicore_harness::{
    Layout, System,
    shapes::{self, Shapes, pb::Say},
    soon,
};

use crate::support::start;

pub(crate) const UNARY: &str = "/shapes.v1.ShapesService/Unary";
pub(crate) const DOWN: &str = "/shapes.v1.ShapesService/Down";
pub(crate) const UP: &str = "/shapes.v1.ShapesService/Up";
pub(crate) const BOTH: &str = "/shapes.v1.ShapesService/Both";

/// The gateway in front of the service, and somebody who may call.
pub(crate) struct Behind {
    pub(crate) system: System,
    pub(crate) shapes: Shapes,
    /// `Bearer` and a token.
    pub(crate) bearer: String,
    /// Holds the routes.
    _dir: tempfile::TempDir,
}

impl Behind {
    pub(crate) async fn start(layout: Layout) -> anyhow::Result<Self> {
        let shapes = Shapes::start().await?;
        let dir = tempfile::tempdir()?;
        std::fs::write(dir.path().join("shapes.binpb"), shapes::DESCRIPTORS)?;
        let routes = dir.path().join("routes.toml");
        std::fs::write(&routes, routes_of(shapes.address()))?;
        let routes = routes.display().to_string();
        let system = start(layout, &[("LOGICORE_ROUTES", &routes)]).await?;
        let bearer = format!("Bearer {}", system.demo().await?.access);
        Ok(Self {
            system,
            shapes,
            bearer,
            _dir: dir,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.system.address()
    }

    /// Waits until so many calls wait in the service.
    pub(crate) async fn waiting(&self, calls: usize) -> anyhow::Result<()> {
        let what = format!("{calls} calls wait in the service");
        soon(&what, async || Ok((self.shapes.waiting() == calls).then_some(()))).await
    }
}

fn routes_of(address: SocketAddr) -> String {
    format!(
        r#"
        [[upstream]]
        name = "shapes"
        endpoints = ["{address}"]
        descriptors = "shapes.binpb"
        [upstream.policy."shapes.v1.ShapesService"]
        access = "authenticated"
        "#
    )
}

pub(crate) fn say(text: &str) -> Say {
    Say {
        text: text.to_owned(),
        ..Say::default()
    }
}

/// Says something, and fails then.
pub(crate) fn failing(text: &str) -> Say {
    Say {
        fail: tonic::Code::ResourceExhausted as i32,
        ..say(text)
    }
}

/// Says something, and waits then.
pub(crate) fn waiting(text: &str) -> Say {
    Say {
        wait: true,
        ..say(text)
    }
}
