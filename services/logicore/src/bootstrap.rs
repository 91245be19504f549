//! `logicore admin bootstrap`: the first admin, through the auth service that runs on the data folder, or on its store where none does.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use logicore::{
    api::auth::{BootstrapAdminRequest, BootstrapAdminResponse, account_service_client::AccountServiceClient},
    layer,
    mesh::{self},
    settings::{Loaded, Settings},
};
use tonic::Status;

use crate::process;

/// Makes the admin and prints how to get in.
///
/// # Errors
/// When there is an admin, the email is none, or the store cannot be opened.
pub(crate) fn run(loaded: Loaded, email: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let settings = loaded.settings.clone();
    let data = std::path::absolute(&settings.data_dir).unwrap_or_else(|_| settings.data_dir.clone());
    let is_new = !data.join("auth.db").exists();
    let made = runtime.block_on(bootstrap(loaded.settings, email))?;
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    if is_new {
        eprintln!(
            "note: there was no database in {}, so one was made. A server that runs elsewhere does not know this admin.",
            data.display()
        );
    }
    crate::say(text(&made, email, &settings.public_url, &data).as_bytes())?;
    Ok(())
}

async fn bootstrap(settings: Settings, email: &str) -> Result<BootstrapAdminResponse> {
    let request = BootstrapAdminRequest {
        email: email.to_owned(),
    };
    #[cfg(unix)]
    if let Ok(channel) = mesh::operator_on_socket(&settings.data_dir).await {
        let mut auth = AccountServiceClient::new(channel);
        return Ok(auth.bootstrap_admin(request).await.map_err(refused)?.into_inner());
    }
    let (ctx, _) = process::context(settings);
    let routes = logicore_auth::start(&ctx).await?;
    let stack = layer::service_stack(&ctx, routes);
    let mut auth = AccountServiceClient::new(mesh::as_operator(&ctx, stack));
    let made = auth.bootstrap_admin(request).await.map_err(refused);
    ctx.shutdown.cancel();
    ctx.tasks.close();
    ctx.tasks.wait().await;
    let made = made?.into_inner();
    if made.account.is_none() {
        bail!("auth answered without the account");
    }
    Ok(made)
}

fn refused(status: Status) -> anyhow::Error {
    anyhow::anyhow!("{}", status.message())
}

fn text(made: &BootstrapAdminResponse, email: &str, public_url: &str, data: &Path) -> String {
    let code = &made.set_password_code;
    let until = made
        .code_expire_time
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    // The placeholder is too short to become somebody's password when it is sent as it stands.
    format!(
        "The first admin in {} is {email}. This code sets the password, once, until {until}; older codes are void:\n\n  \
         {code}\n\n\
         for example, with a password of at least 15 characters, by\n\n  \
         curl -X POST {public_url}/auth/password:set -H 'Content-Type: application/json' \\\n    \
         -d '{{\"code\":\"{code}\",\"newPassword\":\"...\"}}'\n",
        data.display()
    )
}
