//! The first admin, where no demo admin is: made once, with a code that is good for half an hour.

use logicore::{
    Error, Reason,
    ids::{TenantId, UserId},
};

use crate::{
    accounts::{ADMIN, Account, Email, OPERATOR, USER},
    audit::{Actor, Entry},
    auth::Auth,
    codes::{BOOTSTRAP_LIFE, Code},
    store::{Bootstrapped, NewAccount},
};

impl Auth {
    /// Makes the first admin. Until that admin has set a password, it can be done again and the older code is void.
    ///
    /// # Errors
    /// `STATE_FORBIDS` once there is an admin who can sign in.
    pub(crate) async fn bootstrap_admin(&self, email: &Email, actor: &Actor) -> Result<(Account, Code), Error> {
        let now = self.clock.now();
        let tenant = TenantId::default();
        let code = Code::generate(now + BOOTSTRAP_LIFE)?;
        let new = NewAccount {
            tenant: tenant.clone(),
            id: UserId::generate(),
            email: email.clone(),
            roles: vec![USER.parse()?, ADMIN.parse()?, OPERATOR.parse()?],
            code: code.stored(),
            now,
        };
        let audit = Entry::new("account.bootstrap", &tenant, actor).with("email", email.as_str());
        match self.store.admin_bootstrap(new, self.stamp(), audit).await? {
            Bootstrapped::Account(account) => Ok((account, code)),
            Bootstrapped::AdminExists => Err(Error::new(
                Reason::StateForbids,
                "there is an admin already; an admin makes further ones",
            )),
            Bootstrapped::Disabled => Err(Error::new(
                Reason::StateForbids,
                "the account of this email is disabled; take another email",
            )),
        }
    }
}
