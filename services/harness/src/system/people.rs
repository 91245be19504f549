//! Who signs in.

use anyhow::{Context as _, ensure};
use serde_json::json;

use super::System;
use crate::Reply;

/// What a login gave.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Access token.
    pub access: String,
    /// Refresh token.
    pub refresh: String,
    /// Session id.
    pub session: String,
}

/// Somebody who was made for a test and has signed in.
#[derive(Clone, Debug)]
pub struct Person {
    /// Id.
    pub id: String,
    /// Login email.
    pub email: String,
    /// Password.
    pub password: String,
    /// Tokens of the first login.
    pub tokens: Tokens,
}

impl System {
    /// Logs in.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub async fn login(&self, email: &str, password: &str) -> anyhow::Result<Tokens> {
        let reply = self.try_login(email, password).await?;
        ensure!(
            reply.status == 200,
            "login of {email}: {} {}",
            reply.status,
            reply.text()
        );
        Tokens::try_from(&reply)
    }

    /// Tries to log in.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn try_login(&self, email: &str, password: &str) -> anyhow::Result<Reply> {
        let body = json!({"email": email, "password": password});
        self.post("/auth/login", "", &body).await
    }

    /// Logs the demo user in.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub async fn demo(&self) -> anyhow::Result<Tokens> {
        self.login("demo@example.com", "demo123").await
    }

    /// Logs the demo admin in.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub async fn admin(&self) -> anyhow::Result<Tokens> {
        self.login("admin@example.com", "admin123").await
    }

    /// Refreshes.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn refresh(&self, token: &str) -> anyhow::Result<Reply> {
        self.post("/auth/refresh", "", &json!({"refreshToken": token})).await
    }

    /// Refreshes, and takes the new tokens.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub async fn refreshed(&self, token: &str) -> anyhow::Result<Tokens> {
        let reply = self.refresh(token).await?;
        ensure!(reply.status == 200, "refresh: {} {}", reply.status, reply.text());
        Tokens::try_from(&reply)
    }

    /// Makes somebody with these roles beside `user`, as an admin does, and signs them in.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn person(&self, admin: &Tokens, email: &str, roles: &[&str]) -> anyhow::Result<Person> {
        let user = json!({"user": {"email": email, "displayName": email}});
        let made = self.post("/v1/users", &admin.access, &user).await?;
        ensure!(made.status == 200, "making {email}: {}", made.text());
        let made = made.json();
        let id = made["user"]["id"].as_str().context("an id")?.to_owned();
        let password = "correct horse battery staple".to_owned();
        let set = json!({"code": made["setPasswordCode"], "newPassword": password});
        let set = self.post("/auth/password:set", "", &set).await?;
        ensure!(set.status == 200, "password of {email}: {}", set.text());
        for role in roles {
            self.grant(admin, &id, role).await?;
        }
        let tokens = self.login(email, &password).await?;
        Ok(Person {
            id,
            email: email.to_owned(),
            password,
            tokens,
        })
    }

    /// Gives a user a role.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn grant(&self, by: &Tokens, user: &str, role: &str) -> anyhow::Result<()> {
        let path = format!("/v1/users/{user}:grantRole");
        let granted = self.post(&path, &by.access, &json!({"role": role})).await?;
        ensure!(granted.status == 200, "granting {role}: {}", granted.text());
        Ok(())
    }

    /// Makes a role of these permissions.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn role(&self, by: &Tokens, name: &str, permissions: &[&str]) -> anyhow::Result<()> {
        let role = json!({"name": name, "permissions": permissions});
        let made = self.post("/v1/roles", &by.access, &role).await?;
        ensure!(made.status == 200, "making role {name}: {}", made.text());
        Ok(())
    }
}

impl TryFrom<&Reply> for Tokens {
    type Error = anyhow::Error;

    fn try_from(reply: &Reply) -> anyhow::Result<Self> {
        let json = reply.json();
        let text = |name: &str| {
            let text = json[name].as_str().map(str::to_owned);
            text.with_context(|| format!("{name} in {json}"))
        };
        Ok(Self {
            access: text("accessToken")?,
            refresh: text("refreshToken")?,
            session: text("sessionId")?,
        })
    }
}
