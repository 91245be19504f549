//! Services as tags.
//!
//! A service is shown by its short name. Where another has that already, it is shown by its full one, so that tags and
//! operation ids stay unique whatever upstreams come together.

use std::collections::BTreeMap;

use prost_reflect::ServiceDescriptor;
use serde_json::{Value, json};

/// The tags so far: by name, the service's full name and what it says of itself.
#[derive(Debug, Default)]
pub(super) struct Tags(BTreeMap<String, (String, String)>);

impl Tags {
    /// The tag of a service.
    pub(super) fn of(&mut self, service: &ServiceDescriptor, about: &str) -> String {
        let full = service.full_name();
        let tag = match self.0.get(service.name()) {
            Some((taken, _)) if taken != full => full,
            _ => service.name(),
        };
        self.0
            .entry(tag.to_owned())
            .or_insert_with(|| (full.to_owned(), about.to_owned()));
        tag.to_owned()
    }

    pub(super) fn into_value(self) -> Value {
        let tag = |(name, (_, about))| json!({"name": name, "description": about});
        self.0.into_iter().map(tag).collect()
    }
}
