//! Changing a profile, taking it away and bringing it back.

use logicore::{Error, Reason, ids::UserId};
use logicore_store::outbox::AuditRecord;

use super::{Actor, Fields, Mask, Profile, State, User, Users, validate};

/// How often a change that meets another one is tried anew before the caller is asked to.
const ATTEMPTS: usize = 5;

/// What an update brings.
#[derive(Clone, Debug)]
pub(crate) struct UpdateUser {
    pub(crate) id: UserId,
    pub(crate) fields: Fields,
    pub(crate) mask: Mask,
    pub(crate) etag: String,
    /// As in the message; it may be repeated there, but not changed.
    pub(crate) email: String,
}

impl Users {
    /// Changes the fields of the mask.
    pub(crate) async fn update(&self, actor: &Actor, update: &UpdateUser) -> Result<User, Error> {
        self.refuse_other_email(actor, update).await?;
        let profile = self
            .change(actor, update.id, |old| {
                old.expect(&update.etag)?;
                if old.state == State::Deleted {
                    return Err(Error::new(
                        Reason::StateForbids,
                        "the user is deleted; undelete it first",
                    ));
                }
                let mut new = old.changed(self.clock.now());
                let changed = update.mask.apply(&update.fields, &mut new.fields);
                if changed.is_empty() {
                    return Ok(None);
                }
                validate::fields(&new.fields)?;
                let audit = actor.audit("user.update", old.id).with("fields", changed);
                Ok(Some((new, audit)))
            })
            .await?;
        Ok(self.with_account(profile).await)
    }

    /// A message that was read, changed and sent back whole carries the email. The same one is no change; another one would
    /// be dropped without a word.
    async fn refuse_other_email(&self, actor: &Actor, update: &UpdateUser) -> Result<(), Error> {
        if update.mask.is_explicit() || update.email.is_empty() {
            return Ok(());
        }
        // A user that is not there, or another tenant's, has no email to compare with and is not found.
        self.find(&actor.tenant, update.id).await?;
        let accounts = self.accounts.batch(&actor.tenant, &[update.id]).await?;
        if accounts
            .iter()
            .any(|a| a.email.to_lowercase() == update.email.to_lowercase())
        {
            return Ok(());
        }
        Err(Error::field("user.email", "cannot be changed here"))
    }

    /// Deletes for the time being. The account goes first: nobody may sign in to a user that is shown as deleted.
    pub(crate) async fn delete(&self, actor: &Actor, id: UserId, etag: &str) -> Result<User, Error> {
        let _turn = self.turns.take(id).await;
        let profile = self.find(&actor.tenant, id).await?;
        if profile.state == State::Deleted {
            profile.expect_or_before(etag)?;
            return Ok(self.with_account(profile).await);
        }
        profile.expect(etag)?;
        if profile.state == State::Pending {
            return Err(still_pending());
        }
        self.accounts.set_disabled(&actor.tenant, id, true, actor).await?;
        // The account is disabled by now, so a change that came in between does not stop the rest.
        let profile = self
            .change(actor, id, |old| {
                let now = self.clock.now();
                let mut new = old.changed(now);
                new.state = State::Deleted;
                new.delete_time = Some(now);
                Ok((old.state == State::Active).then(|| (new, actor.audit("user.delete", id))))
            })
            .await?;
        Ok(self.with_account(profile).await)
    }

    /// Brings a deleted user back. The account goes first here too: a call that ends in between can simply be made again.
    pub(crate) async fn undelete(&self, actor: &Actor, id: UserId) -> Result<User, Error> {
        let _turn = self.turns.take(id).await;
        let profile = self.find(&actor.tenant, id).await?;
        match profile.state {
            State::Active => return Ok(self.with_account(profile).await),
            State::Pending => return Err(still_pending()),
            State::Deleted => {}
        }
        if !self.accounts.set_disabled(&actor.tenant, id, false, actor).await? {
            return Err(Error::new(Reason::StateForbids, "the account of the user is gone"));
        }
        let profile = self
            .change(actor, id, |old| {
                let mut new = old.changed(self.clock.now());
                new.state = State::Active;
                new.delete_time = None;
                Ok((old.state == State::Deleted).then(|| (new, actor.audit("user.undelete", id))))
            })
            .await?;
        Ok(self.with_account(profile).await)
    }

    /// Reads, decides and writes, again where somebody else was faster. `decide` returns the new profile and its record, or
    /// nothing where the old one shall stay.
    async fn change(
        &self,
        actor: &Actor,
        id: UserId,
        decide: impl Fn(&Profile) -> Result<Option<(Profile, AuditRecord)>, Error>,
    ) -> Result<Profile, Error> {
        for _ in 0..ATTEMPTS {
            let old = self.find(&actor.tenant, id).await?;
            let Some((new, audit)) = decide(&old)? else {
                return Ok(old);
            };
            if self.store.profile_replace(&new, old.revision, &audit).await? {
                return Ok(new);
            }
        }
        Err(Error::new(
            Reason::EtagMismatch,
            "the user is being changed by others; try again",
        ))
    }
}

fn still_pending() -> Error {
    Error::new(
        Reason::StateForbids,
        "the user is still being made; try again in a minute",
    )
}
