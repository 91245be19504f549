//! What a person sees who starts everything at a terminal: where it is, and how to get in.

use std::io::IsTerminal;

use logicore::{
    Context,
    api::auth::{AccountState, LookupAccountRequest, account_service_client::AccountServiceClient},
    ids::TenantId,
    settings::{DemoPlan, LogFormat, Role},
};

/// The demo accounts as the guide gives them: title, email, password.
const DEMO: [(&str, &str, &str); 2] = [
    ("demo user", "demo@example.com", "demo123"),
    ("demo admin", "admin@example.com", "admin123"),
];

/// Prints the banner, as far as there is somebody to read it; unless the output is a log for programs.
pub(crate) async fn show(ctx: &Context) {
    let settings = &ctx.settings;
    let for_people = match settings.telemetry.log_format {
        LogFormat::Json => false,
        LogFormat::Text => true,
        LogFormat::Auto => std::io::stdout().is_terminal() || settings.role == Role::All,
    };
    if !for_people {
        return;
    }
    // A terminal that is gone does not keep a server from serving.
    let _ = crate::say(text(ctx).await.as_bytes());
}

async fn text(ctx: &Context) -> String {
    let settings = &ctx.settings;
    let data = std::path::absolute(&settings.data_dir).unwrap_or_else(|_| settings.data_dir.clone());
    let mut lines = vec![
        format!("\nLogiCore {}\n", logicore::VERSION),
        format!("  address     {}", settings.public_url),
        format!("  docs        {}/docs", settings.public_url),
        format!("  data        {}", data.display()),
    ];
    let known = lines.len();
    if settings.demo_plan() == DemoPlan::Create {
        for (title, email, password) in DEMO {
            if exists(ctx, email).await {
                lines.push(format!("  {title:<10}  {email} / {password} (unless changed)"));
            }
        }
    }
    if lines.len() == known {
        lines.push("  first admin made by `logicore admin bootstrap --email ...`, where there is none yet".to_owned());
    }
    lines.push(String::from("\n"));
    lines.join("\n")
}

/// Whether somebody can sign in by this email.
async fn exists(ctx: &Context, email: &str) -> bool {
    let mut auth = AccountServiceClient::new(ctx.neighbours.auth.clone());
    let request = LookupAccountRequest {
        tenant: TenantId::default().to_string(),
        email: email.to_owned(),
    };
    let found = auth.lookup_account(request).await;
    found.is_ok_and(|answer| {
        let account = answer.into_inner().account;
        account.is_some_and(|a| a.state() == AccountState::Active)
    })
}
