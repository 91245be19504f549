//! Claims about the gRPC face.

use logicore::{api::mesh::feed_service_server::FeedServiceServer, feed::FeedService};
use tonic::service::Routes;

/// What a role serves.
pub(crate) type Served = Routes;

/// A role that serves nothing but its feed.
pub(crate) fn alone(feed: FeedServiceServer<FeedService>) -> Served {
    Routes::new(feed)
}
