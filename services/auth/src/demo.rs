//! The demo accounts. Their passwords are in the guide, so their rows are marked and never outlive the loopback.

use logicore::{
    Error,
    ids::{RoleName, TenantId, UserId},
    secret::Secret,
    settings::{DEMO_ADMIN_ID, DEMO_USER_ID, DemoPlan},
};

use crate::{
    accounts::{ADMIN, Email, OPERATOR, USER},
    audit::{Actor, Entry},
    auth::Auth,
    store::DemoAccount,
};

/// Id, email, password and roles, as the guide gives them.
const ACCOUNTS: [(UserId, &str, &str, &[&str]); 2] = [
    (DEMO_USER_ID, "demo@example.com", "demo123", &[USER]),
    (DEMO_ADMIN_ID, "admin@example.com", "admin123", &[USER, ADMIN, OPERATOR]),
];

impl Auth {
    /// Does what this start must do about the demo accounts.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub(crate) async fn apply_demo(&self, plan: DemoPlan) -> Result<(), Error> {
        match plan {
            DemoPlan::Create => self.create_demo().await,
            DemoPlan::Keep => Ok(()),
            DemoPlan::Disable => {
                let audit = self.demo_entry("account.disable").on("account", "demo");
                let disabled = self.store.demo_disable(self.stamp(), audit).await?;
                if disabled > 0 {
                    tracing::warn!(
                        accounts = disabled,
                        "demo accounts are disabled: this is not a demo any more"
                    );
                }
                Ok(())
            }
        }
    }

    async fn create_demo(&self) -> Result<(), Error> {
        if self.store.counts(None, self.clock.now()).await?.accounts > 0 {
            return Ok(());
        }
        let mut accounts = Vec::new();
        let mut audits = Vec::new();
        for (id, email, password, roles) in ACCOUNTS {
            let place = self.hasher.reserve()?;
            let roles: Result<Vec<RoleName>, Error> = roles.iter().map(|r| r.parse()).collect();
            accounts.push(DemoAccount {
                id,
                email: Email::new(email)?,
                roles: roles?,
                password: self.hasher.hash(&place, &Secret::new(password)).await?,
            });
            audits.push(
                self.demo_entry("account.provision")
                    .on("account", id)
                    .with("demo", true),
            );
        }
        self.store.demo_create(accounts, audits).await.map(drop)
    }

    fn demo_entry(&self, action: &'static str) -> Entry {
        Entry::new(action, &TenantId::default(), &Actor::default())
    }
}
