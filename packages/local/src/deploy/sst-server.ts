import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { describeError } from "./deploy-error.ts";
import { buildFunction, type FunctionBuildContext, type FunctionBuildInput } from "./function-build.ts";

interface RpcRequest {
  readonly method: string;
  readonly params: readonly [unknown];
}

/**
 * The part of SST's command line that its components call over HTTP (`SST_SERVER`, JSON-RPC on /rpc).
 * Listens on a free port of 127.0.0.1 and doesn't keep the process alive.
 * @returns The address for `SST_SERVER`.
 */
export async function startSstServer(context: FunctionBuildContext): Promise<string> {
  const server = createServer(async (incoming, response) => {
    response.setHeader("content-type", "application/json");
    response.setHeader("connection", "close");
    try {
      const { method, params } = JSON.parse(await readBody(incoming)) as RpcRequest;
      response.end(JSON.stringify({ result: await answer(method, params[0], context) }));
    } catch (error) {
      response.end(JSON.stringify({ error: describeError(error) }));
    }
  });
  // The caller's end of each connection is in this process too and keeps it alive until the answer is there.
  server.on("connection", (socket) => socket.unref());
  server.unref();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function answer(method: string, input: unknown, context: FunctionBuildContext): Promise<unknown> {
  switch (method) {
    case "Provider.Aws.Bootstrap":
      return {
        asset: "sst-asset-local",
        assetEcrRegistryId: "",
        assetEcrUrl: "",
        state: "sst-state-local",
        appsyncHttp: "",
        appsyncRealtime: "",
      };
    case "Runtime.AddTarget":
      return {};
    case "Runtime.Build":
      return buildFunction(input as FunctionBuildInput, context);
    default:
      // The wording of Go's RPC server, by which SST's components know a method that isn't there.
      throw new Error(`rpc: can't find method ${method}`);
  }
}

async function readBody(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
