//! The demo accounts: who they are, and when there are any. Well-known passwords must not outlive the loopback.

use std::net::IpAddr;

use http::Uri;
use uuid::uuid;

use super::{Role, Settings};
use crate::ids::UserId;

/// Id of the demo user: account and profile are made by different services and meet in it.
pub const DEMO_USER_ID: UserId = UserId(uuid!("01900000-0000-7000-8000-00000000de01"));

/// Id of the demo admin.
pub const DEMO_ADMIN_ID: UserId = UserId(uuid!("01900000-0000-7000-8000-00000000de02"));

/// What a start does about the demo accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DemoPlan {
    /// Makes them where the store is empty; leaves them as they are where they exist.
    Create,
    /// Makes none, leaves those that exist.
    Keep,
    /// Disables those that exist, and their sessions.
    Disable,
}

impl Settings {
    /// Whether callers use a name of this machine for itself. Behind a proxy they do not, though the port is on loopback.
    fn called_on_loopback(&self) -> bool {
        let uri = self.public_url.parse::<Uri>().ok();
        uri.as_ref().and_then(Uri::host).is_some_and(|host| {
            let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
            host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|a| a.is_loopback())
        })
    }

    /// What this start does about the demo accounts: well-known passwords must not outlive the loopback.
    #[must_use]
    pub fn demo_plan(&self) -> DemoPlan {
        if self.production || !self.on_loopback() {
            return DemoPlan::Disable;
        }
        match self.demo {
            Some(true) => DemoPlan::Create,
            _ if !self.called_on_loopback() => DemoPlan::Disable,
            None if self.role == Role::All => DemoPlan::Create,
            _ => DemoPlan::Keep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demo_accounts_do_not_outlive_the_loopback() {
        let plan = |listen: &str, public_url: &str, demo| {
            let mut settings = Settings::defaults(Role::All);
            settings.listen = listen.parse().unwrap();
            settings.public_url = public_url.to_owned();
            settings.demo = demo;
            settings.demo_plan()
        };
        for here in [
            "http://localhost:8080",
            "https://app.localhost",
            "http://127.0.0.1:80",
            "http://[::1]:80",
        ] {
            assert_eq!(plan("127.0.0.1:8080", here, None), DemoPlan::Create, "{here}");
            assert_eq!(plan("0.0.0.0:8080", here, Some(true)), DemoPlan::Disable, "{here}");
        }
        for proxied in [
            "https://api.example.com",
            "http://192.0.2.1",
            "https://localhost.example.com",
        ] {
            assert_eq!(plan("127.0.0.1:8080", proxied, None), DemoPlan::Disable, "{proxied}");
            assert_eq!(
                plan("127.0.0.1:8080", proxied, Some(true)),
                DemoPlan::Create,
                "asked for"
            );
        }
    }
}
