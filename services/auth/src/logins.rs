//! Logging in. Unknown email, wrong password, invited and disabled account: one answer, one hash, one audit entry each.

use logicore::{
    Error, Reason,
    ids::{SessionId, TenantId},
    secret::Secret,
};

use crate::{
    accounts::{Email, Record},
    audit::{Actor, Entry, Outcome},
    auth::{Auth, Tokens},
    passwords::Place,
    refresh::{self, FamilyId},
    sessions::Session,
    store::NewSession,
    throttle::Refusal,
};

/// How often a login looks again when the account changed under it; each look hashes.
pub(crate) const ATTEMPTS: usize = 3;

/// The one answer.
pub(crate) fn invalid_credentials() -> Error {
    Error::new(Reason::AuthInvalidCredentials, "the email or the password is not right")
}

impl Auth {
    /// Trades email and password for the tokens of a new session.
    ///
    /// # Errors
    /// `AUTH_INVALID_CREDENTIALS`; `AUTH_THROTTLED` and `AUTH_HASH_QUEUE_FULL` before anything is hashed.
    pub(crate) async fn login(
        &self,
        tenant: &TenantId,
        email: &Email,
        password: &Secret,
        actor: &Actor,
    ) -> Result<Tokens, Error> {
        let entry = Entry::new("auth.login", tenant, actor);
        let attempt = match self.throttle.admit(Some((tenant, email)), actor.address) {
            Ok(attempt) => attempt,
            Err(refusal) => {
                self.counts.login("throttled", &self.metrics);
                return Err(self.refused(refusal, entry.with("email", printable(email))).await?);
            }
        };
        let result = self.enter(tenant, email, password, actor, entry).await;
        match &result {
            Ok(_) => {
                attempt.succeed();
                self.counts.login("success", &self.metrics);
            }
            Err(e) if e.reason() == Reason::AuthInvalidCredentials => {
                attempt.fail();
                self.counts.login("failure", &self.metrics);
            }
            Err(e) => {
                attempt.forgive();
                let full = e.reason() == Reason::AuthHashQueueFull;
                self.counts
                    .login(if full { "queue_full" } else { "error" }, &self.metrics);
            }
        }
        result
    }

    /// A refusal as an error. One audit entry for each wait, not for each try: a flood must not fill the log.
    pub(crate) async fn refused(&self, refusal: Refusal, entry: Entry) -> Result<Error, Error> {
        let first = refusal.first;
        let error = Error::from(refusal);
        if first {
            self.store.audit_append(entry.failed(Outcome::Denied, &error)).await?;
        }
        Ok(error)
    }

    async fn enter(
        &self,
        tenant: &TenantId,
        email: &Email,
        password: &Secret,
        actor: &Actor,
        entry: Entry,
    ) -> Result<Tokens, Error> {
        let place = self.hasher.reserve()?;
        for _ in 0..ATTEMPTS {
            let record = self.store.account_find_by_email(tenant, email).await?;
            let usable = record.as_ref().and_then(Record::usable_password);
            let verdict = self.hasher.verify(&place, password, usable).await?;
            let entry = match &record {
                Some(record) => entry.clone().on("account", record.account.id),
                None => entry.clone().with("email", printable(email)),
            };
            let Some(record) = record.filter(|_| verdict.matches) else {
                let error = invalid_credentials();
                self.store.audit_append(entry.failed(Outcome::Failure, &error)).await?;
                return Err(error);
            };
            let rehash = verdict.outdated.then_some(password);
            if let Some(tokens) = self.begin(&record, rehash, &place, actor, entry).await? {
                return Ok(tokens);
            }
        }
        let error = invalid_credentials();
        let entry = entry.with("email", printable(email)).failed(Outcome::Failure, &error);
        self.store.audit_append(entry).await?;
        Err(error)
    }

    /// Begins a session, unless the account changed since the record was read.
    async fn begin(
        &self,
        record: &Record,
        rehash: Option<&Secret>,
        place: &Place,
        actor: &Actor,
        entry: Entry,
    ) -> Result<Option<Tokens>, Error> {
        let rehashed = match rehash {
            Some(password) => Some(self.hasher.hash(place, password).await?),
            None => None,
        };
        let now = self.clock.now();
        let end_time = now + self.lives.session;
        let account = &record.account;
        let session = Session {
            id: SessionId::generate(),
            tenant: account.tenant.clone(),
            account: account.id,
            create_time: now,
            refresh_time: now,
            expire_time: (now + self.lives.refresh).min(end_time),
            end_time,
            address: actor.address,
            user_agent: actor.agent.clone(),
        };
        let family = new_family()?;
        let new = NewSession {
            id: session.id,
            tenant: session.tenant.clone(),
            account: session.account,
            family,
            create_time: now,
            expire_time: session.expire_time,
            end_time,
            address: session.address,
            user_agent: session.user_agent.clone(),
            version: record.version,
            revision: record.revision,
            rehashed,
        };
        let entry = entry.by(account.id, Some(session.id));
        if !self.store.session_insert(new, entry).await? {
            return Ok(None);
        }
        let first = refresh::Token { family, generation: 1 };
        let refresh = first.seal(&self.refresh_keys);
        self.issue(account, &session, record.revision, refresh).map(Some)
    }
}

fn new_family() -> Result<FamilyId, Error> {
    let mut family = FamilyId::default();
    aws_lc_rs::rand::fill(&mut family).map_err(Error::internal)?;
    Ok(family)
}

/// What was typed as an email, for the log: only when it can be one at a public domain, since people type passwords into the
/// wrong field, and many a password has an `@`.
fn printable(email: &Email) -> String {
    let valid = Email::new(email.as_str()).ok();
    let public = valid.filter(|e| e.as_str().rsplit_once('@').is_some_and(|(_, domain)| is_public(domain)));
    public.map_or_else(|| "(not an address)".to_owned(), |e| e.as_str().to_owned())
}

fn is_public(domain: &str) -> bool {
    let label = |l: &str| !l.is_empty() && l.chars().all(|c| c.is_alphanumeric() || c == '-');
    let top = |(_, top): (&str, &str)| top.chars().count() >= 2 && top.chars().all(char::is_alphabetic);
    domain.split('.').all(label) && domain.rsplit_once('.').is_some_and(top)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_wrong_field_is_not_printed() {
        for typed in [
            "P@ssw0rd!",
            "p@ssw0rd",
            "tr0ub4dor&3@home",
            "a@b.c1",
            "a@.com",
            "secret",
            "x@y..com",
            "me@10.0.0.1",
        ] {
            assert_eq!(printable(&Email::lenient(typed)), "(not an address)", "{typed}");
        }
        for address in ["ann@example.com", "ann+tag@mail.example.co.uk", "jörg@exämple.de"] {
            assert_eq!(printable(&Email::lenient(address)), address);
        }
    }
}
