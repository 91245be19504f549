//! Making a user: the profile as pending, then the account, then the profile as active. Whatever stops it halfway leaves a
//! pending profile, which a repeated call or the sweeper finishes.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use logicore::{Error, Reason, error::Kind, ids::UserId};
use uuid::Uuid;

use super::{Account, Actor, Code, Fields, NewAccount, Profile, Provisioned, State, User, Users, validate};
use crate::store::{Begin, Creation};

/// Age from which a pending user counts as left behind: well beyond any call's deadline.
const LEFT_BEHIND: Duration = Duration::from_secs(60);
/// How long a request id is remembered after its user was made.
const REQUEST_ID_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Users that one round of the sweeper takes on.
const SWEEP: usize = 100;

/// The user to make.
#[derive(Clone, Debug)]
pub(crate) struct CreateUser {
    pub(crate) email: String,
    pub(crate) fields: Fields,
    pub(crate) request_id: Option<Uuid>,
}

/// The user that was made, and the way in.
#[derive(Debug)]
pub(crate) struct Created {
    pub(crate) user: User,
    /// `None` when the person has set a password already.
    pub(crate) code: Option<Code>,
}

impl CreateUser {
    /// What must be the same under one request id. A hash, so that no personal data is kept for it.
    fn body_hash(&self) -> Vec<u8> {
        let body = (self.email.to_lowercase(), &self.fields);
        let json = serde_json::to_vec(&body).expect("strings and a map of strings are JSON");
        digest(&SHA256, &json).as_ref().to_vec()
    }
}

impl Users {
    /// Makes a user. A repeated call with the same request id returns the same user and a new code.
    pub(crate) async fn create(&self, actor: &Actor, request: CreateUser) -> Result<Created, Error> {
        validate::new_user(&request.email, &request.fields)?;
        let (id, now) = (UserId::generate(), self.clock.now());
        let body_hash = request.body_hash();
        let creation = Creation {
            profile: Profile::new(id, actor.tenant.clone(), request.fields, State::Pending, now),
            request_id: request.request_id,
            email: request.email,
            actor: actor.clone(),
        };
        let profile = match self.store.creation_begin(&creation, &body_hash).await? {
            Begin::Made => creation.profile.clone(),
            Begin::Repeated(profile) if profile.state == State::Deleted => {
                return Err(Error::new(
                    Reason::StateForbids,
                    "the user of this request_id is deleted",
                ));
            }
            Begin::Repeated(profile) => *profile,
            Begin::Differs => {
                return Err(Error::field("request_id", "was used with another user; take a new one"));
            }
        };
        let _turn = self.turns.take(profile.id).await;
        self.provision(profile, &creation.email, actor).await
    }

    async fn provision(&self, profile: Profile, email: &str, actor: &Actor) -> Result<Created, Error> {
        let account = NewAccount {
            id: profile.id,
            tenant: profile.tenant.clone(),
            email: email.to_owned(),
        };
        match self.accounts.provision(&account, actor).await {
            Ok(Provisioned { account, code }) => {
                let profile = self.finish(profile, actor).await?;
                Ok(created(profile, account, code))
            }
            Err(error) => {
                if is_refusal(&error) && profile.state == State::Pending {
                    self.store.creation_abort(&profile.tenant, profile.id, None).await?;
                }
                Err(error)
            }
        }
    }

    async fn finish(&self, profile: Profile, actor: &Actor) -> Result<Profile, Error> {
        if profile.state == State::Active {
            return Ok(profile);
        }
        let (tenant, id) = (&profile.tenant, profile.id);
        let audit = actor.audit("user.create", id);
        let finished = self.store.creation_finish(tenant, id, self.clock.now(), &audit).await?;
        finished.ok_or_else(|| Error::new(Reason::EtagMismatch, "the user was removed while it was being made"))
    }

    /// Finishes or undoes users that were left half made. Returns how many.
    ///
    /// A user with a request id is finished: the same call made again gets its code. Without one nobody can ever get the code,
    /// and the caller will try again with the same email: so it is undone.
    pub(crate) async fn sweep(&self) -> Result<usize, Error> {
        let now = self.clock.now();
        let left = self.store.creation_pending(now - LEFT_BEHIND, SWEEP).await?;
        let mut swept = 0;
        for creation in left {
            let id = creation.profile.id;
            match self.sweep_one(creation).await {
                Ok(()) => swept += 1,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, user = %id, "user is still half made");
                }
            }
        }
        self.store.creation_forget(now - REQUEST_ID_LIFE).await?;
        Ok(swept)
    }

    async fn sweep_one(&self, creation: Creation) -> Result<(), Error> {
        let Creation {
            profile,
            email,
            actor,
            request_id,
        } = creation;
        let (tenant, id) = (profile.tenant.clone(), profile.id);
        let _turn = self.turns.take(id).await;
        // The call was repeated meanwhile and has its code; a new one now would make that void.
        let now = self.store.profile_find(&tenant, id).await?;
        if now.is_none_or(|p| p.state != State::Pending) {
            return Ok(());
        }
        if request_id.is_some() {
            return match self.provision(profile, &email, &actor).await {
                Err(error) if is_refusal(&error) => Ok(()),
                other => other.map(drop),
            };
        }
        match self.accounts.unprovision(&tenant, id, &actor).await {
            // The person got in after all, so the user is whole.
            Err(error) if error.reason() == Reason::StateForbids => self.finish(profile, &actor).await.map(drop),
            Err(error) => Err(error),
            Ok(()) => {
                let audit = actor.audit("user.create", id).failed(Reason::UpstreamUnavailable);
                Ok(self.store.creation_abort(&tenant, id, Some(&audit)).await?)
            }
        }
    }
}

fn created(profile: Profile, account: Account, code: Option<Code>) -> Created {
    Created {
        user: User {
            profile,
            account: Some(account),
        },
        code,
    }
}

/// Whether the same call would be refused again, so that nothing of it may stay.
fn is_refusal(error: &Error) -> bool {
    matches!(
        error.reason().kind(),
        Kind::InvalidArgument
            | Kind::AlreadyExists
            | Kind::FailedPrecondition
            | Kind::PermissionDenied
            | Kind::NotFound
    )
}
