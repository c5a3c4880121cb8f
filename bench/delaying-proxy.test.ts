import { once } from "node:events";
import { Agent, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { delayedEndpoint } from "./delayed-endpoint.ts";
import { startDelayingProxy } from "./delaying-proxy.ts";

const endings: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** Answers with what it was sent: the Host header and the body. Counts its connections. */
async function startEcho() {
  let connections = 0;
  const server = createServer(async (incoming, answer) => {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part as Buffer);
    answer.end(JSON.stringify({ host: incoming.headers.host, body: Buffer.concat(parts).toString("base64") }));
  });
  server.on("connection", () => connections++);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  endings.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, connections: () => connections };
}

async function send(port: number, agent: Agent, body: Buffer): Promise<{ host: string; body: string }> {
  const sent = request({ host: "127.0.0.1", port, agent, method: "POST", headers: { host: "kms.example:1" } });
  sent.end(body);
  const [answer] = await once(sent, "response");
  let text = "";
  for await (const part of answer) text += part;
  return JSON.parse(text);
}

function keepAliveAgent(): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  endings.push(async () => agent.destroy());
  return agent;
}

describe("startDelayingProxy", () => {
  it("passes on each byte and the Host header as the client sent them", async () => {
    const echo = await startEcho();
    const proxy = await startDelayingProxy({ host: "127.0.0.1", port: echo.port, delayMs: 5 });
    endings.push(proxy.close);
    // Larger than one TCP segment, so that it arrives in several pieces whose order matters.
    const body = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));

    const answer = await send(proxy.port, keepAliveAgent(), body);

    expect(answer.host).toBe("kms.example:1");
    expect(Buffer.from(answer.body, "base64").equals(body)).toBe(true);
  });

  it("keeps a connection alive from one request to the next", async () => {
    const echo = await startEcho();
    const proxy = await startDelayingProxy({ host: "127.0.0.1", port: echo.port, delayMs: 1 });
    endings.push(proxy.close);
    const agent = keepAliveAgent();

    for (let call = 0; call < 3; call++) await send(proxy.port, agent, Buffer.from(`call ${call}`));

    expect(echo.connections()).toBe(1);
  });
});

describe("delayedEndpoint", () => {
  it("gives the endpoint itself for a delay of 0", async () => {
    const delayed = await delayedEndpoint("http://127.0.0.1:4566", 0);

    expect(delayed.endpoint).toBe("http://127.0.0.1:4566");
  });

  it("starts a proxy in a process of its own for any other delay", async () => {
    const echo = await startEcho();

    const delayed = await delayedEndpoint(`http://127.0.0.1:${echo.port}`, 1);
    endings.push(delayed.stop);
    const answer = await send(Number(new URL(delayed.endpoint).port), keepAliveAgent(), Buffer.from("here"));

    expect(delayed.endpoint).not.toBe(`http://127.0.0.1:${echo.port}`);
    expect(Buffer.from(answer.body, "base64").toString()).toBe("here");
  });
});
