"""A client that grpcio-tools generated from the example's proto, through the gateway.

Arguments: address of the gateway, tokens (a JSON object by who they are of). Prints what it saw as JSON.
"""

import json
import sys
import threading

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from shipments.v1 import shipments_pb2 as pb
from shipments.v1 import shipments_pb2_grpc

address, tokens = sys.argv[1], json.loads(sys.argv[2])
# What somebody sends who wants to be taken for another.
SPOOFED = [("x-logicore-tenant", "other"), ("x-logicore-subject", "somebody-else"), ("x-logicore-roles", "operator")]


def of(who):
    """Metadata of a caller."""
    return SPOOFED + ([("authorization", f"Bearer {tokens[who]}")] if who in tokens else [])


def outcome(call):
    """OK, or the code and the reason."""
    try:
        call()
        return ["OK", ""]
    except grpc.RpcError as error:
        info = error_details_pb2.ErrorInfo()
        for detail in rpc_status.from_call(error).details:
            detail.Unpack(info)
        return [error.code().name, info.reason]


def everything(stub, shipment_id, who):
    """What comes of a call of every method."""
    options = {"metadata": of(who), "timeout": 20}
    calls = {
        "GetShipment": lambda: stub.GetShipment(pb.GetShipmentRequest(id=shipment_id), **options),
        "ListShipments": lambda: stub.ListShipments(pb.ListShipmentsRequest(), **options),
        "TrackShipment": lambda: next(stub.TrackShipment(pb.TrackShipmentRequest(id=shipment_id), **options)),
        "CreateShipment": lambda: stub.CreateShipment(wish(), **options),
        "UploadPositions": lambda: stub.UploadPositions(iter([at(shipment_id, 1)]), **options),
        "CancelShipment": lambda: stub.CancelShipment(pb.CancelShipmentRequest(id=create(stub)), **options),
    }
    return {name: outcome(call) for name, call in calls.items()}


def wish(reference="R-1"):
    shipment = pb.Shipment(reference=reference, origin="Hamburg", destination="Bern", weight_grams=2**53 + 1)
    return pb.CreateShipmentRequest(shipment=shipment)


def at(shipment_id, latitude, delivered=False):
    position = pb.Position(latitude=latitude, longitude=10)
    return pb.UploadPositionsRequest(shipment_id=shipment_id, position=position, delivered=delivered)


def create(stub, *more, **fields):
    return stub.CreateShipment(wish(**fields), metadata=of("shipper") + list(more), timeout=20).shipment.id


def follow(stub, shipment_id):
    """The states that a tracker hears of while positions are uploaded one by one, each after the one before was heard."""
    states, heard = [], threading.Semaphore(0)

    def reports():
        for latitude, delivered in ((50, False), (47, True)):
            heard.acquire()
            yield at(shipment_id, latitude, delivered)

    def upload():
        answer = stub.UploadPositions(reports(), metadata=of("shipper"), timeout=20)
        counts.update(accepted=answer.accepted)

    counts, uploading = {}, threading.Thread(target=upload)
    uploading.start()
    for answer in stub.TrackShipment(pb.TrackShipmentRequest(id=shipment_id), metadata=of("reader"), timeout=20):
        states.append(pb.ShipmentState.Name(answer.shipment.state))
        heard.release()
    uploading.join()
    return {"states": states, **counts}


def pages(stub):
    request, sizes = pb.ListShipmentsRequest(page_size=2, state=pb.SHIPMENT_STATE_CREATED), []
    while True:
        page = stub.ListShipments(request, metadata=of("reader"), timeout=20)
        sizes.append(len(page.shipments))
        if not page.next_page_token:
            return sizes
        request.page_token = page.next_page_token


def main():
    seen = {}
    with grpc.insecure_channel(address) as channel:
        stub = shipments_pb2_grpc.ShipmentServiceStub(channel)
        for number in range(3):
            last = create(stub, reference=f"R-{number}")
        seen["pages"] = pages(stub)
        keyed = [create(stub, ("idempotency-key", "k-1")) for _ in range(2)]
        seen["keyed"] = keyed[0] == keyed[1]
        seen["followed"] = follow(stub, last)
        found = stub.GetShipment(pb.GetShipmentRequest(id=last), metadata=of("reader"), timeout=20).shipment
        seen["found"] = [found.weight_grams == 2**53 + 1, found.last_position.latitude]
        seen["late"] = outcome(lambda: stub.CancelShipment(pb.CancelShipmentRequest(id=last), metadata=of("shipper")))
        for who in ("nobody", "demo", "reader", "shipper"):
            seen[who] = everything(stub, create(stub), who)
    print(json.dumps(seen))


main()
