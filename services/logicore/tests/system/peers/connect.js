// Calls every shape by every transport of @connectrpc/connect-node. Arguments: address of the gateway, file with the descriptor
// set of the service, an access token.
"use strict";
const { readFileSync } = require("node:fs");
const { createFileRegistry, fromBinary } = require("@bufbuild/protobuf");
const { FileDescriptorSetSchema } = require("@bufbuild/protobuf/wkt");
const { Code, ConnectError, createClient, decodeBinaryHeader, encodeBinaryHeader } = require("@connectrpc/connect");
const {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} = require("@connectrpc/connect-node");

const [baseUrl, descriptors, token] = process.argv.slice(2);
const set = fromBinary(FileDescriptorSetSchema, readFileSync(descriptors));
const service = createFileRegistry(set).getService("shapes.v1.ShapesService");
const RESOURCE_EXHAUSTED = Code.ResourceExhausted;

function transports() {
  const found = {};
  const gzip = { sendCompression: compressionGzip, compressMinBytes: 0 };
  for (const httpVersion of ["1.1", "2"]) {
    for (const useBinaryFormat of [true, false]) {
      const codec = useBinaryFormat ? "proto" : "json";
      const common = { baseUrl, httpVersion, useBinaryFormat };
      found[`connect ${httpVersion} ${codec}`] = createConnectTransport(common);
      found[`connect ${httpVersion} ${codec} get`] = createConnectTransport({ ...common, useHttpGet: true });
      found[`connect ${httpVersion} ${codec} gzip`] = createConnectTransport({ ...common, ...gzip });
    }
    found[`grpc-web ${httpVersion}`] = createGrpcWebTransport({ baseUrl, httpVersion });
    found[`grpc-web ${httpVersion} gzip`] = createGrpcWebTransport({ baseUrl, httpVersion, ...gzip });
  }
  found["grpc"] = createGrpcTransport({ baseUrl });
  found["grpc gzip"] = createGrpcTransport({ baseUrl, ...gzip });
  return found;
}

async function* said(...messages) {
  yield* messages;
}

// What an error tells. Its metadata hold head and trailers, and the service puts its own into both.
async function failure(call) {
  try {
    await call();
    return "no failure";
  } catch (reason) {
    const error = ConnectError.from(reason);
    return {
      code: Code[error.code],
      message: error.rawMessage,
      echo: [...new Set(error.metadata.get("x-echo")?.split(", "))].join(),
      details: error.details.map((detail) => detail.type),
    };
  }
}

async function all(stream) {
  const texts = [];
  for await (const heard of stream) {
    texts.push(heard.text);
  }
  return texts;
}

async function tour(transport) {
  const client = createClient(service, transport);
  const headers = {
    authorization: `Bearer ${token}`,
    "x-echo": "there and back",
    "x-echo-bin": encodeBinaryHeader(new Uint8Array([0, 255, 7])),
  };
  const seen = {};
  let head;
  const onHeader = (given) => (head = given);
  seen.unary = (await client.unary({ text: "ü".repeat(2000) }, { headers, onHeader })).text.length;
  seen.echo = head.get("x-echo");
  seen.bytes = [...decodeBinaryHeader(head.get("x-echo-bin"))];
  seen.down = await all(client.down({ text: "a", times: 3 }, { headers }));
  seen.up = (await client.up(said({ text: "a" }, { text: "b" }), { headers })).text;
  seen.both = await all(client.both(said({ text: "a" }, { text: "b" }), { headers }));

  const no = { text: "no", fail: RESOURCE_EXHAUSTED };
  seen.unaryFails = await failure(() => client.unary(no, { headers }));
  seen.downFails = await failure(() => all(client.down(no, { headers })));
  seen.upFails = await failure(() => client.up(said(no), { headers }));
  seen.bothFails = await failure(() => all(client.both(said(no), { headers })));
  seen.stranger = await failure(() => client.unary({ text: "a" }));
  seen.strangersStream = await failure(() => all(client.down({ text: "a" })));
  seen.late = await failure(() => client.unary({ wait: true }, { headers, timeoutMs: 300 }));
  seen.leaves = await failure(async () => {
    const leave = new AbortController();
    for await (const heard of client.down({ text: "a", wait: true }, { headers, signal: leave.signal })) {
      seen.before = heard.text;
      leave.abort();
    }
  });
  return seen;
}

async function main() {
  const seen = {};
  for (const [name, transport] of Object.entries(transports())) {
    seen[name] = await tour(transport);
  }
  console.log(JSON.stringify(seen));
  // Connections that are kept alive would keep the program.
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
