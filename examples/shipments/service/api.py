"""The methods of `shipments.v1.ShipmentService`.

No token and no permission is looked at here: the gateway lets nobody through who may not. What is left to the service is the rule
that only it can know, that a tenant sees its own shipments alone.
"""

import math

from shipments.v1 import shipments_pb2 as pb
from shipments.v1 import shipments_pb2_grpc

from . import caller, pages, problems

REFERENCE_MOST = 100


class ShipmentService(shipments_pb2_grpc.ShipmentServiceServicer):
    """Serves a store."""

    def __init__(self, store):
        self._store = store

    async def CreateShipment(self, request, context):
        async with problems.told_to(context):
            metadata = context.invocation_metadata()
            tenant = caller.of(metadata).tenant
            check_shipment(request.shipment)
            key = dict(metadata).get("idempotency-key", "")
            return pb.CreateShipmentResponse(shipment=self._store.create(tenant, request.shipment, key))

    async def GetShipment(self, request, context):
        async with problems.told_to(context):
            tenant = caller.of(context.invocation_metadata()).tenant
            return pb.GetShipmentResponse(shipment=self._store.get(tenant, request.id))

    async def ListShipments(self, request, context):
        async with problems.told_to(context):
            tenant = caller.of(context.invocation_metadata()).tenant
            count, after = pages.size(request.page_size), pages.begin(request.page_token, request.state)
            found = self._store.list(tenant, after, request.state)
            shipments, token = pages.take(found, count, request.state)
            return pb.ListShipmentsResponse(shipments=shipments, next_page_token=token)

    async def CancelShipment(self, request, context):
        async with problems.told_to(context):
            tenant = caller.of(context.invocation_metadata()).tenant
            return pb.CancelShipmentResponse(shipment=self._store.cancel(tenant, request.id))

    async def TrackShipment(self, request, context):
        async with problems.told_to(context):
            tenant = caller.of(context.invocation_metadata()).tenant
            async for shipment in self._store.follow(tenant, request.id):
                yield pb.TrackShipmentResponse(shipment=shipment)

    async def UploadPositions(self, request_iterator, context):
        async with problems.told_to(context):
            tenant = caller.of(context.invocation_metadata()).tenant
            accepted, rejected = 0, {}
            async for report in request_iterator:
                check_position(report.position)
                if self._store.report(tenant, report.shipment_id, report.position, report.delivered):
                    accepted += 1
                else:
                    rejected[report.shipment_id] = None
            return pb.UploadPositionsResponse(accepted=accepted, rejected_shipment_ids=rejected)


def check_shipment(shipment):
    """Refuses a shipment that cannot be taken, and names every field that is wrong."""
    wrong = [(f"shipment.{name}", "is missing") for name in ("reference", "origin", "destination") if not getattr(shipment, name)]
    if len(shipment.reference) > REFERENCE_MOST:
        wrong.append(("shipment.reference", f"is longer than {REFERENCE_MOST} characters"))
    if shipment.weight_grams <= 0:
        wrong.append(("shipment.weight_grams", "must be more than 0"))
    if wrong:
        raise problems.invalid(wrong)


def check_position(position):
    """Refuses what is not on this planet."""
    wrong = []
    for name, most in (("latitude", 90), ("longitude", 180)):
        value = getattr(position, name)
        if math.isnan(value) or abs(value) > most:
            wrong.append((f"position.{name}", f"must be from -{most} to {most}"))
    if wrong:
        raise problems.invalid(wrong)
