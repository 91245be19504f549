"""Who calls.

The gateway has verified the caller's token, has checked the permission that the method asks for, and has taken the token off. What
is left is a few lines of metadata. What a client sends under these names is dropped at the gateway, so they can be believed as
long as nobody but the gateway reaches this port: it listens on loopback, or asks for a client certificate (`server`).
"""

import dataclasses

from . import problems

SUBJECT = "x-logicore-subject"
TENANT = "x-logicore-tenant"
ROLES = "x-logicore-roles"


@dataclasses.dataclass(frozen=True)
class Caller:
    """A verified caller."""

    subject: str
    tenant: str
    roles: tuple[str, ...]


def of(metadata):
    """The caller by the metadata of a call. Refuses a call without one, or with two: that is not what the gateway sends."""
    subjects, tenants, roles = (_all(metadata, name) for name in (SUBJECT, TENANT, ROLES))
    if len(subjects) != 1 or len(tenants) != 1 or not tenants[0] or len(roles) > 1:
        raise problems.not_by_the_gateway()
    names = (role.strip() for role in ",".join(roles).split(","))
    return Caller(subjects[0], tenants[0], tuple(name for name in names if name))


def _all(metadata, name):
    return [value for key, value in metadata if key == name]
