/** A worker that is killed: run as a process of its own, it kills itself around its n-th AWS call (SIGKILL, no farewell). */
import { provisionTenantKey } from "@tenantkeys/aws";
import { type CallHook, declarationOf, provisionerPorts, testRun } from "./provisioner.ts";

const { tenantId, dieAt, moment, ...input } = JSON.parse(process.env.DIE_INPUT ?? "{}");
const dieIf = (now: string, call: number) => {
  if (call === dieAt && now === moment) process.kill(process.pid, "SIGKILL");
};
const hook: CallHook = {
  before: (_name, call) => dieIf("before", call),
  after: (_name, call) => dieIf("after", call),
};
await provisionTenantKey(provisionerPorts({ ...input, hook }), testRun(), declarationOf(tenantId));
