//! A book of accounts: auth's rules about roles in memory, and what can go wrong on the way to auth, on order.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use logicore::{
    Error, Reason,
    api::{auth::Account, mesh::AuthStatistics},
    ids::{RoleName, TenantId, UserId},
};
use tokio::sync::Notify;

use crate::{app::Accounts, caller::Caller, tokens::Target};

/// A question to auth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Grant,
    Revoke,
    Holders,
    Access,
    Statistics,
}

/// What goes wrong with one question.
#[derive(Debug)]
pub(super) enum Fault {
    /// Auth does not hear it.
    Away,
    /// Auth does it, and the answer is lost.
    Lost,
    /// Auth answers with this.
    Answers(Reason),
    /// Auth takes its time before it does it.
    Waits(Gate),
    /// Auth does it, and its answer takes its time.
    Holds(Gate),
}

/// Where a question waits: the test sees it come, and lets it pass.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate {
    came: Arc<Notify>,
    open: Arc<Notify>,
}

impl Gate {
    /// Waits for the question.
    pub(super) async fn came(&self) {
        self.came.notified().await;
    }

    /// Lets it pass.
    pub(super) fn open(&self) {
        self.open.notify_one();
    }

    async fn pass(&self) {
        self.came.notify_one();
        self.open.notified().await;
    }
}

#[derive(Debug, Default)]
struct State {
    accounts: BTreeMap<UserId, (TenantId, BTreeSet<RoleName>)>,
    faults: VecDeque<(Ask, Fault)>,
    asked: Vec<Ask>,
    targets: Vec<(TenantId, String)>,
}

/// The accounts of every tenant.
#[derive(Debug, Default)]
pub(super) struct Book(Mutex<State>);

impl Book {
    /// Adds an account with these roles.
    pub(super) fn add(&self, tenant: &str, roles: &[&str]) -> UserId {
        let id = UserId::generate();
        let roles = roles.iter().map(|r| r.parse().unwrap()).collect();
        self.lock().accounts.insert(id, (tenant.parse().unwrap(), roles));
        id
    }

    /// The roles of an account.
    pub(super) fn roles(&self, id: UserId) -> Vec<String> {
        let state = self.lock();
        state.accounts[&id].1.iter().map(ToString::to_string).collect()
    }

    /// Orders something to go wrong with the next question of the kind.
    pub(super) fn fails(&self, ask: Ask, fault: Fault) {
        self.lock().faults.push_back((ask, fault));
    }

    /// How often auth was asked.
    pub(super) fn asked(&self, ask: Ask) -> usize {
        self.lock().asked.iter().filter(|a| **a == ask).count()
    }

    /// Whose tokens were revoked, by tenant of the caller.
    pub(super) fn targets(&self) -> Vec<(String, String)> {
        let state = self.lock();
        state.targets.iter().map(|(t, k)| (t.to_string(), k.clone())).collect()
    }

    async fn ask<T>(&self, ask: Ask, work: impl FnOnce(&mut State) -> Result<T, Error>) -> Result<T, Error> {
        let fault = {
            let mut state = self.lock();
            state.asked.push(ask);
            let place = state.faults.iter().position(|(a, _)| *a == ask);
            place.and_then(|p| state.faults.remove(p)).map(|(_, fault)| fault)
        };
        match &fault {
            Some(Fault::Away) => return Err(unavailable()),
            Some(Fault::Answers(reason)) => return Err(Error::new(*reason, "as ordered")),
            Some(Fault::Waits(gate)) => gate.pass().await,
            _ => {}
        }
        let answer = work(&mut self.lock());
        match fault {
            Some(Fault::Lost) => return Err(unavailable()),
            Some(Fault::Holds(gate)) => gate.pass().await,
            _ => {}
        }
        answer
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

fn unavailable() -> Error {
    Error::new(Reason::UpstreamUnavailable, "the auth service cannot be reached")
}

fn account(
    state: &mut State,
    tenant: &TenantId,
    id: UserId,
    change: impl FnOnce(&mut BTreeSet<RoleName>),
) -> Result<Account, Error> {
    let entry = state.accounts.get_mut(&id).filter(|(of, _)| of == tenant);
    let (_, roles) = entry.ok_or_else(|| Error::new(Reason::ResourceNotFound, "there is no such account"))?;
    change(roles);
    Ok(Account {
        id: id.to_string(),
        tenant: tenant.to_string(),
        roles: roles.iter().map(ToString::to_string).collect(),
        ..Account::default()
    })
}

#[async_trait]
impl Accounts for Book {
    async fn role_grant(&self, caller: &Caller, user: UserId, role: &RoleName) -> Result<Account, Error> {
        self.ask(Ask::Grant, |state| {
            account(state, caller.tenant(), user, |roles| {
                roles.insert(role.clone());
            })
        })
        .await
    }

    async fn role_revoke(&self, caller: &Caller, user: UserId, role: &RoleName) -> Result<Account, Error> {
        self.ask(Ask::Revoke, |state| {
            account(state, caller.tenant(), user, |roles| {
                roles.remove(role);
            })
        })
        .await
    }

    async fn role_holders(&self, tenant: &TenantId, role: &RoleName) -> Result<u64, Error> {
        self.ask(Ask::Holders, |state| {
            let holds = |(of, roles): &&(TenantId, BTreeSet<RoleName>)| of == tenant && roles.contains(role);
            Ok(state.accounts.values().filter(holds).count() as u64)
        })
        .await
    }

    async fn access_revoke(&self, caller: &Caller, target: Target) -> Result<i64, Error> {
        self.ask(Ask::Access, |state| {
            state
                .targets
                .push((caller.tenant().clone(), target.as_str().to_owned()));
            Ok(3)
        })
        .await
    }

    async fn statistics(&self, tenant: &TenantId) -> Result<AuthStatistics, Error> {
        self.ask(Ask::Statistics, |state| {
            let accounts = state.accounts.values().filter(|(of, _)| of == tenant).count();
            Ok(AuthStatistics {
                accounts: accounts as u64,
                ..AuthStatistics::default()
            })
        })
        .await
    }
}
