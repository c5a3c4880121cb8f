/**
 * Verification that is killed: a turn of the schedule, or the work on one message, as a process of its own that kills
 * itself before its n-th AWS call (SIGKILL, no farewell). It tells how many calls it made if it lives on.
 */
import { startRun, sweepTick, systemClock, workVerificationMessage } from "@tenantkeys/aws";
import { createSweepPorts, createVerificationWorkerPorts } from "../../packages/functions/src/verification-ports.ts";
import { hookInto } from "./provisioner.ts";

const SAY_NOTHING = { onUntold: () => {}, onUncalled: () => {}, onRepair: () => {} };
const { config, body, dieAt } = JSON.parse(process.env.APART_INPUT ?? "{}");
const run = startRun(systemClock, 60_000, 5_000);
let calls = 0;
const hook = {
  before: () => {
    calls += 1;
    if (calls === dieAt) process.kill(process.pid, "SIGKILL");
  },
};
if (body === undefined) {
  // The lease of one that is killed has ended when the next turn comes: here at once.
  const ports = { ...(await createSweepPorts(config, SAY_NOTHING)(run, 0)), leaseDurationMs: 1 };
  hookInto({ documents: ports.clients.documents, sqs: ports.clients.sqs }, hook);
  hookInto(ports.observing, hook);
  await sweepTick(ports, run);
} else {
  const ports = await createVerificationWorkerPorts(config, SAY_NOTHING)(run);
  hookInto(ports.clients, hook);
  const delivery = { messageId: "message", receiptHandle: "", receiveCount: 1, queueUrl: undefined, body };
  await workVerificationMessage(ports, run, delivery);
}
process.stdout.write(String(calls));
process.exit(0);
