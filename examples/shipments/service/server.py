"""The server around the service: health, reflection, TLS, a log, and an end that loses no call."""

import logging
import pathlib

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from shipments.v1 import shipments_pb2, shipments_pb2_grpc

from . import caller
from .api import ShipmentService
from .store import Store

NAME = shipments_pb2.DESCRIPTOR.services_by_name["ShipmentService"].full_name
# How long calls that run may take to end.
GRACE = 10

log = logging.getLogger("shipments")


class Log(grpc.aio.ServerInterceptor):
    """One line for each call, with the gateway's request id, so that a line here is found by a line there.

    Of metadata it writes names, never values: a service that logs values logs a secret one day.
    """

    async def intercept_service(self, continuation, handler_call_details):
        method, known = handler_call_details.method, dict(handler_call_details.invocation_metadata)
        # The gateway asks for health all the time; nobody looks for that.
        if method.startswith(f"/{NAME}/"):
            names = ("x-request-id", caller.SUBJECT, caller.TENANT, caller.ROLES)
            log.info("%s %s", method, " ".join(f"{name}={known.get(name, '-')}" for name in names))
            log.debug("%s metadata=%s", method, ",".join(sorted(known)))
        return await continuation(handler_call_details)


class Server:
    """A server that is not started yet."""

    def __init__(self, address, certificates=None):
        self._store = Store()
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(interceptors=[Log()])
        shipments_pb2_grpc.add_ShipmentServiceServicer_to_server(ShipmentService(self._store), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        # With reflection the gateway needs no descriptor file: `descriptors = "reflection"`.
        reflection.enable_server_reflection((NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        if certificates is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, mutual_tls(pathlib.Path(certificates)))

    async def start(self):
        """Serves from now on."""
        await self._server.start()
        for name in ("", NAME):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self):
        """Says that it ends, then ends: streams at once with UNAVAILABLE, other calls when they are done."""
        await self._health.enter_graceful_shutdown()
        self._store.close()
        await self._server.stop(GRACE)


def mutual_tls(folder):
    """Our certificate, and theirs asked for: whoever has none from `ca.pem` could call itself any tenant."""
    key, certificate, ca = ((folder / name).read_bytes() for name in ("server.key", "server.pem", "ca.pem"))
    return grpc.ssl_server_credentials([(key, certificate)], root_certificates=ca, require_client_auth=True)
