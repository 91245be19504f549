//! Changing a password, by the one of now or by a single-use code.

use logicore::{Error, Reason, access::Principal, secret::Secret};

use super::check_new;
use crate::{
    audit::{Actor, Entry, Outcome},
    auth::Auth,
    codes,
    logins::{ATTEMPTS, invalid_credentials},
    store::PasswordChange,
};

fn invalid_code() -> Error {
    Error::new(
        Reason::AuthCodeInvalid,
        "the code is not valid: it is unknown, was used, or is too old",
    )
}

impl Auth {
    /// Changes the caller's password and ends the caller's other sessions. Returns how many.
    ///
    /// # Errors
    /// `AUTH_INVALID_CREDENTIALS` for a wrong current password, `PASSWORD_UNACCEPTABLE`, `AUTH_THROTTLED`,
    /// `AUTH_HASH_QUEUE_FULL`.
    pub(crate) async fn change_password(
        &self,
        caller: &Principal,
        current: &Secret,
        new: &Secret,
        actor: &Actor,
    ) -> Result<u64, Error> {
        let (tenant, id) = (&caller.tenant, caller.subject);
        let record = self.store.account_find(tenant, id).await?;
        let email = record.ok_or_else(crate::accounts::not_found)?.account.email;
        check_new(new, &email)?;
        if new == current {
            return Err(Error::new(
                Reason::PasswordUnacceptable,
                "the new password is the one of now",
            ));
        }
        let entry = Entry::new("auth.password_change", tenant, actor)
            .on("account", id)
            .by(id, Some(caller.session));
        let attempt = match self.throttle.admit(Some((tenant, &email)), actor.address) {
            Ok(attempt) => attempt,
            Err(refusal) => return Err(self.refused(refusal, entry).await?),
        };
        match self.replace_password(caller, current, new, &entry).await {
            Ok(ended) => {
                attempt.succeed();
                Ok(ended)
            }
            Err(error) if error.reason() == Reason::AuthInvalidCredentials => {
                attempt.fail();
                self.store.audit_append(entry.failed(Outcome::Failure, &error)).await?;
                Err(error)
            }
            Err(error) => {
                attempt.forgive();
                Err(error)
            }
        }
    }

    async fn replace_password(
        &self,
        caller: &Principal,
        current: &Secret,
        new: &Secret,
        entry: &Entry,
    ) -> Result<u64, Error> {
        let place = self.hasher.reserve()?;
        for _ in 0..ATTEMPTS {
            let record = self.store.account_find(&caller.tenant, caller.subject).await?;
            let usable = record.as_ref().and_then(|r| r.usable_password());
            let verdict = self.hasher.verify(&place, current, usable).await?;
            let Some(record) = record.filter(|_| verdict.matches) else {
                return Err(invalid_credentials());
            };
            let change = PasswordChange {
                tenant: caller.tenant.clone(),
                account: caller.subject,
                version: record.version,
                password: self.hasher.hash(&place, new).await?,
                keep: caller.session,
            };
            if let Some(ended) = self.store.password_change(change, self.stamp(), entry.clone()).await? {
                return Ok(ended);
            }
        }
        Err(Error::new(
            Reason::AuthTokenRevoked,
            "the session ended while the password was being changed; sign in again",
        ))
    }

    /// Sets a password by a single-use code and ends all sessions of its account.
    ///
    /// # Errors
    /// `AUTH_CODE_INVALID`, `PASSWORD_UNACCEPTABLE` (which leaves the code good), `AUTH_THROTTLED`, `AUTH_HASH_QUEUE_FULL`.
    pub(crate) async fn set_password(&self, code: &Secret, new: &Secret, actor: &Actor) -> Result<(), Error> {
        let entry = Entry::new("auth.password_set", &Default::default(), actor);
        let attempt = match self.throttle.admit(None, actor.address) {
            Ok(attempt) => attempt,
            Err(refusal) => return Err(self.refused(refusal, entry).await?),
        };
        match self.redeem(code, new, actor).await {
            Ok(()) => {
                attempt.succeed();
                Ok(())
            }
            Err(error) if error.reason() == Reason::AuthCodeInvalid => {
                attempt.fail();
                self.store.audit_append(entry.failed(Outcome::Failure, &error)).await?;
                Err(error)
            }
            Err(error) => {
                attempt.forgive();
                Err(error)
            }
        }
    }

    async fn redeem(&self, code: &Secret, new: &Secret, actor: &Actor) -> Result<(), Error> {
        let hash = codes::hash(code.expose());
        let account = self.store.code_find(&hash, self.clock.now()).await?;
        let account = account.ok_or_else(invalid_code)?;
        check_new(new, &account.email)?;
        let place = self.hasher.reserve()?;
        let password = self.hasher.hash(&place, new).await?;
        let entry = Entry::new("auth.password_set", &account.tenant, actor)
            .on("account", account.id)
            .by(account.id, None);
        let redeemed = self.store.code_redeem(&hash, &password, self.stamp(), entry).await?;
        redeemed.map(drop).ok_or_else(invalid_code)
    }
}
