//! What every store must do: each function is a claim, run over every backend by [`suite!`].

mod accounts;
mod firsts;
mod keys;
mod marks;
mod passwords;
mod roles;
mod sessions;
mod sweeping;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use logicore::{
    api::admin::AuditEvent,
    ids::{RoleName, SessionId, TenantId, UserId},
    secret::Secret,
};

pub(crate) use accounts::*;
pub(crate) use firsts::*;
pub(crate) use keys::*;
pub(crate) use marks::*;
pub(crate) use passwords::*;
pub(crate) use roles::*;
pub(crate) use sessions::*;
pub(crate) use sweeping::*;

use super::{Ending, NewAccount, NewSession, Provisioned, Store};
use crate::{
    accounts::{Email, Record},
    audit::{Actor, Entry},
    codes::StoredCode,
    refresh::FamilyId,
    revocations::{Change, Mark, Sink, Stamp, Target},
};

/// Makes a test of every claim for the stores that `$make` makes.
macro_rules! suite {
    ($make:path) => {
        logicore::claims!($crate::store::contract, $make:
            an_account_is_seen_in_its_tenant_alone, one_email_can_be_an_account_in_each_tenant,
            a_batch_gives_those_that_exist_with_their_roles, a_repeated_provision_finds_the_account_and_replaces_the_code,
            an_id_or_email_of_another_account_is_refused, an_account_with_a_password_gets_no_new_code,
            only_an_account_without_a_password_is_removed, disabling_ends_sessions_and_outdates_logins,
            what_is_so_already_is_neither_marked_nor_recorded, what_was_written_is_there_after_a_restart,
            a_changed_role_marks_stale_and_outdates_logins, a_role_that_is_there_already_changes_nothing,
            the_last_who_can_sign_in_keeps_the_role, holders_of_a_role_are_counted_in_their_tenant,
            a_password_change_loses_to_a_newer_version, a_password_change_needs_its_living_session,
            a_password_change_ends_the_other_sessions_one_by_one, a_code_is_good_until_its_time,
            a_code_is_good_for_one_of_many_at_once, redeeming_ends_every_session, a_disabled_account_has_no_code,
            the_first_admin_can_be_made_again_until_one_can_sign_in, an_account_that_exists_becomes_the_first_admin,
            a_disabled_account_is_not_made_admin, demo_accounts_are_made_in_an_empty_store_alone,
            demo_accounts_alone_are_disabled,
            a_session_begins_for_the_version_that_was_checked, a_session_begins_for_nobody_revoked_since,
            a_password_hashed_anew_comes_with_its_session, a_session_is_seen_in_its_tenant_alone,
            sessions_are_listed_newest_first_in_pages, a_family_tells_its_account_as_it_is_now,
            a_family_moves_on_for_one_of_many_at_once, a_family_remembers_what_it_retired,
            one_session_ends_for_its_own_account_alone, every_kind_of_ending_ends_and_marks_what_it_names,
            an_ending_that_finds_nothing_says_nothing,
            revisions_are_told_in_the_order_of_commits, neither_mark_hides_the_other, a_mark_is_kept_for_its_longest_reason,
            a_refused_change_raises_no_revision,
            keys_come_oldest_first_and_the_newest_succeeds, seals_are_replaced_by_name, a_secret_is_kept_once,
            the_longest_life_of_tokens_is_remembered,
            what_is_over_is_swept_and_nothing_else, a_sweep_takes_no_more_than_its_limit, counts_are_the_tenants_own,
            every_change_leaves_one_record_in_a_gapless_order,
        );
    };
}
pub(crate) use suite;

/// A store, what it told the feed, and what is behind it.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) told: Arc<Told>,
    pub(crate) backend: Box<dyn Backend>,
}

/// What stands behind a store.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    /// The audit records that were written, oldest first.
    async fn records(&self) -> Vec<AuditEvent>;
    /// The same rows after a restart.
    async fn reopened(&self) -> Fixture;
}

/// Remembers what was told.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<Vec<Change>>);

impl Told {
    pub(crate) fn all(&self) -> Vec<Change> {
        self.0.lock().unwrap().clone()
    }
}

impl Sink for Told {
    fn changed(&self, change: Change) {
        self.0.lock().unwrap().push(change);
    }
}

pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn at(seconds: i64) -> DateTime<Utc> {
    now() + Duration::seconds(seconds)
}

/// Marks made at a second are kept for a thousand.
fn stamp(seconds: i64) -> Stamp {
    Stamp {
        now: at(seconds),
        marks_until: at(seconds + 1000),
    }
}

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn role(name: &str) -> RoleName {
    name.parse().unwrap()
}

fn email(called: &str) -> Email {
    Email::new(&format!("{called}@example.com")).unwrap()
}

fn entry(action: &'static str) -> Entry {
    Entry::new(action, &TenantId::default(), &Actor::default())
}

fn code(of: &str, seconds: i64) -> StoredCode {
    StoredCode {
        hash: of.as_bytes().to_vec(),
        expire_time: at(seconds),
    }
}

fn new_account(of: &str, called: &str) -> NewAccount {
    NewAccount {
        tenant: tenant(of),
        id: UserId::generate(),
        email: email(called),
        roles: vec![role("user")],
        code: code(&format!("{of}/{called}"), 3600),
        now: now(),
    }
}

impl Fixture {
    /// An account without a password; its code is `tenant/name`, good for an hour.
    async fn invited(&self, of: &str, called: &str) -> UserId {
        let new = new_account(of, called);
        let id = new.id;
        let made = self.store.account_provision(new, entry("account.provision")).await;
        assert!(matches!(made.unwrap(), Provisioned::Account { coded: true, .. }));
        id
    }

    /// An account with a password.
    async fn person(&self, of: &str, called: &str) -> UserId {
        let id = self.invited(of, called).await;
        let code = format!("{of}/{called}");
        let redeemed = self
            .store
            .code_redeem(
                code.as_bytes(),
                &Secret::new("hash"),
                stamp(0),
                entry("auth.password_set"),
            )
            .await;
        assert_eq!(redeemed.unwrap().unwrap().id, id);
        id
    }

    async fn disable(&self, of: &str, id: UserId) {
        let disabled = self
            .store
            .account_set_disabled(&tenant(of), id, true, stamp(0), entry("account.disable"))
            .await;
        disabled.unwrap().unwrap();
    }

    async fn record(&self, of: &str, id: UserId) -> Record {
        self.store.account_find(&tenant(of), id).await.unwrap().unwrap()
    }

    /// A session to begin for an account as it is now, good for a thousand seconds.
    async fn new_session(&self, of: &str, account: UserId) -> NewSession {
        let record = self.record(of, account).await;
        let id = SessionId::generate();
        NewSession {
            id,
            tenant: tenant(of),
            account,
            family: family_of(id),
            create_time: now(),
            expire_time: at(1000),
            end_time: at(5000),
            address: Some([192, 0, 2, 1].into()),
            user_agent: Some("curl/8".to_owned()),
            version: record.version,
            revision: record.revision,
            rehashed: None,
        }
    }

    async fn begin(&self, new: NewSession) -> bool {
        self.store.session_insert(new, entry("auth.login")).await.unwrap()
    }

    /// Begins a session.
    async fn session(&self, of: &str, account: UserId) -> SessionId {
        let new = self.new_session(of, account).await;
        let id = new.id;
        assert!(self.begin(new).await);
        id
    }

    /// Sessions of an account, newest first.
    async fn living(&self, of: &str, account: UserId) -> Vec<SessionId> {
        let listed = self.store.session_list(&tenant(of), account, None, 100, now()).await;
        listed.unwrap().iter().map(|s| s.id).collect()
    }

    async fn end(&self, ending: Ending) -> u64 {
        self.store
            .session_end(ending, stamp(0), entry("test.end"))
            .await
            .unwrap()
    }

    async fn revision(&self) -> u64 {
        self.store.mark_list().await.unwrap().0
    }

    async fn mark(&self, target: &Target) -> Option<Mark> {
        let (_, marks) = self.store.mark_list().await.unwrap();
        marks.into_iter().find(|m| m.target == *target)
    }

    /// Actions recorded, oldest first.
    async fn actions(&self) -> Vec<String> {
        self.backend.records().await.into_iter().map(|r| r.action).collect()
    }
}

fn family_of(session: SessionId) -> FamilyId {
    *session.0.as_bytes()
}
