//! The channels to the upstreams of the settings.

use std::{collections::HashMap, sync::Arc};

use logicore::{
    Context,
    mesh::Address,
    policy,
    settings::routes::{Routes as Settings, Upstream as UpstreamSettings},
    upstream::{Trust, Upstream, intern},
};

use super::Known;

/// The upstreams of the settings: those that stay as they are keep their connections and breakers.
pub(super) fn channels(
    ctx: &Context,
    settings: &Settings,
    of_before: &HashMap<String, Known>,
) -> Result<Vec<Known>, Vec<String>> {
    let mut problems = Vec::new();
    let mut known = Vec::new();
    for settings in &settings.upstreams {
        let before = of_before
            .get(&settings.name)
            .filter(|k| same_place(&k.settings, settings));
        let upstream = match before {
            Some(before) => Ok(before.upstream.clone()),
            None => channel(ctx, settings),
        };
        match upstream {
            Ok(upstream) => known.push(Known {
                settings: Arc::new(settings.clone()),
                upstream,
                fetched: before.and_then(|k| k.fetched.clone()),
            }),
            Err(why) => problems.push(format!("upstream `{}`: {why}", settings.name)),
        }
    }
    if problems.is_empty() { Ok(known) } else { Err(problems) }
}

/// Whether two settings of an upstream mean the same connections, and the same source of descriptors.
fn same_place(a: &UpstreamSettings, b: &UpstreamSettings) -> bool {
    (&a.endpoints, &a.tls, a.health_check, &a.descriptors) == (&b.endpoints, &b.tls, b.health_check, &b.descriptors)
}

fn channel(ctx: &Context, settings: &UpstreamSettings) -> Result<Upstream, String> {
    let credentials = match &settings.tls {
        Some(tls) => Some(tls.clone().load().map_err(|e| e.message().to_owned())?),
        None => None,
    };
    let addresses = settings.endpoints.iter().cloned().map(|place| match &credentials {
        Some(credentials) => Address::Tls(place, Arc::clone(credentials)),
        None => Address::Tcp(place),
    });
    let upstream = Upstream::new(
        intern(&settings.name),
        addresses.collect(),
        Trust::Foreign,
        Arc::new(policy::Table::default()),
        &ctx.settings.resilience,
        Arc::clone(&ctx.metrics),
    );
    upstream.limit_calls(settings.max_concurrent_calls);
    if let Some(every) = settings.health_check {
        upstream.check_health(every);
    }
    Ok(upstream)
}
