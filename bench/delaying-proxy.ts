/**
 * A TCP proxy that holds back what a client sends by a fixed time and passes answers on at once: on a connection that is
 * kept alive this adds that time to each request once, as distance does. It changes no byte, so the Host header stays as
 * the client signed it and the signature stays valid.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export interface ProxyOptions {
  readonly host: string;
  readonly port: number;
  /** Added to each request. */
  readonly delayMs: number;
}

export interface DelayingProxy {
  /** On 127.0.0.1. */
  readonly port: number;
  close(): Promise<void>;
}

export async function startDelayingProxy(options: ProxyOptions): Promise<DelayingProxy> {
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(options.port, options.host);
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on("close", () => open.delete(socket));
    }
    join(client, upstream, options.delayMs);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, close: () => closeAll(server, open) };
}

function join(client: Socket, upstream: Socket, delayMs: number): void {
  // Nagle's algorithm would hold small writes back for up to 40 ms more, and not evenly.
  client.setNoDelay(true);
  upstream.setNoDelay(true);
  // Timers of one duration fire in the order they were set, so the bytes stay in order.
  client.on("data", (bytes) => setTimeout(() => upstream.write(bytes), delayMs));
  client.on("end", () => setTimeout(() => upstream.end(), delayMs));
  upstream.pipe(client);
  for (const [socket, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    socket.on("error", () => other.destroy());
  }
}

async function closeAll(server: Server, open: ReadonlySet<Socket>): Promise<void> {
  const closed = once(server, "close");
  server.close();
  for (const socket of open) socket.destroy();
  await closed;
}
