//! What a start does with keys: open them, seal anew what an older secret sealed, make what is missing.

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use logicore::{
    Error, Reason,
    secret::Secret,
    settings::{Algorithm, Settings},
};

use super::{JWKS_MAX_AGE, Key, Material, Sealer, Signer, master_key, material};
use crate::{
    audit::{Actor, Entry},
    auth::Lives,
    refresh::Keyring,
    store::{Store, StoredKey},
};

/// Name of the secret that keys refresh tokens where no setting does.
const REFRESH: &str = "refresh";

/// Keys, open and ready.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) signer: Signer,
    pub(crate) refresh: Keyring,
}

/// Opens the stored keys, makes those that are missing.
///
/// # Errors
/// `STATE_FORBIDS` when a seal does not open; the message says what to do.
pub(crate) async fn load(
    store: &dyn Store,
    settings: &Settings,
    lives: &Lives,
    now: DateTime<Utc>,
) -> Result<Loaded, Error> {
    let sealer = Sealer::new(&secrets(settings)?);
    reseal(store, &sealer).await?;
    let mut keys = open(store, &sealer).await?;
    match settings.jwt.algorithm {
        Algorithm::Hs256 => keys.push(shared(settings)?),
        algorithm => {
            let name = material::name_of(algorithm);
            let stored = store.key_list().await?;
            if !stored.iter().any(|k| k.algorithm == name && k.retire_time.is_none()) {
                keys.push(make(store, &sealer, algorithm, lives, now).await?);
            }
        }
    }
    Ok(Loaded {
        signer: Signer::new(settings, keys),
        refresh: refresh_keys(store, &sealer, settings).await?,
    })
}

/// Secrets that seals may be under, the one that seals first.
fn secrets(settings: &Settings) -> Result<Vec<Secret>, Error> {
    let jwt = &settings.jwt;
    let master = master_key(&settings.data_dir, jwt.secret.is_none())?;
    let in_turn = match &jwt.secret {
        Some(secret) => [Some(secret.clone()), jwt.secret_previous.clone(), master],
        None => [master, jwt.secret_previous.clone(), None],
    };
    Ok(in_turn.into_iter().flatten().collect())
}

fn purpose_of_key(kid: &str) -> String {
    format!("signing key {kid}")
}

fn purpose_of_secret(name: &str) -> String {
    format!("{name} secret")
}

/// Seals anew what is not under the first secret; finds out, too, whether everything opens.
async fn reseal(store: &dyn Store, sealer: &Sealer) -> Result<(), Error> {
    let (mut keys, mut secrets) = (Vec::new(), Vec::new());
    for key in store.key_list().await? {
        let purpose = purpose_of_key(&key.kid);
        let opened = sealer.open(&purpose, &key.sealed)?;
        if opened.old {
            keys.push((key.kid, sealer.seal(&purpose, &opened.plain)?));
        }
    }
    for (name, sealed) in store.secret_list().await? {
        let purpose = purpose_of_secret(&name);
        let opened = sealer.open(&purpose, &sealed)?;
        if opened.old {
            secrets.push((name, sealer.seal(&purpose, &opened.plain)?));
        }
    }
    if keys.is_empty() && secrets.is_empty() {
        return Ok(());
    }
    tracing::info!(
        keys = keys.len(),
        secrets = secrets.len(),
        "sealed keys anew under the newest secret"
    );
    store.key_reseal(keys, secrets).await
}

async fn open(store: &dyn Store, sealer: &Sealer) -> Result<Vec<Key>, Error> {
    let mut keys = Vec::new();
    for stored in store.key_list().await? {
        let opened = sealer.open(&purpose_of_key(&stored.kid), &stored.sealed)?;
        let material = Material::open(&stored.algorithm, &opened.plain).ok_or_else(|| {
            Error::new(
                Reason::DataCorrupt,
                format!("the signing key {} is damaged", stored.kid),
            )
        })?;
        keys.push(Key {
            kid: stored.kid,
            material,
            active_time: stored.active_time,
            retire_time: stored.retire_time,
        });
    }
    Ok(keys)
}

/// Makes a key. Where others sign already, it is published for a while before it signs, and they stay published after.
async fn make(
    store: &dyn Store,
    sealer: &Sealer,
    algorithm: Algorithm,
    lives: &Lives,
    now: DateTime<Utc>,
) -> Result<Key, Error> {
    let first = store.key_list().await?.is_empty();
    let active_time = if first { now } else { now + JWKS_MAX_AGE };
    let kid = random_text::<12>()?;
    let pkcs8 = tokio::task::spawn_blocking(move || material::generate(algorithm))
        .await
        .map_err(Error::internal)??
        .ok_or_else(|| Error::internal("this algorithm has no key pair"))?;
    let name = material::name_of(algorithm);
    let stored = StoredKey {
        kid: kid.clone(),
        algorithm: name.to_owned(),
        sealed: sealer.seal(&purpose_of_key(&kid), &pkcs8)?,
        active_time,
        retire_time: None,
    };
    let audit = Entry::new("key.create", &Default::default(), &Actor::default())
        .on("key", &kid)
        .with("algorithm", name);
    store.key_insert(stored, active_time + lives.kept(), audit).await?;
    let material = Material::open(name, &pkcs8).ok_or_else(|| Error::internal("a new key does not open"))?;
    Ok(Key {
        kid,
        material,
        active_time,
        retire_time: None,
    })
}

fn shared(settings: &Settings) -> Result<Key, Error> {
    let secret = settings.jwt.secret.as_ref().ok_or_else(|| {
        Error::new(
            Reason::StateForbids,
            "JWT_ALGORITHM=HS256 signs with JWT_SECRET, which is not set",
        )
    })?;
    tracing::warn!("JWT_ALGORITHM=HS256: whoever holds JWT_SECRET can make tokens, and there is no JWKS");
    Ok(Key {
        kid: String::new(),
        material: Material::shared(secret),
        active_time: DateTime::<Utc>::MIN_UTC,
        retire_time: None,
    })
}

/// The keys of refresh tokens: from the settings, else the one that was made here.
async fn refresh_keys(store: &dyn Store, sealer: &Sealer, settings: &Settings) -> Result<Keyring, Error> {
    let jwt = &settings.jwt;
    if jwt.refresh_secret.is_none() && !has_own_refresh_secret(store).await? {
        let secret = random_text::<32>()?;
        let sealed = sealer.seal(&purpose_of_secret(REFRESH), secret.as_bytes())?;
        store.secret_insert(REFRESH, &sealed).await?;
    }
    let mut secrets: Vec<Secret> = [&jwt.refresh_secret, &jwt.refresh_secret_previous]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    for (name, sealed) in store.secret_list().await? {
        if name != REFRESH {
            continue;
        }
        let opened = sealer.open(&purpose_of_secret(&name), &sealed)?;
        let secret = String::from_utf8(opened.plain)
            .map_err(|e| Error::new(Reason::DataCorrupt, "the stored refresh secret is damaged").because(e))?;
        let at = if jwt.refresh_secret.is_some() { secrets.len() } else { 0 };
        secrets.insert(at, Secret::new(secret));
    }
    Ok(Keyring::new(&secrets))
}

async fn has_own_refresh_secret(store: &dyn Store) -> Result<bool, Error> {
    Ok(store.secret_list().await?.iter().any(|(name, _)| name == REFRESH))
}

fn random_text<const N: usize>() -> Result<String, Error> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(Error::internal)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
