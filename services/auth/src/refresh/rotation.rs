//! Trading a refresh token for its successor: read, judge, compare-and-swap. Whoever loses the swap reads and judges again, and
//! by then finds itself within the grace.

use logicore::{Error, Reason, secret::Secret};

use super::{Family, FamilyId, Token, Verdict, invalid};
use crate::{
    audit::{Actor, Entry, Outcome},
    auth::{Auth, Tokens},
    store::{Advance, Ending},
};

/// A swap is lost to a refresh that won it, so the second look finds the grace; more means a family under attack.
const ATTEMPTS: usize = 4;

impl Auth {
    /// Trades a refresh token for new tokens of its session.
    ///
    /// # Errors
    /// `AUTH_REFRESH_INVALID`; `AUTH_REFRESH_REPLAYED` when it was retired too long ago, which ends the session.
    pub(crate) async fn refresh(&self, text: &Secret, actor: &Actor) -> Result<Tokens, Error> {
        let result = self.rotate(text, actor).await;
        let outcome = match &result {
            Ok(_) => "success",
            Err(e) if e.reason() == Reason::AuthRefreshReplayed => "replayed",
            Err(e) if e.reason() == Reason::AuthRefreshInvalid => "invalid",
            Err(_) => "error",
        };
        self.counts.refresh(outcome, &self.metrics);
        result
    }

    async fn rotate(&self, text: &Secret, actor: &Actor) -> Result<Tokens, Error> {
        let token = Token::open(&self.refresh_keys, text.expose())?;
        for _ in 0..ATTEMPTS {
            let Some(family) = self.store.session_find_by_family(token.family).await? else {
                return Err(invalid());
            };
            match family.judge(token.generation, self.clock.now()) {
                Verdict::Current => {
                    if let Some(family) = self.advance(family, actor).await? {
                        return self.tokens(&family, token.family);
                    }
                }
                Verdict::Grace => {
                    let audit = self.entry("auth.refresh", &family, actor).with("repeated", true);
                    self.store.audit_append(audit).await?;
                    return self.tokens(&family, token.family);
                }
                Verdict::Replay => return Err(self.end_replayed(family, actor).await?),
                Verdict::Ahead | Verdict::Over => {
                    let audit = self.entry("auth.refresh", &family, actor);
                    let error = invalid();
                    self.store.audit_append(audit.failed(Outcome::Failure, &error)).await?;
                    return Err(error);
                }
            }
        }
        Err(Error::new(
            Reason::EtagMismatch,
            "the session changes too fast; try again",
        ))
    }

    /// Moves the family on by one; `None` when somebody else did meanwhile.
    async fn advance(&self, mut family: Family, actor: &Actor) -> Result<Option<Family>, Error> {
        let now = self.clock.now();
        let audit = self.entry("auth.refresh", &family, actor);
        let retired = family.retire(now);
        family.session.refresh_time = now;
        family.session.expire_time = (now + self.lives.refresh).min(family.session.end_time);
        let advance = Advance {
            tenant: family.session.tenant.clone(),
            session: family.session.id,
            from: family.generation,
            retired,
            refresh_time: now,
            expire_time: family.session.expire_time,
        };
        let won = self.store.session_advance(advance, audit).await?;
        family.generation += 1;
        Ok(won.then_some(family))
    }

    async fn end_replayed(&self, family: Family, actor: &Actor) -> Result<Error, Error> {
        let error = Error::new(
            Reason::AuthRefreshReplayed,
            "the refresh token was used before, so its session was ended; sign in again",
        );
        let audit = self
            .entry("auth.token_replay", &family, actor)
            .failed(Outcome::Denied, &error);
        let ending = Ending::Session {
            tenant: family.session.tenant,
            account: None,
            id: family.session.id,
        };
        self.store.session_end(ending, self.stamp(), audit).await?;
        Ok(error)
    }

    fn tokens(&self, family: &Family, id: FamilyId) -> Result<Tokens, Error> {
        let refresh = family.token(id).seal(&self.refresh_keys);
        self.issue(&family.account, &family.session, family.revision, refresh)
    }

    fn entry(&self, action: &'static str, family: &Family, actor: &Actor) -> Entry {
        let session = &family.session;
        Entry::new(action, &session.tenant, actor)
            .on("session", session.id)
            .by(session.account, Some(session.id))
    }
}
