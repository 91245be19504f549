"""What goes wrong, and how a client reads it.

A code and a sentence are for people. Programs get the details of `google.rpc`: a reason that never changes (ErrorInfo), and what it
is about. The gateway carries them unchanged to gRPC, gRPC-Web and Connect clients and writes them as JSON for REST.
"""

import contextlib

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

DOMAIN = "shipments.example.com"


class Problem(Exception):
    """A call that fails by a rule, not by a defect: a code of gRPC, a reason for programs, a sentence, further details."""

    def __init__(self, code, reason, message, *details):
        super().__init__(message)
        info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN)
        self.status = status_pb2.Status(code=code, message=message)
        for detail in (info, *details):
            packed = any_pb2.Any()
            packed.Pack(detail)
            self.status.details.append(packed)


def invalid(violations):
    """Fields that cannot be so: pairs of a path and what is wrong, all at once and not the first alone."""
    bad = error_details_pb2.BadRequest()
    for field, description in violations:
        bad.field_violations.add(field=field, description=description)
    first = f"{violations[0][0]}: {violations[0][1]}"
    return Problem(code_pb2.INVALID_ARGUMENT, "INVALID_FIELD", first, bad)


def not_found(shipment_id):
    """No such shipment in the caller's tenant. One of another tenant looks the same: that it exists is not theirs to know."""
    resource = error_details_pb2.ResourceInfo(resource_type="shipments.v1.Shipment", resource_name=shipment_id)
    return Problem(code_pb2.NOT_FOUND, "SHIPMENT_NOT_FOUND", "there is no such shipment", resource)


def already_delivered():
    """It has arrived, so nothing about it changes any more."""
    return Problem(code_pb2.FAILED_PRECONDITION, "SHIPMENT_DELIVERED", "the shipment has arrived")


def key_reused():
    """The idempotency key stands for another shipment."""
    message = "this idempotency key was used for another shipment"
    return Problem(code_pb2.FAILED_PRECONDITION, "IDEMPOTENCY_KEY_REUSED", message)


def not_by_the_gateway():
    """Nobody vouches for the caller."""
    message = "calls are taken from the gateway alone, which says who calls"
    return Problem(code_pb2.UNAUTHENTICATED, "NO_CALLER", message)


def stopping():
    """This process ends: a client that comes again finds the next one."""
    return Problem(code_pb2.UNAVAILABLE, "STOPPING", "the service is stopping; follow the shipment again")


@contextlib.asynccontextmanager
async def told_to(context: grpc.aio.ServicerContext):
    """Ends the call with the status of a problem that is raised inside."""
    try:
        yield
    except Problem as problem:
        await context.abort_with_status(rpc_status.to_status(problem.status))
