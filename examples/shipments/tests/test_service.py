"""The service by itself, called as the gateway calls it. Run by `python -m unittest discover -s tests -t .` (see README.md)."""

import asyncio
import unittest

import grpc
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from service.server import NAME, Server
from shipments.v1 import shipments_pb2 as pb
from shipments.v1 import shipments_pb2_grpc


def by(tenant, *more):
    return (("x-logicore-subject", "s-1"), ("x-logicore-tenant", tenant), ("x-logicore-roles", "shipper"), *more)


ACME, OTHER = by("acme"), by("other")


def wish(reference="R-1", **fields):
    return pb.Shipment(**{"reference": reference, "origin": "Hamburg", "destination": "Bern", "weight_grams": 1200} | fields)


class ServiceTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.server = Server("127.0.0.1:0")
        await self.server.start()
        self.addAsyncCleanup(self.server.stop)
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{self.server.port}")
        self.addAsyncCleanup(self.channel.close)
        self.stub = shipments_pb2_grpc.ShipmentServiceStub(self.channel)

    async def create(self, metadata=ACME, **fields):
        return (await self.stub.CreateShipment(pb.CreateShipmentRequest(shipment=wish(**fields)), metadata=metadata)).shipment

    async def upload(self, reports, metadata=ACME):
        return await self.stub.UploadPositions(iter(reports), metadata=metadata)

    async def refused(self, call):
        """Code, reason and fields of a call that fails."""
        with self.assertRaises(grpc.aio.AioRpcError) as raised:
            await call
        status = rpc_status.from_call(AsCall(raised.exception))
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        for detail in status.details:
            detail.Unpack(info), detail.Unpack(bad)
        return raised.exception.code().name, info.reason, [violation.field for violation in bad.field_violations]


class AsCall:
    """rpc_status reads a finished call; an error of grpc.aio says the same things."""

    def __init__(self, error):
        self.code, self.details, self.trailing_metadata = error.code, error.details, error.trailing_metadata


def seen_at(shipment, latitude=53.5, longitude=10.0, **fields):
    return pb.UploadPositionsRequest(shipment_id=shipment.id, position=pb.Position(latitude=latitude, longitude=longitude), **fields)


class Shipments(ServiceTest):
    async def test_a_shipment_is_taken_and_found(self):
        made = await self.create(id="mine", state=pb.SHIPMENT_STATE_DELIVERED)
        self.assertNotEqual(made.id, "mine", "ids are not the caller's to choose")
        self.assertEqual(made.state, pb.SHIPMENT_STATE_CREATED)
        found = await self.stub.GetShipment(pb.GetShipmentRequest(id=made.id), metadata=ACME)
        self.assertEqual(found.shipment, made)

    async def test_every_wrong_field_is_named(self):
        bad = self.create(reference="x" * 101, origin="", weight_grams=0)
        fields = ["shipment.origin", "shipment.reference", "shipment.weight_grams"]
        self.assertEqual(await self.refused(bad), ("INVALID_ARGUMENT", "INVALID_FIELD", fields))

    async def test_a_key_makes_one_shipment_and_no_second_one(self):
        keyed = by("acme", ("idempotency-key", "k-1"))
        made = await self.create(keyed)
        self.assertEqual(await self.create(keyed), made)
        self.assertNotEqual((await self.create()).id, made.id)
        self.assertNotEqual((await self.create(by("other", ("idempotency-key", "k-1")))).id, made.id)
        other = await self.refused(self.create(keyed, reference="R-2"))
        self.assertEqual(other[:2], ("FAILED_PRECONDITION", "IDEMPOTENCY_KEY_REUSED"))

    async def test_a_cancelled_one_stays_cancelled_and_a_delivered_one_delivered(self):
        made = await self.create()
        for _ in range(2):
            answer = await self.stub.CancelShipment(pb.CancelShipmentRequest(id=made.id), metadata=ACME)
            self.assertEqual(answer.shipment.state, pb.SHIPMENT_STATE_CANCELLED)
        arrived = await self.create()
        await self.upload([seen_at(arrived, delivered=True)])
        late = self.stub.CancelShipment(pb.CancelShipmentRequest(id=arrived.id), metadata=ACME)
        self.assertEqual(await self.refused(late), ("FAILED_PRECONDITION", "SHIPMENT_DELIVERED", []))

    async def test_pages_show_each_once(self):
        made = [(await self.create(reference=f"R-{number}")).id for number in range(5)]
        request, sizes, seen = pb.ListShipmentsRequest(page_size=2), [], []
        while True:
            page = await self.stub.ListShipments(request, metadata=ACME)
            sizes.append(len(page.shipments))
            seen += [shipment.id for shipment in page.shipments]
            if not page.next_page_token:
                break
            request.page_token = token = page.next_page_token
        self.assertEqual((sizes, seen), ([2, 2, 1], made))
        for wrong in (
            pb.ListShipmentsRequest(page_token=token, state=pb.SHIPMENT_STATE_CREATED),
            pb.ListShipmentsRequest(page_token="?"),
            pb.ListShipmentsRequest(page_token="bnVsbA=="),
        ):
            answer = await self.refused(self.stub.ListShipments(wrong, metadata=ACME))
            self.assertEqual(answer, ("INVALID_ARGUMENT", "INVALID_FIELD", ["page_token"]))
        answer = await self.refused(self.stub.ListShipments(pb.ListShipmentsRequest(page_size=-1), metadata=ACME))
        self.assertEqual(answer, ("INVALID_ARGUMENT", "INVALID_FIELD", ["page_size"]))

    async def test_a_list_can_be_of_one_state(self):
        kept, cancelled = await self.create(), await self.create()
        await self.stub.CancelShipment(pb.CancelShipmentRequest(id=cancelled.id), metadata=ACME)
        for state, wanted in ((pb.SHIPMENT_STATE_CREATED, kept), (pb.SHIPMENT_STATE_CANCELLED, cancelled)):
            page = await self.stub.ListShipments(pb.ListShipmentsRequest(state=state), metadata=ACME)
            self.assertEqual([shipment.id for shipment in page.shipments], [wanted.id])


class Streams(ServiceTest):
    async def test_positions_are_taken_and_the_rest_is_told(self):
        one, two, arrived = await self.create(), await self.create(), await self.create()
        await self.upload([seen_at(arrived, delivered=True)])
        ghost = pb.Shipment(id="ghost")
        answer = await self.upload([seen_at(one), seen_at(ghost), seen_at(two), seen_at(arrived), seen_at(ghost)])
        self.assertEqual((answer.accepted, list(answer.rejected_shipment_ids)), (2, ["ghost", arrived.id]))
        found = (await self.stub.GetShipment(pb.GetShipmentRequest(id=one.id), metadata=ACME)).shipment
        self.assertEqual((found.state, found.last_position.latitude), (pb.SHIPMENT_STATE_IN_TRANSIT, 53.5))
        self.assertTrue(found.last_position.HasField("time"))

    async def test_a_position_must_be_on_this_planet(self):
        made = await self.create()
        for latitude, longitude, field in ((91, 0, "latitude"), (0, -181, "longitude"), (float("nan"), 0, "latitude")):
            answer = await self.refused(self.upload([seen_at(made, latitude, longitude)]))
            self.assertEqual(answer, ("INVALID_ARGUMENT", "INVALID_FIELD", [f"position.{field}"]))

    async def test_who_tracks_hears_of_every_change_to_the_end(self):
        made = await self.create()
        call = self.stub.TrackShipment(pb.TrackShipmentRequest(id=made.id), metadata=ACME)
        states = [(await call.read()).shipment.state]
        await self.upload([seen_at(made)])
        states.append((await call.read()).shipment.state)
        await self.upload([seen_at(made, delivered=True)])
        states.append((await call.read()).shipment.state)
        self.assertIs(await call.read(), grpc.aio.EOF)
        self.assertEqual(states, [pb.SHIPMENT_STATE_CREATED, pb.SHIPMENT_STATE_IN_TRANSIT, pb.SHIPMENT_STATE_DELIVERED])

    async def test_a_stop_ends_streams_at_once_and_says_so(self):
        made = await self.create()
        call = self.stub.TrackShipment(pb.TrackShipmentRequest(id=made.id), metadata=ACME)
        await call.read()
        stopping = asyncio.create_task(self.server.stop())
        self.assertEqual((await self.refused(call.read()))[:2], ("UNAVAILABLE", "STOPPING"))
        await stopping


class Callers(ServiceTest):
    async def test_a_tenant_sees_its_own_alone(self):
        made = await self.create()
        tracked = self.stub.TrackShipment(pb.TrackShipmentRequest(id=made.id), metadata=OTHER)
        for call in (
            self.stub.GetShipment(pb.GetShipmentRequest(id=made.id), metadata=OTHER),
            self.stub.CancelShipment(pb.CancelShipmentRequest(id=made.id), metadata=OTHER),
            tracked.read(),
        ):
            self.assertEqual((await self.refused(call))[:2], ("NOT_FOUND", "SHIPMENT_NOT_FOUND"))
        self.assertEqual((await self.upload([seen_at(made)], OTHER)).accepted, 0)
        self.assertEqual(await self.stub.ListShipments(pb.ListShipmentsRequest(), metadata=OTHER), pb.ListShipmentsResponse())

    async def test_nobody_is_served_whom_the_gateway_does_not_name(self):
        for metadata in ((), ACME[:1], ACME[1:2], by(""), by("acme", ("x-logicore-tenant", "other"))):
            answer = await self.refused(self.create(metadata))
            self.assertEqual(answer, ("UNAUTHENTICATED", "NO_CALLER", []), metadata)


class Around(ServiceTest):
    async def test_it_says_that_it_is_healthy_and_what_it_serves(self):
        stub = health_pb2_grpc.HealthStub(self.channel)
        for name in ("", NAME):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
            self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING)
        asked = iter([reflection_pb2.ServerReflectionRequest(list_services="*")])
        call = reflection_pb2_grpc.ServerReflectionStub(self.channel).ServerReflectionInfo(asked)
        answer = await call.read()
        self.assertIn(NAME, [service.name for service in answer.list_services_response.service])


if __name__ == "__main__":
    unittest.main()
