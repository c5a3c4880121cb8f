import { createServer, type Server, type ServerResponse } from "node:http";
import { CreateKeyCommand, DescribeKeyCommand } from "@aws-sdk/client-kms";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Clients, createClients, destroyClients } from "./clients.ts";
import { certainlyNotDone, narrowAwsError } from "./narrow-error.ts";
import { CREDENTIALS } from "./test-support.ts";

let server: Server;
let clients: Clients;
let requests: number;
let answer: (response: ServerResponse) => void;

/** Real clients against a server on this machine, which does what no AWS does on request. */
beforeEach(async () => {
  requests = 0;
  server = createServer((_, response) => {
    requests++;
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  clients = createClients({ region: "eu-west-1", endpoint: `http://127.0.0.1:${port}`, credentials: CREDENTIALS });
});

afterEach(async () => {
  vi.useRealTimers();
  destroyClients(clients);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const FAULTS: readonly (readonly [string, (response: ServerResponse) => void])[] = [
  ["resets the connection", (response) => response.socket?.resetAndDestroy()],
  ["closes the connection without a reply", (response) => response.socket?.destroy()],
  ["answers 500", (response) => response.writeHead(500).end('{"__type":"KMSInternalException"}')],
  ["answers 503", (response) => response.writeHead(503).end("")],
  ["throttles", (response) => response.writeHead(400).end('{"__type":"ThrottlingException"}')],
];

describe.each(FAULTS)("against an AWS that %s", (_, fault) => {
  beforeEach(() => {
    answer = fault;
  });

  test("CreateKey's client sends once", async () => {
    await expect(clients.kmsOnce.send(new CreateKeyCommand({}))).rejects.toThrow();
    expect(requests).toBe(1);
  });

  test("the other KMS client sends three times", async () => {
    await expect(clients.kms.send(new DescribeKeyCommand({ KeyId: "x" }))).rejects.toThrow();
    expect(requests).toBe(3);
  });
});

test("CreateKey's client sends once where the reply breaks off, and the caller can't know what was done", async () => {
  answer = (response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write('{"KeyMetadata":');
    setImmediate(() => response.socket?.destroy());
  };
  const error = await clients.kmsOnce.send(new CreateKeyCommand({})).catch((thrown: unknown) => thrown);
  expect(requests).toBe(1);
  expect(certainlyNotDone(error)).toBe(false);
});

test("a call that isn't answered within 10 seconds fails as aws_unavailable", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const { promise: arrived, resolve } = Promise.withResolvers<void>();
  answer = () => resolve();
  const call = clients.kmsOnce.send(new CreateKeyCommand({})).catch((thrown: unknown) => thrown);
  await arrived;
  await vi.advanceTimersByTimeAsync(10_000);
  const error = narrowAwsError(await call, "kms:CreateKey");
  expect(error.code).toBe("aws_unavailable");
  expect(certainlyNotDone(error)).toBe(false);
});

test("a call whose run ends is given up as deadline_near, and proves nothing", async () => {
  const run = new AbortController();
  answer = () => run.abort(new DOMException("the run is over", "TimeoutError"));
  const call = clients.kms.send(new DescribeKeyCommand({ KeyId: "x" }), { abortSignal: run.signal });
  const error = narrowAwsError(await call.catch((thrown: unknown) => thrown), "kms:DescribeKey");
  expect(error.code).toBe("deadline_near");
  expect(certainlyNotDone(error)).toBe(false);
  expect(requests).toBe(1);
});
