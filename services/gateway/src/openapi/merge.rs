//! Schemas of several pools in one document.
//!
//! Two upstreams may each bring a type of one name. The same type is shown once; one that differs, or holds one that does,
//! gets a name of its own, so that no service is described by another's types.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde_json::{Map, Value, json};

/// Where a schema of the same pool is referred to until the pools are merged.
const LOCAL: &str = "#/local/";

/// A reference to a schema of the pool at hand.
pub(super) fn local(name: &str) -> Value {
    json!({"$ref": format!("{LOCAL}{name}")})
}

/// A reference to a schema of the document.
pub(super) fn global(name: &str) -> Value {
    json!({"$ref": path(name)})
}

fn path(name: &str) -> String {
    format!("#/components/schemas/{name}")
}

/// The schemas of all pools.
#[derive(Debug, Default)]
pub(super) struct Merged {
    all: Map<String, Value>,
    variants: HashMap<String, Vec<Variant>>,
}

/// A type as one pool has it.
#[derive(Debug)]
struct Variant {
    pool: Arc<Map<String, Value>>,
    /// Its name in the document.
    shown: String,
}

/// What the names of one pool became.
#[derive(Debug)]
pub(super) struct Renamed(HashMap<String, String>);

impl Merged {
    /// Adds the schemas of a pool, by their own names.
    pub(super) fn add(&mut self, schemas: Map<String, Value>) -> Renamed {
        let pool = Arc::new(schemas);
        let names = pool.keys().map(|name| (name.clone(), self.name(name, &pool)));
        let renamed = Renamed(names.collect());
        for (name, schema) in &*pool {
            let place = self.all.entry(renamed.0[name].clone()).or_insert(Value::Null);
            if place.is_null() {
                *place = schema.clone();
                renamed.apply(place);
            }
        }
        renamed
    }

    /// The schemas by name.
    pub(super) fn into_value(self) -> Value {
        Value::Object(self.all)
    }

    /// The name of a pool's type among all: its own, or with a number where another has that already. The name is taken by
    /// this.
    fn name(&mut self, name: &str, pool: &Arc<Map<String, Value>>) -> String {
        let variants = self.variants.entry(name.to_owned()).or_default();
        if let Some(known) = variants.iter().find(|known| same(name, &known.pool, pool)) {
            return known.shown.clone();
        }
        let numbered = (2..).map(|n| format!("{name}_{n}"));
        let mut names = std::iter::once(name.to_owned()).chain(numbered);
        let free = |shown: &String| !self.all.contains_key(shown);
        let shown = names.find(free).unwrap_or_else(|| name.to_owned());
        self.all.insert(shown.clone(), Value::Null);
        variants.push(Variant {
            pool: Arc::clone(pool),
            shown: shown.clone(),
        });
        shown
    }
}

impl Renamed {
    /// Makes references to the pool's schemas lead into the document.
    pub(super) fn apply(&self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                if let Some(shown) = local_name(members).and_then(|name| self.0.get(name)) {
                    members.insert("$ref".to_owned(), path(shown).into());
                }
                members.values_mut().for_each(|value| self.apply(value));
            }
            Value::Array(list) => list.iter_mut().for_each(|value| self.apply(value)),
            _ => {}
        }
    }
}

/// Whether a name means the same in two pools, with all that it leads to.
fn same(name: &str, one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    let mut seen = HashSet::from([name]);
    let mut open = vec![name];
    while let Some(name) = open.pop() {
        let schema = one.get(name);
        if schema != other.get(name) {
            return false;
        }
        references(schema.unwrap_or(&Value::Null), &mut |next| {
            if seen.insert(next) {
                open.push(next);
            }
        });
    }
    true
}

fn references<'v>(value: &'v Value, found: &mut impl FnMut(&'v str)) {
    match value {
        Value::Object(members) => {
            local_name(members).into_iter().for_each(&mut *found);
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

fn local_name(members: &Map<String, Value>) -> Option<&str> {
    members.get("$ref")?.as_str()?.strip_prefix(LOCAL)
}
