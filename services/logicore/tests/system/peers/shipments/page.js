// What the page does: a tour of the example by Connect's own client, in each protocol that it speaks.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";

import { ErrorInfoSchema } from "./google/rpc/error_details_pb.js";
import { ShipmentService, ShipmentState } from "./shipments/v1/shipments_pb.js";

function transports(baseUrl) {
  return {
    "grpc-web": createGrpcWebTransport({ baseUrl }),
    connect: createConnectTransport({ baseUrl, useBinaryFormat: true, useHttpGet: true }),
    "connect+json": createConnectTransport({ baseUrl }),
  };
}

// OK, or the code and the reason that the details give.
async function outcome(call) {
  try {
    await call();
    return ["OK", ""];
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    return [Code[error.code], error.findDetails(ErrorInfoSchema)[0]?.reason];
  }
}

async function tour(transport, tokens) {
  const client = createClient(ShipmentService, transport);
  const of = (who) => ({ headers: tokens[who] ? { authorization: `Bearer ${tokens[who]}` } : {} });
  const shipment = { reference: "R-1", origin: "Hamburg", destination: "Bern", weightGrams: 9007199254740993n };
  const seen = {};

  const made = await client.createShipment({ shipment }, of("shipper"));
  const { id } = made.shipment;
  seen.weight = String(made.shipment.weightGrams);
  const found = await client.getShipment({ id }, of("reader"));
  seen.found = found.shipment.id === id && found.shipment.createTime !== undefined;

  // A server stream: every state, told while it lasts.
  seen.states = [];
  for await (const { shipment } of client.trackShipment({ id }, of("reader"))) {
    seen.states.push(ShipmentState[shipment.state]);
    if (shipment.state === ShipmentState.CREATED) await client.cancelShipment({ id }, of("shipper"));
  }

  const drain = async (stream) => { for await (const _ of stream); };
  const missing = await outcome(() => client.getShipment({ id: "ghost" }, of("reader")));
  const invalid = await outcome(() => client.createShipment({ shipment: {} }, of("shipper")));
  const none = await outcome(() => drain(client.trackShipment({ id: "ghost" }, of("reader"))));
  Object.assign(seen, { missing, invalid, none });
  for (const who of ["nobody", "demo", "reader", "shipper"]) {
    seen[who] = {
      list: await outcome(() => client.listShipments({ pageSize: 1 }, of(who))),
      create: await outcome(() => client.createShipment({ shipment }, of(who))),
      track: await outcome(() => drain(client.trackShipment({ id }, of(who)))),
    };
  }
  return seen;
}

globalThis.visit = (gateway, protocol, tokens) => tour(transports(gateway)[protocol], tokens);
