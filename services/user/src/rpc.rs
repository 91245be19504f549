//! The gRPC face: convert, call, convert. Who may call what is decided in the layers in front of it.

mod convert;

use std::sync::Arc;

use logicore::{
    Error,
    access::{self, Origin},
    api::user::{self as pb, user_service_server::UserService},
    ids::{self, UserId},
};
use tonic::{Extensions, Request, Response, Status};
use uuid::Uuid;

use crate::domain::{Actor, CreateUser, ListUsers, Mask, UpdateUser, Users};

/// The user service.
#[derive(Clone, Debug)]
pub(crate) struct UserRpc(Arc<Users>);

impl UserRpc {
    pub(crate) fn new(users: Arc<Users>) -> Self {
        Self(users)
    }
}

#[tonic::async_trait]
impl UserService for UserRpc {
    async fn create_user(
        &self,
        request: Request<pb::CreateUserRequest>,
    ) -> Result<Response<pb::CreateUserResponse>, Status> {
        let (actor, message) = open(request)?;
        let user = message.user.unwrap_or_default();
        let create = CreateUser {
            email: user.email.clone(),
            fields: convert::fields(user),
            request_id: request_id(&message.request_id)?,
        };
        let created = self.0.create(&actor, create).await?;
        let expire_time = created.code.as_ref().and_then(|c| c.expire_time);
        Ok(Response::new(pb::CreateUserResponse {
            user: Some(convert::user(created.user)),
            set_password_code: created.code.map(|c| c.code.expose().to_owned()).unwrap_or_default(),
            code_expire_time: expire_time.map(convert::timestamp),
        }))
    }

    async fn get_user(&self, request: Request<pb::GetUserRequest>) -> Result<Response<pb::GetUserResponse>, Status> {
        let (actor, message) = open(request)?;
        let user = self.0.get(&actor, id_or_caller(&actor, &message.id)?).await?;
        Ok(Response::new(pb::GetUserResponse {
            user: Some(convert::user(user)),
        }))
    }

    async fn list_users(
        &self,
        request: Request<pb::ListUsersRequest>,
    ) -> Result<Response<pb::ListUsersResponse>, Status> {
        let (actor, message) = open(request)?;
        let list = ListUsers {
            page_size: message.page_size,
            page_token: message.page_token,
            filter: message.filter,
            order_by: message.order_by,
            show_deleted: message.show_deleted,
        };
        let page = self.0.list(&actor, &list).await?;
        Ok(Response::new(pb::ListUsersResponse {
            users: page.users.into_iter().map(convert::user).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn update_user(
        &self,
        request: Request<pb::UpdateUserRequest>,
    ) -> Result<Response<pb::UpdateUserResponse>, Status> {
        let (actor, message) = open(request)?;
        let id = id_or_caller(&actor, &message.id)?;
        let user = message.user.unwrap_or_default();
        let (etag, email) = (user.etag.clone(), user.email.clone());
        let fields = convert::fields(user);
        let paths = message.update_mask.unwrap_or_default().paths;
        let mask = Mask::read(&paths, &fields)?;
        let update = UpdateUser {
            id,
            fields,
            mask,
            etag,
            email,
        };
        let user = self.0.update(&actor, &update).await?;
        Ok(Response::new(pb::UpdateUserResponse {
            user: Some(convert::user(user)),
        }))
    }

    async fn delete_user(
        &self,
        request: Request<pb::DeleteUserRequest>,
    ) -> Result<Response<pb::DeleteUserResponse>, Status> {
        let (actor, message) = open(request)?;
        let user = self
            .0
            .delete(&actor, ids::parse("id", &message.id)?, &message.etag)
            .await?;
        Ok(Response::new(pb::DeleteUserResponse {
            user: Some(convert::user(user)),
        }))
    }

    async fn undelete_user(
        &self,
        request: Request<pb::UndeleteUserRequest>,
    ) -> Result<Response<pb::UndeleteUserResponse>, Status> {
        let (actor, message) = open(request)?;
        let user = self.0.undelete(&actor, ids::parse("id", &message.id)?).await?;
        Ok(Response::new(pb::UndeleteUserResponse {
            user: Some(convert::user(user)),
        }))
    }
}

/// The caller and the message.
fn open<T>(request: Request<T>) -> Result<(Actor, T), Error> {
    let (_, extensions, message) = request.into_parts();
    Ok((actor(&extensions)?, message))
}

fn actor(extensions: &Extensions) -> Result<Actor, Error> {
    let principal = access::principal(extensions)?;
    let unknown = Origin::default();
    let origin = extensions.get::<Origin>().unwrap_or(&unknown);
    Ok(Actor::of(principal, origin))
}

fn id_or_caller(actor: &Actor, id: &str) -> Result<UserId, Error> {
    match actor.subject {
        Some(caller) if id.is_empty() => Ok(caller),
        _ => ids::parse("id", id),
    }
}

fn request_id(text: &str) -> Result<Option<Uuid>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    Uuid::try_parse(text)
        .map(Some)
        .map_err(|_| Error::field("request_id", "is not a UUID"))
}
