//! What is served now: the routes and what is said of them, swapped as a whole while calls run.
//!
//! A request takes the snapshot that it meets and keeps its route to its end, so a reload neither drops nor misroutes a call. What is
//! kept across reloads: connections and breakers of upstreams that stay as they are, and the strictest that was asked of callers.

mod build;
mod descriptors;
mod reload;
mod set;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use logicore::{
    Context,
    api::mesh::CircuitBreaker,
    context::Neighbours,
    policy::{Access, Method},
    settings::routes::Routes as Settings,
    upstream::Upstream,
};
use prost_reflect::DescriptorPool;

use crate::{
    openapi,
    routes::{
        Table,
        foreign::{self, Described, Findings},
    },
};
pub(crate) use reload::{Reloader, State};

/// The snapshot in force.
#[derive(Clone, Debug)]
pub(crate) struct Current(Arc<ArcSwap<Live>>);

/// A snapshot.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) table: Table,
    /// Pools that reflection speaks of, LogiCore's own first, and the services that are served from each.
    pub(crate) reflected: Vec<(DescriptorPool, Vec<String>)>,
    pub(crate) upstreams: Vec<Described>,
    settings: Settings,
    /// What was last asked of callers, by path, of methods that are gone as well: taking a method away and bringing it back must not
    /// open it.
    asked: HashMap<Arc<str>, Arc<Method>>,
    public_url: String,
    openapi: OnceLock<Bytes>,
}

/// Every upstream that the gateway calls, whoever it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Upstreams {
    neighbours: Neighbours,
    live: Current,
}

impl Upstreams {
    pub(crate) fn new(ctx: &Context, live: &Current) -> Self {
        Self {
            neighbours: ctx.neighbours.clone(),
            live: live.clone(),
        }
    }

    /// LogiCore's own first.
    pub(crate) fn all(&self) -> Vec<Upstream> {
        let ours = self.neighbours.all().into_iter().cloned();
        let live = self.live.load();
        ours.chain(live.upstreams.iter().map(|u| u.upstream.clone())).collect()
    }

    /// Their breakers.
    pub(crate) fn breakers(&self) -> Vec<CircuitBreaker> {
        self.all().iter().flat_map(Upstream::breakers).collect()
    }
}

impl Current {
    pub(crate) fn new(live: Live) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(live)))
    }

    /// The snapshot, for as long as one request is looked at.
    pub(crate) fn load(&self) -> arc_swap::Guard<Arc<Live>> {
        self.0.load()
    }

    fn store(&self, live: Live) {
        self.0.store(Arc::new(live));
    }
}

impl Live {
    /// LogiCore's own services alone.
    ///
    /// # Errors
    /// A sentence that names what cannot be routed: a defect of the build.
    pub(crate) fn own(ctx: &Context, pool: &DescriptorPool) -> Result<Self, String> {
        let table = Table::new(ctx, pool)?;
        let mut reflected = vec![(pool.clone(), served(pool))];
        for set in crate::routes::built_in() {
            let pool = DescriptorPool::decode(set).map_err(|e| e.to_string())?;
            let services = served(&pool);
            reflected.push((pool, services));
        }
        Ok(Self {
            table,
            reflected,
            upstreams: Vec::new(),
            settings: Settings::default(),
            asked: HashMap::new(),
            public_url: ctx.settings.public_url.clone(),
            openapi: OnceLock::new(),
        })
    }

    /// A snapshot of LogiCore's own services and these, and what is denied in it without having been meant to be.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn with(
        ctx: &Context,
        pool: &DescriptorPool,
        settings: Settings,
        upstreams: Vec<Described>,
        before: Option<&Self>,
    ) -> Result<(Self, Vec<String>), Vec<String>> {
        let mut live = Self::own(ctx, pool).map_err(|why| vec![why])?;
        let mut found = Findings::default();
        let services = foreign::services(&upstreams, &settings.splits, &mut found);
        if let Some(before) = before {
            live.asked.clone_from(&before.asked);
        }
        // Of a share nothing is asked: its calls are held against the policies of the service that it is a share of.
        for service in services.iter().filter(|s| s.owns(&s.name)) {
            let of = upstreams.iter().find(|u| u.upstream.name() == service.upstream.name());
            let asked = |path: &str| live.asked.get(path).cloned();
            found.problems.extend(
                of.into_iter()
                    .flat_map(|of| foreign::weaker(service, &of.settings, asked)),
            );
        }
        if let Err(problems) = live.table.add(ctx, &services) {
            found.problems.extend(problems);
        }
        if !found.problems.is_empty() {
            return Err(found.problems);
        }
        for pool in foreign::pools(&services) {
            let of_pool = services
                .iter()
                .filter(|s| *s.pool == *pool && s.owns(&s.name) && !s.methods.is_empty());
            live.reflected
                .push((pool.clone(), of_pool.map(|s| s.name.clone()).collect()));
        }
        for method in services.iter().filter(|s| s.owns(&s.name)).flat_map(|s| &s.methods) {
            if method.policy.access != Access::Denied {
                live.asked
                    .insert(Arc::clone(&method.policy.path), Arc::clone(&method.policy));
            }
        }
        drop(services);
        live.settings = settings;
        live.upstreams = upstreams;
        // Somebody reads it, and would have a caller's thread write it, which is long where there are thousands of methods.
        if before.is_some_and(|before| before.openapi.get().is_some()) {
            live.openapi();
        }
        Ok((live, found.notes))
    }

    /// The OpenAPI document, written when it is first asked for.
    pub(crate) fn openapi(&self) -> Bytes {
        let write = || {
            let policies = |path: &str| self.table.get(path).map(|route| Arc::clone(&route.method));
            openapi::openapi(self.table.rest(), policies, &self.public_url).into()
        };
        self.openapi.get_or_init(write).clone()
    }
}

fn served(pool: &DescriptorPool) -> Vec<String> {
    pool.services().map(|s| s.full_name().to_owned()).collect()
}
