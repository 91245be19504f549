//! Argon2 hashes as PHC strings, computed in memory that goes back to the system when the hash is done.

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use logicore::Error;

/// Bytes of a new salt (RFC 9106, 3.1).
const SALT: usize = 16;

/// Blocks of 1 KiB that are asked for at least, though not touched. An allocator that has once freed a block of some megabytes keeps
/// later ones of that size; glibc makes an exception from 32 MiB on, which it maps and unmaps each time. A process at rest
/// would hold 19 MiB of dead passwords otherwise.
const MAPPED: usize = 33 << 10;

/// Hashes a password with a new salt.
///
/// # Errors
/// `INTERNAL` when the machine has no randomness.
pub(super) fn hash(password: &[u8], params: Params) -> Result<String, Error> {
    let mut bytes = [0; SALT];
    aws_lc_rs::rand::fill(&mut bytes).map_err(Error::internal)?;
    let describe = |e: &dyn std::fmt::Display| Error::internal(e.to_string());
    let salt = Salt::new(&bytes).map_err(|e| describe(&e))?;
    let named = ParamsString::try_from(&params).map_err(|e| describe(&e))?;
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: named,
        salt: Some(salt),
        hash: Some(
            derive(&argon2, password, &salt, length).ok_or_else(|| Error::internal("argon2 refuses its input"))?,
        ),
    };
    Ok(hash.to_string())
}

/// Whether a password has this hash. The outputs are compared in constant time.
pub(super) fn matches(password: &[u8], hash: &PasswordHash) -> bool {
    let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
        return false;
    };
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok();
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from).ok();
    let (Some(algorithm), Some(version), Ok(params)) = (algorithm, version, Params::try_from(hash)) else {
        return false;
    };
    let argon2 = Argon2::new(algorithm, version, params);
    derive(&argon2, password, salt, expected.len()).is_some_and(|output| output == *expected)
}

fn derive(argon2: &Argon2<'_>, password: &[u8], salt: &[u8], length: usize) -> Option<Output> {
    let blocks = argon2.params().block_count();
    let mut memory = Vec::with_capacity(blocks.max(MAPPED));
    memory.resize(blocks, Block::new());
    let mut buffer = [0; Output::MAX_LENGTH];
    let out = buffer.get_mut(..length)?;
    argon2
        .hash_password_into_with_memory(password, salt, out, &mut memory)
        .ok()?;
    Output::new(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap() -> Params {
        Params::new(8, 1, 1, None).unwrap()
    }

    #[test]
    fn a_hash_is_its_passwords_and_nobody_elses() {
        let text = hash(b"correct horse", cheap()).unwrap();
        let parsed = PasswordHash::new(&text).unwrap();
        assert!(matches(b"correct horse", &parsed));
        assert!(!matches(b"correct hors", &parsed));
        assert_ne!(
            hash(b"correct horse", cheap()).unwrap(),
            text,
            "each has a salt of its own"
        );
    }

    #[test]
    fn what_others_made_is_understood() {
        // The reference implementation's test vector: argon2 "somesalt" -t 2 -m 16 -p 1 -id.
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let parsed = PasswordHash::new(text).unwrap();
        assert!(matches(b"password", &parsed));
        assert!(!matches(b"Password", &parsed));
    }
}
