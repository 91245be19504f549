//! Claims about the roles of accounts.

use logicore::ids::UserId;

use super::{Fixture, entry, role, stamp, tenant};
use crate::{revocations::Target, store::RoleRevocation};

impl Fixture {
    async fn grant(&self, of: &str, id: UserId, name: &str) {
        let granted = self
            .store
            .account_grant_role(&tenant(of), id, &role(name), stamp(0), entry("account.role_grant"))
            .await;
        assert!(granted.unwrap().unwrap().roles.contains(&role(name)));
    }

    async fn take(&self, of: &str, id: UserId, name: &str, keep_last: bool) -> RoleRevocation {
        let action = entry("account.role_revoke");
        self.store
            .account_revoke_role(&tenant(of), id, &role(name), keep_last, stamp(0), action)
            .await
            .unwrap()
    }
}

pub(crate) async fn a_changed_role_marks_stale_and_outdates_logins(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    let session = f.session("default", ann).await;
    let revoked = f.mark(&Target::User(ann)).await.unwrap().revoked;
    for grant in [true, false] {
        let late = f.new_session("default", ann).await;
        if grant {
            f.grant("default", ann, "admin").await;
        } else {
            let taken = f.take("default", ann, "admin", false).await;
            assert!(matches!(taken, RoleRevocation::Account(a) if a.roles == [role("user")]));
        }
        let mark = f.mark(&Target::User(ann)).await.unwrap();
        assert_eq!((mark.revoked, mark.stale), (revoked, f.revision().await));
        assert!(mark.stale > late.revision);
        assert!(!f.begin(late).await, "a login under way looks again");
    }
    assert_eq!(f.living("default", ann).await, [session], "sessions go on");
}

pub(crate) async fn a_role_that_is_there_already_changes_nothing(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    let before = (
        f.revision().await,
        f.actions().await,
        f.record("default", ann).await.version,
    );
    f.grant("default", ann, "user").await;
    let taken = f.take("default", ann, "admin", true).await;
    assert!(matches!(taken, RoleRevocation::Account(_)));
    let after = (
        f.revision().await,
        f.actions().await,
        f.record("default", ann).await.version,
    );
    assert_eq!(after, before);
}

pub(crate) async fn the_last_who_can_sign_in_keeps_the_role(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    f.grant("default", ann, "admin").await;
    let (invited, disabled) = (f.invited("default", "bob").await, f.person("default", "cid").await);
    let elsewhere = f.person("acme", "dan").await;
    f.grant("default", invited, "admin").await;
    f.grant("default", disabled, "admin").await;
    f.grant("acme", elsewhere, "admin").await;
    f.disable("default", disabled).await;

    let before = (f.revision().await, f.actions().await);
    assert!(matches!(
        f.take("default", ann, "admin", true).await,
        RoleRevocation::Last
    ));
    assert_eq!((f.revision().await, f.actions().await), before);

    let another = f.person("default", "eve").await;
    f.grant("default", another, "admin").await;
    let taken = f.take("default", ann, "admin", true).await;
    assert!(matches!(taken, RoleRevocation::Account(_)));
    let taken = f.take("acme", elsewhere, "admin", false).await;
    assert!(
        matches!(taken, RoleRevocation::Account(_)),
        "only where it is asked for"
    );
}

pub(crate) async fn holders_of_a_role_are_counted_in_their_tenant(f: &Fixture) {
    f.person("default", "ann").await;
    f.invited("default", "bob").await;
    f.person("acme", "cid").await;
    let count = async |of: &str, name: &str| {
        let counted = f.store.account_count_by_role(&tenant(of), &role(name)).await;
        counted.unwrap()
    };
    assert_eq!(count("default", "user").await, 2);
    assert_eq!(count("acme", "user").await, 1);
    assert_eq!(count("acme", "admin").await, 0);
}
