//! Claims about the revision and the marks.

use logicore::ids::{TokenId, UserId};

use super::{Fixture, entry, new_account, role, stamp, tenant};
use crate::{
    revocations::{Mark, Target},
    store::Ending,
};

fn user(of: &str, account: UserId) -> Ending {
    Ending::User {
        tenant: tenant(of),
        account,
    }
}

pub(crate) async fn revisions_are_told_in_the_order_of_commits(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    let before = f.told.all().len();
    let first = f.revision().await;
    let endings: Vec<_> = (0..30)
        .map(|_| {
            let store = f.store.clone();
            let ending = Ending::Token {
                tenant: tenant("default"),
                token: TokenId::generate(),
            };
            tokio::spawn(async move { store.session_end(ending, stamp(0), entry("x")).await.unwrap() })
        })
        .collect();
    for ending in endings {
        ending.await.unwrap();
    }
    f.end(user("default", ann)).await;
    let told = f.told.all().split_off(before);
    let revisions: Vec<_> = told.iter().map(|c| c.revision).collect();
    let expected: Vec<_> = (first + 1..=first + 31).collect();
    assert_eq!(revisions, expected);
    let (revision, marks) = f.store.mark_list().await.unwrap();
    assert_eq!(revision, first + 31);
    for change in told {
        for mark in change.raised {
            assert_eq!(mark.revoked, change.revision);
            assert!(marks.contains(&mark), "what is told is what is kept");
        }
    }
}

pub(crate) async fn neither_mark_hides_the_other(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    let target = Target::User(ann);
    f.end(user("default", ann)).await;
    let revoked = f.revision().await;
    let admin = role("admin");
    f.store
        .account_grant_role(&tenant("default"), ann, &admin, stamp(0), entry("x"))
        .await
        .unwrap();
    let stale = f.revision().await;
    assert!(stale > revoked);
    let mark = f.mark(&target).await.unwrap();
    assert_eq!((mark.revoked, mark.stale), (revoked, stale));
    f.end(user("default", ann)).await;
    let mark = f.mark(&target).await.unwrap();
    assert_eq!((mark.revoked, mark.stale), (f.revision().await, stale));
    assert_eq!(f.told.all().pop().unwrap().raised, [mark]);
}

pub(crate) async fn a_mark_is_kept_for_its_longest_reason(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    for (made, kept) in [(500, 500), (100, 500), (700, 700)] {
        let ended = f.store.session_end(user("default", ann), stamp(made), entry("x")).await;
        ended.unwrap();
        let Mark { expire_time, .. } = f.mark(&Target::User(ann)).await.unwrap();
        assert_eq!(expire_time, stamp(kept).marks_until);
    }
}

pub(crate) async fn a_refused_change_raises_no_revision(f: &Fixture) {
    let ann = f.invited("default", "ann").await;
    let before = (f.revision().await, f.told.all());
    let mut new = new_account("acme", "ann");
    new.id = ann;
    f.store.account_provision(new, entry("x")).await.unwrap();
    f.store
        .code_redeem(b"none", &logicore::secret::Secret::new("x"), stamp(0), entry("x"))
        .await
        .unwrap();
    let absent = UserId::generate();
    let admin = role("admin");
    let granted = f
        .store
        .account_grant_role(&tenant("default"), absent, &admin, stamp(0), entry("x"))
        .await;
    assert!(granted.unwrap().is_none());
    assert_eq!((f.revision().await, f.told.all()), before);
}
