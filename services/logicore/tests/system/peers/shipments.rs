//! `examples/shipments`, a team's own service in another language, behind the running gateway: each protocol by a client that
//! people have, with a permission and without, and what the service gets to see.

#[path = "shipments/browser.rs"]
mod browser;
#[path = "shipments/curl.rs"]
mod curl;
#[path = "shipments/documents.rs"]
mod documents;
#[path = "shipments/example.rs"]
mod example;
#[path = "shipments/generated.rs"]
mod generated;
#[path = "shipments/grpcurl.rs"]
mod grpcurl;
#[path = "shipments/own.rs"]
mod own;
#[path = "shipments/python.rs"]
mod python;
#[path = "shipments/readme.rs"]
mod readme;
#[path = "shipments/restart.rs"]
mod restart;
#[path = "shipments/start.rs"]
mod start;
#[path = "shipments/tls.rs"]
mod tls;
