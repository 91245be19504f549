//! Profiles of the demo accounts. What makes them dangerous, their passwords, is auth's to make and to disable.

use logicore::{
    Error,
    ids::{TenantId, UserId},
    settings::{DEMO_ADMIN_ID, DEMO_USER_ID, DemoPlan},
};

use super::{Actor, Fields, Profile, State, Users};

impl Users {
    /// Makes the demo profiles where the plan says so and nobody is there yet.
    pub(crate) async fn make_demo_profiles(&self, plan: DemoPlan) -> Result<(), Error> {
        if plan != DemoPlan::Create || !self.store.profile_none().await? {
            return Ok(());
        }
        self.make_demo_profile(DEMO_USER_ID, "Demo", "User").await?;
        self.make_demo_profile(DEMO_ADMIN_ID, "Demo", "Admin").await
    }

    async fn make_demo_profile(&self, id: UserId, given: &str, family: &str) -> Result<(), Error> {
        let fields = Fields {
            display_name: format!("{given} {family}"),
            given_name: given.to_owned(),
            family_name: family.to_owned(),
            locale: "en".to_owned(),
            ..Fields::default()
        };
        let tenant = TenantId::default();
        let audit = Actor::system(tenant.clone())
            .audit("user.create", id)
            .with("cause", "demo");
        let profile = Profile::new(id, tenant, fields, State::Active, self.clock.now());
        Ok(self.store.profile_add(&profile, Some(&audit)).await?)
    }
}
