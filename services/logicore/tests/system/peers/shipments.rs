//! `examples/shipments`, a team's own service in another language.

#[path = "shipments/generated.rs"]
mod generated;
#[path = "shipments/own.rs"]
mod own;
