//! Deleting roles that nobody holds.
//!
//! Who holds a role is known to auth only, so a deletion has two steps here and one question there in between: mark, count,
//! remove. While the mark stands no grant starts; while a grant is on its way no mark is set. Both are rows that lapse by
//! themselves, so a process that dies in the middle leaves nothing that somebody must clean up, and more replicas than one
//! keep to it.

use std::time::Duration;

use logicore::{Error, Reason, ids::RoleName};
use uuid::Uuid;

use super::{
    Change, Facts, Lease,
    change::{not_found, refuse_built_in},
};
use crate::{app::Admin, audit::Record, caller::Caller};

/// How long a deletion may take: well above the deadline of the one call in it.
const DELETION: Duration = Duration::from_secs(30);

impl Admin {
    /// Deletes a role of the caller's tenant.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, `BUILT_IN`, `ROLE_IN_USE` while somebody holds it or is being granted it, `STATE_FORBIDS` while
    /// another deletion is in hand, and what auth says when it cannot be asked.
    pub async fn role_delete(&self, caller: &Caller, name: RoleName) -> Result<(), Error> {
        refuse_built_in(&name)?;
        let (admin, caller) = (self.clone(), caller.clone());
        self.to_the_end(async move { admin.role_delete_steps(&caller, &name).await })
            .await
    }

    async fn role_delete_steps(&self, caller: &Caller, name: &RoleName) -> Result<(), Error> {
        let lease = Lease {
            id: Uuid::now_v7(),
            until: self.clock.now() + DELETION,
        };
        let of = name.clone();
        self.role_step(caller, name, move |facts| mark(&facts, &of, lease))
            .await?;
        let unused = match self.accounts.role_holders(caller.tenant(), name).await {
            Ok(0) => Ok(()),
            Ok(count) => Err(in_use(name, &format!("{count} account(s) hold it"))),
            Err(error) => Err(error),
        };
        if let Err(error) = unused {
            self.role_step(caller, name, move |facts| Ok(unmark(&facts, lease.id)))
                .await?;
            return Err(error);
        }
        let (of, now) = (name.clone(), self.clock.now());
        let record = Record::of(caller, "role.delete", format!("role/{name}"), now);
        self.role_step(caller, name, move |facts| remove(&facts, &of, lease.id, record))
            .await
    }

    async fn role_step(
        &self,
        caller: &Caller,
        name: &RoleName,
        decide: impl FnOnce(Facts) -> Result<Change, Error> + Send + 'static,
    ) -> Result<(), Error> {
        let decide = Box::new(decide);
        self.store
            .role_change(caller.tenant(), name, &[], self.clock.now(), decide)
            .await?;
        Ok(())
    }
}

fn mark(facts: &Facts, name: &RoleName, lease: Lease) -> Result<Change, Error> {
    if facts.role.is_none() {
        return Err(not_found(name));
    }
    if facts.deleting.is_some() {
        let text = format!("role `{name}` is being deleted by somebody else");
        return Err(Error::new(Reason::StateForbids, text));
    }
    if facts.granting {
        return Err(in_use(name, "it is being granted at this moment"));
    }
    Ok(Change::Mark(lease))
}

fn unmark(facts: &Facts, id: Uuid) -> Change {
    if facts.deleting == Some(id) {
        Change::Unmark
    } else {
        Change::Keep
    }
}

fn remove(facts: &Facts, name: &RoleName, id: Uuid, record: Record) -> Result<Change, Error> {
    if facts.role.is_none() {
        return Err(not_found(name));
    }
    if facts.deleting != Some(id) {
        let text = format!("the deletion of role `{name}` took too long; try again");
        return Err(Error::new(Reason::StateForbids, text));
    }
    Ok(Change::Remove(record))
}

fn in_use(name: &RoleName, why: &str) -> Error {
    Error::new(Reason::RoleInUse, format!("role `{name}` cannot be deleted: {why}"))
}
