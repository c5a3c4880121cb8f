/** An AWS service in miniature, for those that no local AWS has: it answers each request of a real client by a function. Nothing that ships imports it. */
import { createServer, type Server } from "node:http";

export interface StubRequest {
  readonly path: string;
  readonly body: unknown;
}

export interface StubAnswer {
  readonly status?: number;
  /** The error's name, where it is one. */
  readonly error?: string;
  readonly body?: unknown;
}

export interface StubServer {
  readonly endpoint: string;
  readonly requests: readonly StubRequest[];
  stop(): Promise<void>;
}

export async function startStubServer(answer: (request: StubRequest) => StubAnswer): Promise<StubServer> {
  const requests: StubRequest[] = [];
  const server: Server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const request = { path: incoming.url ?? "", body: JSON.parse(Buffer.concat(chunks).toString("utf8")) };
    requests.push(request);
    const { status = 200, error, body = {} } = answer(request);
    response.writeHead(status, {
      "content-type": "application/json",
      ...(error === undefined ? {} : { "x-amzn-errortype": error }),
    });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    requests,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
