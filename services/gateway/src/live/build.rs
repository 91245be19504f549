//! Builds a snapshot. What a service's own reflection spoils is left out: whoever answers there must take down neither the gateway's
//! start nor the routes of others.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use logicore::{
    Context,
    settings::routes::{Descriptors, Routes as Settings},
};
use prost_reflect::DescriptorPool;

use super::{Live, reload::Known};
use crate::routes::foreign::Described;

/// A snapshot, and what is not in it.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) live: Live,
    pub(super) notes: Vec<String>,
    pub(super) refused: HashMap<String, Refused>,
}

/// Descriptors that a service's reflection told, and that cannot be served.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) raw: Bytes,
    pub(super) problems: Vec<String>,
}

/// What a snapshot is built of beside the upstreams.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) ctx: Context,
    pub(super) pool: DescriptorPool,
    pub(super) settings: Settings,
    pub(super) before: Arc<Live>,
}

/// Builds it. Upstreams whose reflection spoils it get the descriptors back that they had in `before`, or none.
///
/// # Errors
/// Everything that is wrong, where it is not what reflection told.
pub(super) async fn build(
    parts: &Parts,
    known: &mut [Known],
    before: &HashMap<String, Known>,
) -> Result<Built, Vec<String>> {
    let problems = match attempt(parts, known).await {
        Ok((live, notes)) => {
            return Ok(Built {
                live,
                notes,
                refused: HashMap::new(),
            });
        }
        Err(problems) => problems,
    };
    let old = |k: &Known| before.get(&k.settings.name).and_then(|b| b.fetched.clone());
    let raw = |fetched: &Option<super::descriptors::Fetched>| fetched.as_ref().map(|f| f.raw.clone());
    let new: Vec<_> = (0..known.len())
        .filter(|i| {
            known[*i].settings.descriptors == Descriptors::Reflection
                && raw(&known[*i].fetched) != raw(&old(&known[*i]))
        })
        .collect();
    if new.is_empty() {
        return Err(problems);
    }
    let told: Vec<_> = new
        .iter()
        .map(|i| {
            let old = old(&known[*i]);
            (*i, std::mem::replace(&mut known[*i].fetched, old))
        })
        .collect();
    // Without all of them it must hold, then with one after the other.
    let mut built = attempt(parts, known).await.map_err(|_| problems)?;
    let mut refused = HashMap::new();
    for (i, fetched) in told {
        let Some(raw) = raw(&fetched) else { continue };
        let old = std::mem::replace(&mut known[i].fetched, fetched);
        match attempt(parts, known).await {
            Ok(better) => built = better,
            Err(problems) => {
                known[i].fetched = old;
                refused.insert(known[i].settings.name.clone(), Refused { raw, problems });
            }
        }
    }
    let (live, notes) = built;
    Ok(Built { live, notes, refused })
}

async fn attempt(parts: &Parts, known: &[Known]) -> Result<(Live, Vec<String>), Vec<String>> {
    let described = known.iter().map(|k| Described {
        settings: Arc::clone(&k.settings),
        upstream: k.upstream.clone(),
        pool: k.fetched.as_ref().map(|f| f.pool.clone()),
    });
    let (parts, described) = (parts.clone(), described.collect());
    // A set of thousands of methods takes longer than a request may wait for its thread.
    let built = tokio::task::spawn_blocking(move || {
        Live::with(&parts.ctx, &parts.pool, parts.settings, described, Some(&parts.before))
    });
    built.await.map_err(|e| vec![e.to_string()])?
}
