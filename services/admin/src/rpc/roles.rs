//! Roles on the wire: pages, masks.

use logicore::{Error, Reason, api::admin as pb, ids};
use logicore_store::page;
use tonic::Response;

use super::{Answer, convert};
use crate::{
    app::Admin,
    caller::Caller,
    roles::{Draft, Patch},
};

pub(super) async fn list(
    admin: &Admin,
    caller: &Caller,
    request: &pb::ListRolesRequest,
) -> Answer<pb::ListRolesResponse> {
    let size = page::size(request.page_size)?;
    let question = page::Query::new("role.list").with(caller.tenant().as_str());
    let after: String = question.position(&request.page_token)?.unwrap_or_default();
    let mut roles = admin.role_list(caller, &after, size + 1).await?;
    let more = roles.len() > size;
    roles.truncate(size);
    let last = roles.last().filter(|_| more);
    Ok(Response::new(pb::ListRolesResponse {
        next_page_token: last.map(|role| question.token(&role.name())).unwrap_or_default(),
        roles: roles
            .into_iter()
            .map(|r| convert::listed(&admin.catalogue, r))
            .collect(),
    }))
}

pub(super) async fn create(
    admin: &Admin,
    caller: &Caller,
    request: pb::CreateRoleRequest,
) -> Answer<pb::CreateRoleResponse> {
    let role = request.role.ok_or_else(|| Error::field("role", "is missing"))?;
    let draft = Draft {
        name: role.name.parse().map_err(|e: Error| name_field("role.name", &e))?,
        description: role.description,
        permissions: role.permissions,
    };
    let role = admin.role_create(caller, draft).await?;
    Ok(Response::new(pb::CreateRoleResponse {
        role: Some(convert::role_own(role)),
    }))
}

pub(super) async fn update(
    admin: &Admin,
    caller: &Caller,
    request: pb::UpdateRoleRequest,
) -> Answer<pb::UpdateRoleResponse> {
    let role = request.role.ok_or_else(|| Error::field("role", "is missing"))?;
    let name = ids::parse("name", &request.name)?;
    if !role.name.is_empty() && role.name != request.name {
        return Err(Error::field("role.name", "a role keeps its name; leave it out or repeat it").into());
    }
    let paths = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
    let patch = patch(role, &paths)?;
    let role = admin.role_update(caller, name, patch).await?;
    Ok(Response::new(pb::UpdateRoleResponse {
        role: Some(convert::role_own(role)),
    }))
}

/// What a mask (AIP-134) takes out of the new values. Without one, every field that is set.
fn patch(role: pb::Role, paths: &[String]) -> Result<Patch, Error> {
    let mut patch = Patch {
        etag: role.etag,
        ..Patch::default()
    };
    if paths.is_empty() {
        patch.description = Some(role.description).filter(|d| !d.is_empty());
        patch.permissions = Some(role.permissions).filter(|p| !p.is_empty());
        return Ok(patch);
    }
    for path in paths {
        match path.as_str() {
            "description" => patch.description = Some(role.description.clone()),
            "permissions" => patch.permissions = Some(role.permissions.clone()),
            "*" => {
                patch.description = Some(role.description.clone());
                patch.permissions = Some(role.permissions.clone());
            }
            other => return Err(bad_path(other)),
        }
    }
    Ok(patch)
}

fn bad_path(path: &str) -> Error {
    let text = format!(
        "`{}` cannot be updated; `description` and `permissions` can",
        path.escape_debug()
    );
    Error::new(Reason::InvalidFieldMask, text)
}

fn name_field(field: &str, error: &Error) -> Error {
    Error::field(field, error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role() -> pb::Role {
        pb::Role {
            description: String::new(),
            permissions: vec!["users.read".to_owned()],
            etag: "e".to_owned(),
            ..pb::Role::default()
        }
    }

    fn paths(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn an_empty_mask_takes_what_is_set() {
        let patch = patch(role(), &[]).unwrap();
        assert_eq!(patch.description, None);
        assert_eq!(patch.permissions, Some(vec!["users.read".to_owned()]));
        assert_eq!(patch.etag, "e");
    }

    #[test]
    fn a_star_takes_empty_values_too() {
        let patch = patch(role(), &paths(&["*"])).unwrap();
        assert_eq!(patch.description.as_deref(), Some(""));
        assert!(patch.permissions.is_some());
    }

    #[test]
    fn a_mask_takes_only_what_it_names() {
        let patch = patch(role(), &paths(&["description"])).unwrap();
        assert_eq!((patch.description.as_deref(), patch.permissions), (Some(""), None));
    }

    #[test]
    fn a_mask_cannot_name_what_is_not_the_callers() {
        for path in ["name", "built_in", "create_time", "etag", "permissions.x", ""] {
            let error = patch(role(), &paths(&[path])).unwrap_err();
            assert_eq!(error.reason(), Reason::InvalidFieldMask, "{path}");
        }
    }
}
