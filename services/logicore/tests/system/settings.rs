//! Settings as an operator meets them.

#[path = "settings/bootstrap.rs"]
mod bootstrap;
#[path = "settings/browsers.rs"]
mod browsers;
#[path = "settings/commands.rs"]
mod commands;
#[path = "settings/demo.rs"]
mod demo;
#[path = "settings/tls.rs"]
mod tls;
