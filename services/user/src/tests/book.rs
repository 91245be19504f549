//! A book of accounts: auth's rules in memory, and what can go wrong on the way to auth, on order.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    future::pending,
    pin::Pin,
    sync::{Mutex, MutexGuard},
};

use logicore::{
    Error, Reason,
    ids::{TenantId, UserId},
    secret::Secret,
};
use tokio::sync::Notify;

use crate::domain::{Account, Accounts, Actor, Code, NewAccount, Provisioned};

/// A question to auth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Provision,
    Unprovision,
    Batch,
    Lookup,
    SetDisabled,
}

/// What goes wrong with one question.
pub(super) enum Fault {
    /// Auth does not hear it.
    Away,
    /// Auth does it, and the answer is lost.
    Lost,
    /// Auth does not hear it, and nobody says so.
    HangsBefore,
    /// Auth does it, and the answer never comes.
    HangsAfter,
    /// As [`Fault::HangsBefore`], with a clock that has run on for whoever is waiting.
    Never,
    /// Auth answers with this.
    Answers(Reason),
    /// Auth does it; before the answer comes, this happens.
    Then(Pin<Box<dyn Future<Output = ()> + Send>>),
}

/// An account as auth keeps it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) tenant: TenantId,
    pub(super) email: String,
    pub(super) roles: Vec<String>,
    pub(super) password: bool,
    pub(super) disabled: bool,
    /// The one code that counts.
    pub(super) code: Option<String>,
    /// Who made it.
    pub(super) by: Actor,
}

#[derive(Default)]
struct State {
    accounts: BTreeMap<UserId, Entry>,
    codes: u32,
    away: bool,
    faults: VecDeque<(Ask, Fault)>,
    asked: Vec<Ask>,
}

/// The accounts of every tenant.
#[derive(Default)]
pub(super) struct Book {
    state: Mutex<State>,
    hangs: Notify,
    heard: Notify,
}

impl Book {
    /// Orders something to go wrong with the next question of the kind.
    pub(super) fn fails(&self, ask: Ask, fault: Fault) {
        self.lock().faults.push_back((ask, fault));
    }

    /// Auth is away, or back.
    pub(super) fn away(&self, away: bool) {
        self.lock().away = away;
    }

    pub(super) fn entry(&self, id: UserId) -> Option<Entry> {
        self.lock().accounts.get(&id).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().accounts.len()
    }

    /// How often auth was asked.
    pub(super) fn asked(&self, ask: Ask) -> usize {
        self.lock().asked.iter().filter(|a| **a == ask).count()
    }

    /// Changes an account behind the service's back.
    pub(super) fn change(&self, id: UserId, change: impl FnOnce(&mut Entry)) {
        change(self.lock().accounts.get_mut(&id).expect("the account is there"));
    }

    pub(super) fn remove(&self, id: UserId) {
        self.lock().accounts.remove(&id);
    }

    /// Adds an account that has no profile, as the first admin's has none.
    pub(super) fn add(&self, tenant: &str, email: &str) -> UserId {
        let (id, tenant) = (UserId::generate(), tenant.parse().unwrap());
        let entry = Entry {
            by: Actor::system(TenantId::clone(&tenant)),
            tenant,
            email: email.to_owned(),
            roles: vec!["admin".to_owned()],
            password: true,
            disabled: false,
            code: None,
        };
        self.lock().accounts.insert(id, entry);
        id
    }

    /// Waits for a question.
    pub(super) async fn heard(&self) {
        self.heard.notified().await;
    }

    /// Runs a call until its question to auth hangs, and drops it there: its process died, or its caller went away.
    pub(super) async fn dropped_where_it_hangs<T>(&self, call: impl Future<Output = T>) {
        tokio::select! {
            biased;
            () = self.hangs.notified() => {}
            _ = call => panic!("the call came to its end"),
        }
    }

    async fn ask<T>(&self, ask: Ask, work: impl FnOnce(&mut State) -> Result<T, Error>) -> Result<T, Error> {
        let (away, fault) = {
            let mut state = self.lock();
            state.asked.push(ask);
            let place = state.faults.iter().position(|(a, _)| *a == ask);
            (state.away, place.and_then(|p| state.faults.remove(p)).map(|(_, f)| f))
        };
        self.heard.notify_one();
        match &fault {
            _ if away => return Err(unavailable()),
            Some(Fault::Away) => return Err(unavailable()),
            Some(Fault::Answers(reason)) => return Err(Error::new(*reason, "as ordered")),
            Some(Fault::HangsBefore) => self.hang().await,
            Some(Fault::Never) => {
                tokio::time::pause();
                pending().await
            }
            _ => {}
        }
        let answer = work(&mut self.lock());
        match fault {
            Some(Fault::Lost) => return Err(unavailable()),
            Some(Fault::HangsAfter) => self.hang().await,
            Some(Fault::Then(then)) => then.await,
            _ => {}
        }
        answer
    }

    async fn hang(&self) {
        self.hangs.notify_one();
        pending().await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Book")
    }
}

fn unavailable() -> Error {
    Error::new(Reason::UpstreamUnavailable, "the auth service cannot be reached")
}

impl State {
    fn of(&self, tenant: &TenantId, id: UserId) -> Option<&Entry> {
        self.accounts.get(&id).filter(|e| e.tenant == *tenant)
    }
}

fn account(id: UserId, entry: &Entry) -> Account {
    Account {
        id,
        email: entry.email.clone(),
        roles: entry.roles.clone(),
    }
}

fn provision(state: &mut State, new: &NewAccount, actor: &Actor) -> Result<Provisioned, Error> {
    let email = new.email.trim().to_lowercase();
    let same = |e: &Entry| e.tenant == new.tenant && e.email == email;
    // The email is another account's, or the id is an account's with another email.
    if state
        .accounts
        .iter()
        .any(|(id, e)| same(e) != (*id == new.id) && (same(e) || *id == new.id))
    {
        return Err(Error::new(
            Reason::ResourceExists,
            "an account with this email exists already",
        ));
    }
    state.codes += 1;
    let code = format!("code-{}", state.codes);
    let entry = state.accounts.entry(new.id).or_insert_with(|| Entry {
        tenant: new.tenant.clone(),
        email,
        roles: vec!["user".to_owned()],
        password: false,
        disabled: false,
        code: None,
        by: actor.clone(),
    });
    if !entry.password {
        entry.code = Some(code.clone());
    }
    Ok(Provisioned {
        account: account(new.id, entry),
        code: (!entry.password).then(|| Code {
            code: Secret::new(code),
            expire_time: None,
        }),
    })
}

#[async_trait::async_trait]
impl Accounts for Book {
    async fn provision(&self, new: &NewAccount, actor: &Actor) -> Result<Provisioned, Error> {
        self.ask(Ask::Provision, |state| provision(state, new, actor)).await
    }

    async fn unprovision(&self, tenant: &TenantId, id: UserId, _: &Actor) -> Result<(), Error> {
        self.ask(Ask::Unprovision, |state| {
            match state.of(tenant, id) {
                Some(entry) if entry.password => {
                    return Err(Error::new(Reason::StateForbids, "the account has a password"));
                }
                Some(_) => drop(state.accounts.remove(&id)),
                None => {}
            }
            Ok(())
        })
        .await
    }

    async fn batch(&self, tenant: &TenantId, ids: &[UserId]) -> Result<Vec<Account>, Error> {
        self.ask(Ask::Batch, |state| {
            let found = ids.iter().filter_map(|id| Some(account(*id, state.of(tenant, *id)?)));
            Ok(found.collect())
        })
        .await
    }

    async fn lookup(&self, tenant: &TenantId, email: &str) -> Result<Option<Account>, Error> {
        self.ask(Ask::Lookup, |state| {
            let email = email.trim().to_lowercase();
            let mut all = state.accounts.iter();
            let found = all.find(|(_, e)| e.tenant == *tenant && e.email == email);
            Ok(found.map(|(id, e)| account(*id, e)))
        })
        .await
    }

    async fn set_disabled(&self, tenant: &TenantId, id: UserId, disabled: bool, _: &Actor) -> Result<bool, Error> {
        self.ask(Ask::SetDisabled, |state| {
            let there = state.of(tenant, id).is_some();
            if let (true, Some(entry)) = (there, state.accounts.get_mut(&id)) {
                entry.disabled = disabled;
            }
            Ok(there)
        })
        .await
    }
}
