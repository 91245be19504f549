//! The first accounts: the demo's, and the first admin.

use std::sync::Arc;

use logicore::ids::{TenantId, UserId};
use logicore_store::Tx;
use uuid::Uuid;

use super::{
    Fault,
    accounts::{
        add_role_in_tx, holders_in_tx, insert_in_tx, must_find_in_tx, roles_changed_in_tx, row_by_email, set_disabled,
    },
    append,
    passwords::put_code_in_tx,
    rows::{corrupt, tenant as read_tenant},
};
use crate::{
    accounts::ADMIN,
    audit::Entry,
    codes::StoredCode,
    revocations::{Sink, Stamp},
    store::{Bootstrapped, DemoAccount, NewAccount},
};

pub(super) async fn bootstrap(
    tx: &mut Tx,
    sink: Arc<dyn Sink>,
    new: &NewAccount,
    stamp: Stamp,
    audit: Entry,
) -> Result<Bootstrapped, Fault> {
    const VOID: &str = "\
        DELETE FROM codes WHERE tenant = $1 AND account IN \
            (SELECT account FROM account_roles WHERE tenant = $1 AND role = $2)";
    let admin = ADMIN.parse().map_err(corrupt)?;
    if holders_in_tx(tx, &new.tenant, &admin, None).await? > 0 {
        return Ok(Bootstrapped::AdminExists);
    }
    let there = row_by_email(tx.conn(), &new.tenant, &new.email).await?;
    if there.as_ref().is_some_and(|row| row.disabled) {
        return Ok(Bootstrapped::Disabled);
    }
    let id = match there {
        Some(row) => {
            for role in &new.roles {
                add_role_in_tx(tx, &new.tenant, UserId(row.id), role).await?;
            }
            roles_changed_in_tx(tx, sink, &new.tenant, UserId(row.id), stamp).await?;
            UserId(row.id)
        }
        None => {
            insert_in_tx(tx, new, None, false).await?;
            new.id
        }
    };
    sqlx::query(VOID)
        .bind(new.tenant.as_str())
        .bind(ADMIN)
        .execute(tx.conn())
        .await?;
    put_code_in_tx(tx, &new.tenant, id, &new.code).await?;
    append(tx, &audit.on("account", id)).await?;
    must_find_in_tx(tx, &new.tenant, id).await.map(Bootstrapped::Account)
}

pub(super) async fn demo_create(tx: &mut Tx, accounts: &[DemoAccount], audits: &[Entry]) -> Result<bool, Fault> {
    const ANY: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM accounts LIMIT 1) AS some";
    let any: i64 = sqlx::query_scalar(ANY).fetch_one(tx.conn()).await?;
    if any > 0 {
        return Ok(false);
    }
    let now = tx.now();
    for demo in accounts {
        let new = NewAccount {
            tenant: TenantId::default(),
            id: demo.id,
            email: demo.email.clone(),
            roles: demo.roles.clone(),
            code: StoredCode {
                hash: Vec::new(),
                expire_time: now,
            },
            now,
        };
        insert_in_tx(tx, &new, Some(demo.password.expose()), true).await?;
    }
    for audit in audits {
        append(tx, audit).await?;
    }
    Ok(true)
}

pub(super) async fn demo_disable(tx: &mut Tx, sink: Arc<dyn Sink>, stamp: Stamp, audit: &Entry) -> Result<u64, Fault> {
    const DEMO: &str = "SELECT tenant, id FROM accounts WHERE demo = TRUE AND disabled = FALSE";
    let rows: Vec<(String, Uuid)> = sqlx::query_as(DEMO).fetch_all(tx.conn()).await?;
    for (tenant, id) in &rows {
        let (tenant, id) = (read_tenant(tenant)?, UserId(*id));
        let audit = audit.clone().on("account", id).with("demo", true);
        set_disabled(tx, Arc::clone(&sink), &tenant, id, true, stamp, &audit).await?;
    }
    Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
}
