/** The proxy as a process of its own (see delayed-endpoint.ts). It ends when the process that started it does. */
import { startDelayingProxy } from "./delaying-proxy.ts";

const proxy = await startDelayingProxy(JSON.parse(process.argv[2] ?? "{}"));
process.on("disconnect", () => process.exit(0));
process.send?.({ port: proxy.port });
