"""The shipments, in memory: a restart forgets them. A real service has a database here, with the tenant in every key.

Everything runs on one event loop and nothing waits between reading and writing, so no lock is needed.
"""

import asyncio
import dataclasses
import itertools
import uuid

from shipments.v1 import shipments_pb2 as pb

from . import problems

# Nothing changes any more after these.
FINAL = (pb.SHIPMENT_STATE_DELIVERED, pb.SHIPMENT_STATE_CANCELLED)


@dataclasses.dataclass
class _Entry:
    number: int
    shipment: pb.Shipment
    # Set by the next change, which puts a new one in its place.
    changed: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)


class _Tenant:
    """What belongs to one tenant. There is no way from one to another."""

    def __init__(self):
        self.entries: dict[str, _Entry] = {}
        self.numbers = itertools.count(1)
        self.keys: dict[str, tuple[bytes, str]] = {}


class Store:
    """Shipments by tenant and id. What comes out is a copy, or is about to be sent."""

    def __init__(self):
        self._tenants: dict[str, _Tenant] = {}
        self._closed = False

    def create(self, tenant, wish, key=""):
        """Takes a shipment. The same key with the same wish gives the same shipment."""
        mine = self._tenants.setdefault(tenant, _Tenant())
        fingerprint = wish.SerializeToString(deterministic=True)
        if key in mine.keys:
            known, shipment_id = mine.keys[key]
            if known != fingerprint:
                raise problems.key_reused()
            return mine.entries[shipment_id].shipment
        # Only what a caller may choose is taken over; ids and states are ours (AIP-203).
        shipment = pb.Shipment(
            id=str(uuid.uuid4()),
            reference=wish.reference,
            origin=wish.origin,
            destination=wish.destination,
            weight_grams=wish.weight_grams,
            state=pb.SHIPMENT_STATE_CREATED,
        )
        shipment.create_time.GetCurrentTime()
        shipment.update_time.CopyFrom(shipment.create_time)
        mine.entries[shipment.id] = _Entry(next(mine.numbers), shipment)
        if key:
            mine.keys[key] = (fingerprint, shipment.id)
        return shipment

    def get(self, tenant, shipment_id):
        """The shipment."""
        return self._entry(tenant, shipment_id).shipment

    def list(self, tenant, after, state):
        """Shipments behind a number, as (number, shipment), the oldest first."""
        mine = self._tenants.get(tenant, _Tenant())
        for entry in mine.entries.values():
            if entry.number > after and state in (pb.SHIPMENT_STATE_UNSPECIFIED, entry.shipment.state):
                yield entry.number, entry.shipment

    def cancel(self, tenant, shipment_id):
        """Cancels it, or leaves it cancelled."""
        entry = self._entry(tenant, shipment_id)
        if entry.shipment.state == pb.SHIPMENT_STATE_DELIVERED:
            raise problems.already_delivered()
        if entry.shipment.state != pb.SHIPMENT_STATE_CANCELLED:
            entry.shipment.state = pb.SHIPMENT_STATE_CANCELLED
            self._touch(entry)
        return entry.shipment

    def report(self, tenant, shipment_id, position, delivered):
        """Notes where it is. Returns whether it is known and still on its way."""
        entry = self._tenants.get(tenant, _Tenant()).entries.get(shipment_id)
        if entry is None or entry.shipment.state in FINAL:
            return False
        entry.shipment.last_position.CopyFrom(position)
        if not position.HasField("time"):
            entry.shipment.last_position.time.GetCurrentTime()
        entry.shipment.state = pb.SHIPMENT_STATE_DELIVERED if delivered else pb.SHIPMENT_STATE_IN_TRANSIT
        self._touch(entry)
        return True

    async def follow(self, tenant, shipment_id):
        """The shipment as it is, then after changes, to its end."""
        entry = self._entry(tenant, shipment_id)
        while True:
            changed, now = entry.changed, pb.Shipment()
            now.CopyFrom(entry.shipment)
            yield now
            if now.state in FINAL:
                return
            await changed.wait()
            if self._closed:
                raise problems.stopping()

    def close(self):
        """Ends what follows shipments; calls that are short end by themselves."""
        self._closed = True
        for mine in self._tenants.values():
            for entry in mine.entries.values():
                entry.changed.set()

    def _entry(self, tenant, shipment_id):
        mine = self._tenants.get(tenant)
        if mine is None or shipment_id not in mine.entries:
            raise problems.not_found(shipment_id)
        return mine.entries[shipment_id]

    def _touch(self, entry):
        entry.shipment.update_time.GetCurrentTime()
        entry.changed.set()
        entry.changed = asyncio.Event()
