//! Claims about what is deleted, counted and recorded.

use logicore::ids::TokenId;

use super::{Fixture, at, entry, now, stamp, tenant};
use crate::{
    revocations::Target,
    store::{Counts, Ending, StoredKey},
};

impl Fixture {
    async fn mark_token(&self, of: &str, seconds: i64) -> Target {
        let token = TokenId::generate();
        let ending = Ending::Token {
            tenant: tenant(of),
            token,
        };
        self.store
            .session_end(ending, stamp(seconds), entry("x"))
            .await
            .unwrap();
        Target::Token(token)
    }

    async fn put_retired(&self, kid: &str, retire: i64) {
        let key = StoredKey {
            kid: kid.to_owned(),
            algorithm: "ES256".to_owned(),
            sealed: Vec::new(),
            active_time: at(retire),
            retire_time: Some(at(retire)),
        };
        self.store.key_insert(key, at(9999), entry("key.create")).await.unwrap();
    }
}

pub(crate) async fn what_is_over_is_swept_and_nothing_else(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    let (over, lasting) = (f.session("default", ann).await, f.new_session("default", ann).await);
    let mut lasting = lasting;
    lasting.expire_time = at(1001);
    assert!(f.begin(lasting.clone()).await);
    // `ann` has a user mark until 1000.
    let (gone, kept) = (Target::User(ann), f.mark_token("default", 1).await);
    for (called, seconds) in [("bob", 1000), ("cid", 1001)] {
        let mut new = super::new_account("default", called);
        new.code.expire_time = at(seconds);
        f.store.account_provision(new, entry("x")).await.unwrap();
    }
    f.put_retired("gone", 1000).await;
    f.put_retired("kept", 1001).await;
    let revision = f.revision().await;
    let records = f.actions().await;

    assert_eq!(f.store.sweep(at(999), 100).await.unwrap(), 0);
    assert_eq!(f.store.sweep(at(1000), 100).await.unwrap(), 1);
    assert!(f.store.session_find(None, over).await.unwrap().is_none());
    assert!(f.store.session_find(None, lasting.id).await.unwrap().is_some());
    assert!(f.mark(&gone).await.is_none());
    assert!(f.mark(&kept).await.is_some());
    assert!(f.store.code_find(b"default/bob", now()).await.unwrap().is_none());
    assert!(f.store.code_find(b"default/cid", now()).await.unwrap().is_some());
    let kids: Vec<_> = f.store.key_list().await.unwrap().into_iter().map(|k| k.kid).collect();
    assert_eq!(kids, ["kept"]);

    let told = f.told.all().pop().unwrap();
    assert_eq!(told.revision, revision + 1);
    assert_eq!((told.lowered, told.keys_gone), (vec![gone], vec!["gone".to_owned()]));
    assert!(told.raised.is_empty());
    assert_eq!(f.actions().await, records, "nobody did it");
    f.store.sweep(at(1000), 100).await.unwrap();
    assert_eq!(f.revision().await, revision + 1, "nothing is left to tell");
}

pub(crate) async fn a_sweep_takes_no_more_than_its_limit(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    for _ in 0..5 {
        f.session("default", ann).await;
        f.mark_token("default", 0).await;
    }
    let mut swept = Vec::new();
    for _ in 0..4 {
        swept.push(f.store.sweep(at(1000), 2).await.unwrap());
    }
    assert_eq!(swept, [2, 2, 2, 0]);
    assert_eq!(f.store.counts(None, now()).await.unwrap().sessions, 0);
}

pub(crate) async fn counts_are_the_tenants_own(f: &Fixture) {
    let (ann, bob) = (f.person("default", "ann").await, f.person("acme", "bob").await);
    f.invited("acme", "cid").await;
    f.session("default", ann).await;
    f.session("acme", bob).await;
    f.session("acme", bob).await;
    f.mark_token("acme", 500).await;
    let counts = |sessions, accounts, marks| Counts {
        sessions,
        accounts,
        marks,
    };
    let default = f.store.counts(Some(&tenant("default")), now()).await.unwrap();
    assert_eq!(default, counts(1, 1, 1));
    let acme = f.store.counts(Some(&tenant("acme")), now()).await.unwrap();
    assert_eq!(acme, counts(2, 2, 2));
    assert_eq!(f.store.counts(None, now()).await.unwrap(), counts(3, 3, 3));
    let later = f.store.counts(None, at(1000)).await.unwrap();
    assert_eq!(later, counts(0, 3, 1), "what is over is not counted");
}

pub(crate) async fn every_change_leaves_one_record_in_a_gapless_order(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    let session = f.session("default", ann).await;
    f.store.audit_append(entry("auth.login")).await.unwrap();
    let ending = Ending::Session {
        tenant: tenant("default"),
        account: Some(ann),
        id: session,
    };
    f.end(ending).await;
    let records = f.backend.records().await;
    let actions: Vec<_> = records.iter().map(|r| (r.sequence, r.action.as_str())).collect();
    let expected = [
        (1, "account.provision"),
        (2, "auth.password_set"),
        (3, "auth.login"),
        (4, "auth.login"),
        (5, "test.end"),
    ];
    assert_eq!(actions, expected);
    assert!(records.iter().all(|r| r.tenant == "default" && r.outcome == "success"));
}
