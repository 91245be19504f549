//! Claims about sessions and refresh families.

use logicore::{
    ids::{SessionId, TokenId, UserId},
    secret::Secret,
};

use super::{Fixture, at, entry, family_of, now, role, stamp, tenant};
use crate::{
    refresh::{Family, Retired},
    revocations::Target,
    store::{Advance, Ending},
};

fn one(of: &str, account: Option<UserId>, id: SessionId) -> Ending {
    Ending::Session {
        tenant: tenant(of),
        account,
        id,
    }
}

fn step(session: SessionId, from: u64) -> Advance {
    Advance {
        tenant: tenant("default"),
        session,
        from,
        retired: vec![Retired {
            first: from,
            last: from,
            time: at(1),
        }],
        refresh_time: at(1),
        expire_time: at(2000),
    }
}

impl Fixture {
    async fn advance(&self, step: Advance) -> bool {
        self.store.session_advance(step, entry("auth.refresh")).await.unwrap()
    }

    async fn family(&self, id: SessionId) -> Option<Family> {
        self.store.session_find_by_family(family_of(id)).await.unwrap()
    }
}

pub(crate) async fn a_session_begins_for_the_version_that_was_checked(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    let mut late = f.new_session("default", ann).await;
    late.version -= 1;
    let records = f.actions().await;
    assert!(!f.begin(late).await);
    let mut nobody = f.new_session("default", ann).await;
    nobody.account = UserId::generate();
    assert!(!f.begin(nobody).await);
    let mut elsewhere = f.new_session("default", ann).await;
    elsewhere.tenant = tenant("acme");
    assert!(!f.begin(elsewhere).await);
    assert_eq!(f.actions().await, records);
    assert!(f.living("default", ann).await.is_empty());
    assert!(f.begin(f.new_session("default", ann).await).await);
    assert_eq!(f.actions().await.len(), records.len() + 1);
}

pub(crate) async fn a_session_begins_for_nobody_revoked_since(f: &Fixture) {
    let (ann, bob) = (f.person("default", "ann").await, f.person("acme", "bob").await);
    let endings = [
        Ending::User {
            tenant: tenant("default"),
            account: ann,
        },
        Ending::Tenant(tenant("default")),
        Ending::Everyone,
    ];
    for ending in endings {
        let (late, of_bob) = (f.new_session("default", ann).await, f.new_session("acme", bob).await);
        let everyone = matches!(ending, Ending::Everyone);
        f.end(ending.clone()).await;
        assert!(!f.begin(late).await, "{ending:?}");
        assert_eq!(f.begin(of_bob).await, !everyone, "{ending:?}");
        f.session("default", ann).await;
    }
    let late = f.new_session("default", ann).await;
    f.end(one("default", None, f.session("default", ann).await)).await;
    assert!(f.begin(late).await, "another session's end is none of its business");
}

pub(crate) async fn a_password_hashed_anew_comes_with_its_session(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    let other = f.new_session("default", ann).await;
    let mut new = f.new_session("default", ann).await;
    new.rehashed = Some(Secret::new("stronger"));
    let mut late = new.clone();
    (late.version, late.id, late.rehashed) = (0, SessionId::generate(), Some(Secret::new("older")));
    assert!(f.begin(new).await);
    assert!(!f.begin(late).await);
    let record = f.record("default", ann).await;
    assert_eq!(record.password, Some(Secret::new("stronger")));
    assert!(
        f.begin(other).await,
        "the password is the same, so logins under way go on"
    );
}

pub(crate) async fn a_session_is_seen_in_its_tenant_alone(f: &Fixture) {
    let ann = f.person("acme", "ann").await;
    let new = f.new_session("acme", ann).await;
    assert!(f.begin(new.clone()).await);
    for of in [None, Some(tenant("acme"))] {
        let found = f.store.session_find(of.as_ref(), new.id).await.unwrap().unwrap();
        assert_eq!((found.id, found.account, found.tenant), (new.id, ann, tenant("acme")));
        assert_eq!((found.create_time, found.refresh_time), (now(), now()));
        assert_eq!((found.expire_time, found.end_time), (new.expire_time, new.end_time));
        assert_eq!((found.address, &found.user_agent), (new.address, &new.user_agent));
    }
    let other = tenant("default");
    assert!(f.store.session_find(Some(&other), new.id).await.unwrap().is_none());
    assert!(f.living("default", ann).await.is_empty());
    assert!(!f.advance(step(new.id, 1)).await);
    assert_eq!(f.end(one("default", None, new.id)).await, 0);
    let user = Ending::User {
        tenant: other,
        account: ann,
    };
    assert_eq!(f.end(user).await, 0);
    assert_eq!(f.family(new.id).await.unwrap().generation, 1);
}

pub(crate) async fn sessions_are_listed_newest_first_in_pages(f: &Fixture) {
    let (ann, bob) = (f.person("default", "ann").await, f.person("default", "bob").await);
    let mut made = Vec::new();
    for _ in 0..5 {
        made.insert(0, f.session("default", ann).await);
        f.session("default", bob).await;
    }
    let mut seen = Vec::new();
    loop {
        let after = seen.last().copied();
        let page = f
            .store
            .session_list(&tenant("default"), ann, after, 2, now())
            .await
            .unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        seen.extend(page.iter().map(|s| s.id));
    }
    assert_eq!(seen, made);
    let over = f.store.session_list(&tenant("default"), ann, None, 9, at(1000)).await;
    assert!(over.unwrap().is_empty(), "those that are over are not listed");
}

pub(crate) async fn a_family_tells_its_account_as_it_is_now(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    let session = f.session("default", ann).await;
    let admin = role("admin");
    f.store
        .account_grant_role(&tenant("default"), ann, &admin, stamp(0), entry("x"))
        .await
        .unwrap();
    let family = f.family(session).await.unwrap();
    assert_eq!(
        (family.session.id, family.account.id, family.generation),
        (session, ann, 1)
    );
    assert_eq!(family.account.roles, [role("admin"), role("user")]);
    assert_eq!(family.revision, f.revision().await);
    assert!(family.retired.is_empty());
    assert!(f.family(SessionId::generate()).await.is_none());
}

pub(crate) async fn a_family_moves_on_for_one_of_many_at_once(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    let session = f.session("default", ann).await;
    let records = f.actions().await.len();
    let tries: Vec<_> = (0..50)
        .map(|_| {
            let store = f.store.clone();
            tokio::spawn(async move { store.session_advance(step(session, 1), entry("auth.refresh")).await })
        })
        .collect();
    let mut moved = 0;
    for one in tries {
        moved += u32::from(one.await.unwrap().unwrap());
    }
    assert_eq!(moved, 1);
    assert_eq!(f.family(session).await.unwrap().generation, 2);
    assert_eq!(f.actions().await.len(), records + 1);
    assert!(!f.advance(step(session, 3)).await, "from a generation that is to come");
    assert!(!f.advance(step(SessionId::generate(), 1)).await);
}

pub(crate) async fn a_family_remembers_what_it_retired(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    let session = f.session("default", ann).await;
    let mut step = step(session, 1);
    step.retired.push(Retired {
        first: 2,
        last: 7,
        time: at(3),
    });
    assert!(f.advance(step.clone()).await);
    let family = f.family(session).await.unwrap();
    assert_eq!(family.retired, step.retired);
    assert_eq!(
        (family.session.refresh_time, family.session.expire_time),
        (at(1), at(2000))
    );
    assert_eq!((family.session.create_time, family.session.end_time), (now(), at(5000)));
}

pub(crate) async fn one_session_ends_for_its_own_account_alone(f: &Fixture) {
    let (ann, bob) = (f.person("default", "ann").await, f.person("default", "bob").await);
    let session = f.session("default", ann).await;
    let before = (f.revision().await, f.actions().await);
    assert_eq!(f.end(one("default", Some(bob), session)).await, 0);
    assert_eq!((f.revision().await, f.actions().await), before);
    assert_eq!(f.end(one("default", Some(ann), session)).await, 1);
    assert!(f.family(session).await.is_none());
    assert_eq!(
        f.mark(&Target::Session(session)).await.unwrap().revoked,
        f.revision().await
    );
    assert!(!f.advance(step(session, 1)).await, "a refresh under way loses");
}

pub(crate) async fn every_kind_of_ending_ends_and_marks_what_it_names(f: &Fixture) {
    let default = || tenant("default");
    let (ann, bob) = (f.person("default", "ann").await, f.person("default", "bob").await);
    let cid = f.person("acme", "cid").await;
    for account in [ann, ann, ann, bob] {
        f.session("default", account).await;
    }
    f.session("acme", cid).await;
    let keep = f.living("default", ann).await[0];
    let token = TokenId::generate();
    let others = Ending::Others {
        tenant: default(),
        account: ann,
        keep,
    };
    let user = Ending::User {
        tenant: default(),
        account: ann,
    };
    let token_of = Ending::Token {
        tenant: default(),
        token,
    };
    let cases = [
        (others, 2, None, [1, 1, 1]),
        (token_of, 0, Some(Target::Token(token)), [1, 1, 1]),
        (user, 1, Some(Target::User(ann)), [0, 1, 1]),
        (Ending::Tenant(default()), 1, Some(Target::Tenant(default())), [0, 0, 1]),
        (Ending::Everyone, 1, Some(Target::All), [0, 0, 0]),
    ];
    for (ending, ended, marked, left) in cases {
        assert_eq!(f.end(ending.clone()).await, ended, "{ending:?}");
        let living = [
            f.living("default", ann).await.len(),
            f.living("default", bob).await.len(),
            f.living("acme", cid).await.len(),
        ];
        assert_eq!(living, left, "{ending:?}");
        if let Some(target) = marked {
            assert_eq!(f.mark(&target).await.unwrap().revoked, f.revision().await, "{ending:?}");
        }
        assert_eq!(f.told.all().pop().unwrap().revision, f.revision().await);
    }
}

pub(crate) async fn an_ending_that_finds_nothing_says_nothing(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    let own = f.session("default", ann).await;
    let told = f.told.all().len();
    let others = Ending::Others {
        tenant: tenant("default"),
        account: ann,
        keep: own,
    };
    assert_eq!(f.end(others).await, 0);
    assert_eq!(f.end(one("default", None, SessionId::generate())).await, 0);
    assert_eq!(f.told.all().len(), told);
    assert_eq!(f.living("default", ann).await, [own]);
}
