//! Questions for many users: filter, order and page as the store understands them.

mod filter;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use logicore::{
    Error, Reason,
    ids::{TenantId, UserId},
};
use logicore_store::{filter::Op, page};
use serde::{Deserialize, Serialize};

use super::{Actor, Profile, State, User, Users};

/// What a caller asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListUsers {
    pub(crate) page_size: i32,
    pub(crate) page_token: String,
    pub(crate) filter: String,
    pub(crate) order_by: String,
    pub(crate) show_deleted: bool,
}

/// A page of users.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) users: Vec<User>,
    /// Empty on the last page.
    pub(crate) next_page_token: String,
}

/// A text that can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextField {
    DisplayName,
    GivenName,
    FamilyName,
    Locale,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Text(TextField, Op, String),
    State(Op, State),
    CreateTime(Op, DateTime<Utc>),
    Label(String, Op, String),
    HasLabel(String),
    Id(UserId),
}

/// What users are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderField {
    CreateTime,
    UpdateTime,
    DisplayName,
}

/// How users are sorted; ties go by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) field: OrderField,
    pub(crate) descending: bool,
}

/// A value of the field that users are sorted by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    Time(DateTime<Utc>),
    Text(String),
}

/// The last user of a page; the next page begins after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) place: Place,
    pub(crate) id: UserId,
}

/// A question as the store takes it.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) tenant: TenantId,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) order: Order,
    pub(crate) show_deleted: bool,
    pub(crate) after: Option<Position>,
    pub(crate) limit: usize,
}

impl Order {
    /// `create_time`, `update_time` or `display_name`, with ` desc` or ` asc`.
    fn read(order_by: &str) -> Result<Self, Error> {
        let refused = || {
            Error::new(
                Reason::InvalidOrderBy,
                "order_by: is `create_time`, `update_time` or `display_name`, with ` desc` for descending",
            )
        };
        let mut words = order_by.split_whitespace();
        let field = match words.next() {
            None | Some("create_time") => OrderField::CreateTime,
            Some("update_time") => OrderField::UpdateTime,
            Some("display_name") => OrderField::DisplayName,
            Some(_) => return Err(refused()),
        };
        let descending = match (words.next(), words.next()) {
            (None | Some("asc"), None) => false,
            (Some("desc"), None) => true,
            _ => return Err(refused()),
        };
        Ok(Self { field, descending })
    }

    fn position(self, profile: &Profile) -> Position {
        let place = match self.field {
            OrderField::CreateTime => Place::Time(profile.create_time),
            OrderField::UpdateTime => Place::Time(profile.update_time),
            OrderField::DisplayName => Place::Text(profile.fields.display_name.clone()),
        };
        Position { place, id: profile.id }
    }

    /// Whether a position of a token, which anybody may have written, is one of this order.
    fn takes(self, position: &Position) -> bool {
        matches!(position.place, Place::Text(_)) == (self.field == OrderField::DisplayName)
    }
}

impl Users {
    /// A page of the users of the actor's tenant.
    pub(crate) async fn list(&self, actor: &Actor, list: &ListUsers) -> Result<Page, Error> {
        let size = page::size(list.page_size)?;
        let order = Order::read(&list.order_by)?;
        let bound = page::Query::new("user.list")
            .with(actor.tenant.as_str())
            .with(&list.filter)
            .with(&list.order_by)
            .with([u8::from(list.show_deleted)]);
        let after: Option<Position> = bound.position(&list.page_token)?;
        if after.as_ref().is_some_and(|p| !order.takes(p)) {
            return Err(Error::new(Reason::InvalidPageToken, "page_token: is damaged"));
        }
        let Some(conditions) = self.conditions(&actor.tenant, &list.filter).await? else {
            return Ok(Page {
                users: Vec::new(),
                next_page_token: String::new(),
            });
        };
        let query = Query {
            tenant: actor.tenant.clone(),
            conditions,
            order,
            show_deleted: list.show_deleted,
            after,
            limit: size + 1,
        };
        let mut profiles = self.store.profile_list(&query).await?;
        let more = profiles.len() > size;
        profiles.truncate(size);
        let next_page_token = match profiles.last() {
            Some(last) if more => bound.token(&order.position(last)),
            _ => String::new(),
        };
        Ok(Page {
            users: self.with_accounts(&actor.tenant, profiles).await,
            next_page_token,
        })
    }

    async fn with_accounts(&self, tenant: &TenantId, profiles: Vec<Profile>) -> Vec<User> {
        let ids: Vec<_> = profiles.iter().map(|p| p.id).collect();
        let accounts = self.accounts_of(tenant, &ids).await;
        let mut accounts: HashMap<_, _> = accounts.into_iter().map(|a| (a.id, a)).collect();
        let user = |profile: Profile| User {
            account: accounts.remove(&profile.id),
            profile,
        };
        profiles.into_iter().map(user).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read() {
        let table = [
            ("", OrderField::CreateTime, false),
            ("create_time desc", OrderField::CreateTime, true),
            (" update_time  asc ", OrderField::UpdateTime, false),
            ("display_name", OrderField::DisplayName, false),
        ];
        for (order_by, field, descending) in table {
            assert_eq!(
                Order::read(order_by).unwrap(),
                Order { field, descending },
                "{order_by}"
            );
        }
        for bad in [
            "email",
            "create_time up",
            "create_time desc x",
            "create_time, id",
            "CREATE_TIME",
        ] {
            assert_eq!(Order::read(bad).unwrap_err().reason(), Reason::InvalidOrderBy, "{bad}");
        }
    }
}
